"""This module applies a policy to the dead letters of a queue: requeues those that are due, discards the old ones."""

import msgspec

from longshore.core.clock import Clock
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.dlq.letters import DeadLetterQueue
from longshore.dlq.policy import DeadLetterPolicy, Fate
from longshore.store.commands import SCAN_LIMIT, JobQuery, Order
from longshore.store.contract import Store


class Swept(msgspec.Struct, frozen=True):
    """What a sweep did."""

    requeued: int = 0
    discarded: int = 0
    stayed: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(
            self.requeued + other.requeued, self.discarded + other.discarded, self.stayed + other.stayed
        )


async def sweep(store: Store, clock: Clock, queue: str, policy: DeadLetterPolicy) -> Swept:
    """One pass over the queue's letters, in chunks. Two sweeps at once do no harm: a letter is requeued once."""
    letters = DeadLetterQueue(store)
    total = Swept()
    query: JobQuery | None = JobQuery(
        states=(State.FAILED,), queues=(queue,), order=Order.OLDEST, limit=SCAN_LIMIT
    )
    while query is not None:
        [page] = await store.scan([query])
        total += await _sweep_page(letters, page.jobs, clock.now_ms(), policy)
        query = None if page.cursor is None else msgspec.structs.replace(query, cursor=page.cursor)
    return total


async def _sweep_page(
    letters: DeadLetterQueue, jobs: list[JobRecord], now_ms: int, policy: DeadLetterPolicy
) -> Swept:
    requeues = await letters.requeues([job.id for job in jobs])
    fates = [
        policy.fate(
            age_seconds=(now_ms - (job.finished_ms or job.updated_ms)) / 1000,
            requeues=requeues.get(job.id, 0),
        )
        for job in jobs
    ]
    discarded = await letters.discard(
        [job.id for job, fate in zip(jobs, fates, strict=True) if fate is Fate.DISCARD]
    )
    requeued = await letters.requeue(
        [job.id for job, fate in zip(jobs, fates, strict=True) if fate is Fate.REQUEUE]
    )
    return Swept(len(requeued), len(discarded), fates.count(Fate.STAY))
