"""This module finds blocked jobs that are about to learn of their parents' ends: where queues lie apart, they learn of
it a moment later, and until then nothing else shows that there is something left to run."""

from collections import Counter
from collections.abc import Sequence

from longshore.core.states import TERMINAL, State
from longshore.engine.engine import Engine
from longshore.store.commands import SCAN_LIMIT, JobQuery

OVER: tuple[State, ...] = tuple(sorted(TERMINAL))


async def unaware(engine: Engine, queues: Sequence[str]) -> dict[str, int]:
    """How many blocked jobs of each queue wait for a job that is over already, as far as one page shows."""
    query = JobQuery(states=(State.BLOCKED,), queues=tuple(queues), limit=SCAN_LIMIT)
    [page] = await engine.store.scan([query])
    awaited = list(dict.fromkeys(parent for job in page.jobs for parent in job.waits_for))
    over: set[bytes] = set()
    for start in range(0, len(awaited), SCAN_LIMIT):
        ids = tuple(awaited[start : start + SCAN_LIMIT])
        [ended] = await engine.store.scan([JobQuery(ids=ids, states=OVER, limit=SCAN_LIMIT)])
        over |= {job.id for job in ended.jobs}
    return dict(Counter(job.queue for job in page.jobs if not over.isdisjoint(job.waits_for)))
