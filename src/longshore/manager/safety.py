"""This module refuses to work on a store that may lose jobs by the way it is set up."""

import logging

from longshore.core.errors import UnsafeStore
from longshore.store.contract import Store

log = logging.getLogger("longshore.worker")


async def refuse_unsafe(store: Store, *, is_allowed: bool) -> None:
    """Raises UnsafeStore for the first thing that may lose jobs; where it is allowed, only logs it.

    Looks at the settings and the place of the store. Its contents are for `longshore doctor`, which may take minutes.
    """
    for finding in await store.examine(contents=False):
        if finding.level != "error":
            continue
        if not is_allowed:
            raise UnsafeStore(finding.problem, finding.remedy)
        log.warning("this store may lose jobs: %s %s", finding.problem, finding.remedy)
