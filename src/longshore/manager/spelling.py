"""This module notices queues that are probably misspelt: named nowhere here, without a job ever, and much like another.

Queues need no declaration, so such a job is added all the same; nobody would ever run it, and this says so once.
"""

import logging
from collections.abc import Collection
from difflib import get_close_matches

from longshore.store.contract import Store

log = logging.getLogger("longshore.manager")

LIKENESS = 0.7
"""From 0 to 1, as `difflib` measures it: `emial` is to `emails` what 0.73 is."""


class Spelling:
    """What one manager has noticed so far."""

    def __init__(self) -> None:
        self._looked_up: set[str] = set()

    async def look_up(self, queue: str, named_here: Collection[str], store: Store) -> None:
        """Warns about a queue; asks the store the first time only. Raises StoreUnavailable."""
        if queue in named_here or queue in self._looked_up:
            return
        self._looked_up.add(queue)
        near = await nearest(queue, named_here, store)
        if near is not None:
            log.warning(
                "Queue '%s' was named nowhere here and never had a job. Did you mean '%s'?", queue, near
            )


async def nearest(queue: str, named_here: Collection[str], store: Store) -> str | None:
    """The queue that is probably meant; None for one that is known, or like no other."""
    had_jobs = [counts.queue for counts in await store.count(None)]
    if queue in had_jobs:
        return None
    near = get_close_matches(queue, {*had_jobs, *named_here}, n=1, cutoff=LIKENESS)
    return near[0] if near and _is_misspelt(queue, near[0]) else None


def _is_misspelt(queue: str, near: str) -> bool:
    """Whether the two differ in more than a number: `tenant-1` and `tenant-2` are both meant."""
    return _without_digits(queue) != _without_digits(near)


def _without_digits(text: str) -> str:
    return "".join(c for c in text if not c.isdigit())
