"""This module finds blocked jobs that are about to learn of their parents' ends: where queues lie apart, they learn of
it a moment later, and until then nothing else shows that there is something left to run."""

from collections import Counter
from collections.abc import Sequence

from longshore.core.states import TERMINAL, State
from longshore.engine.engine import Engine
from longshore.store.commands import SCAN_LIMIT, JobQuery, by_ids

OVER: tuple[State, ...] = tuple(sorted(TERMINAL))


async def unaware(engine: Engine, queues: Sequence[str]) -> dict[str, int]:
    """How many blocked jobs of each queue wait for a job that is over already, as far as one page shows."""
    query = JobQuery(states=(State.BLOCKED,), queues=tuple(queues), limit=SCAN_LIMIT)
    [page] = await engine.store.scan([query])
    awaited = dict.fromkeys(parent for job in page.jobs for parent in job.waits_for)
    pages = await engine.store.scan(by_ids(awaited, states=OVER))
    over = {job.id for ended in pages for job in ended.jobs}
    return dict(Counter(job.queue for job in page.jobs if not over.isdisjoint(job.waits_for)))
