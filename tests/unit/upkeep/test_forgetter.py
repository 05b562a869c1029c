"""The forgetter: what is recorded of jobs that are gone goes too, a part at a time."""

import asyncio
from random import Random

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.steps.carrying import with_steps
from longshore.steps.entries import BUCKETS, Entry, Kind, mention, put_of, read
from longshore.upkeep.forgetter import SWEEP_SECONDS, Forgetter

JOBS = 300


class Sweeps(MemoryStore):
    """Says which parts were looked at."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.parts: list[str] = []

    async def get(self, asks, *, now_ms=None):
        self.parts += [ask.kind for ask in asks if ask.kind.startswith("stepped/")]
        return await super().get(asks, now_ms=now_ms)


async def test_every_part_is_looked_at_in_turn_and_only_what_belongs_to_no_job_goes():
    """B.12"""
    clock = ManualClock()
    store = Sweeps(clock)
    await store.open()
    ids = [new_id() for _ in range(JOBS)]
    there, gone = ids[::2], ids[1::2]
    await store.insert([NewJob(id=job_id, queue="q", name="work", payload=b"{}") for job_id in there])
    entry = Entry(kind=Kind.STEP, place=0, attempt=1, at_ms=0)
    await store.put([put for job_id in ids for put in (mention(job_id), put_of(job_id, "one", entry, 0))])
    forgetter = Forgetter([store], clock=clock, random=Random(1))
    await forgetter.start()
    while len(store.parts) < BUCKETS:
        await asyncio.sleep(0)
        clock.advance(1.2 * SWEEP_SECONDS)
    await forgetter.stop()
    assert len(set(store.parts)) == BUCKETS
    assert sorted(await with_steps(store, ids)) == there
    assert [len(await read(store, job_id, 0)) for job_id in (there[0], gone[0])] == [1, 0]
