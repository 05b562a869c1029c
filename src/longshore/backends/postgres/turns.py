"""This module gives jobs with a fair key their turns: places in line behind those of all jobs without one.

A turn is 2^62, the tag above 20 bits, and a number that tells equal tags apart in the order in which they were given.
"""

from collections.abc import Iterable

import msgspec

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.core.rules import FAIR_STEP, FairKey

FIRST_TURN = 1 << 62
_BITS = 20


class _Queue(msgspec.Struct):
    """The turns of one priority of a queue."""

    largest: int
    given: int
    first: int | None
    """The tag of the first pending job."""


class Turns:
    """The tags that a step needs."""

    def __init__(self, connection: Runs, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._queues: dict[tuple[str, int], _Queue] = {}
        self._tags: dict[tuple[str, int, str], int] = {}
        self._changed: set[tuple[str, int, str]] = set()

    async def load(self, asking: Iterable[tuple[str, int, str]]) -> None:
        """Reads what is needed for jobs of these queues, priorities and keys."""
        asked = [subject for subject in sorted(set(asking)) if subject not in self._tags]
        if not asked:
            return
        rows = await self._dialect.fetch(
            self._connection,
            "turns",
            [queue for queue, _, _ in asked],
            [priority for _, priority, _ in asked],
            [f":{key}" for _, _, key in asked],
        )
        for number, tag, largest, given, first in rows:
            subject = asked[number - 1]
            self._tags[subject] = tag or 0
            if subject[:2] not in self._queues:
                tag_of_first = None if first is None else (first - FIRST_TURN) >> _BITS
                self._queues[subject[:2]] = _Queue(largest or 0, given or 0, tag_of_first)

    def give(self, queue: str, priority: int, fair: FairKey) -> int:
        """The place in line of a job that becomes pending."""
        whole = self._queues[queue, priority]
        subject = (queue, priority, fair.key)
        virtual = whole.largest if whole.first is None else whole.first
        tag = max(self._tags[subject], virtual) + max(1, round(FAIR_STEP / fair.weight))
        self._tags[subject] = tag
        self._changed.add(subject)
        whole.largest = max(whole.largest, tag)
        whole.first = tag if whole.first is None else min(whole.first, tag)
        whole.given += 1
        return FIRST_TURN + (tag << _BITS) + whole.given % (1 << _BITS)

    def rows(self) -> list[tuple[str, int, str, int, int | None]]:
        """What has changed, as `keep.sql` takes it."""
        keys: list[tuple[str, int, str, int, int | None]] = [
            (queue, priority, f":{key}", self._tags[queue, priority, key], None)
            for queue, priority, key in sorted(self._changed)
        ]
        wholes = sorted({(queue, priority) for queue, priority, _ in self._changed})
        return keys + [
            (*subject, "", self._queues[subject].largest, self._queues[subject].given) for subject in wholes
        ]
