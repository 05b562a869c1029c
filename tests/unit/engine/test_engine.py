"""Adds that happen together, and who hears of what will be due."""

import asyncio
from random import Random

import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption, StoreUnavailable
from longshore.core.events import Bus
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.engine.engine import Engine
from longshore.store.replies import Inserted


class GatedStore(MemoryStore):
    """Lets each insert through only when told, and can lose a reply."""

    def __init__(self):
        super().__init__(ManualClock())
        self.sizes = []
        self.gate = asyncio.Event()
        self.arrived = asyncio.Event()
        self.errors = []

    async def insert(self, jobs, *, durability=None, now_ms=None):
        self.sizes.append(len(jobs))
        self.arrived.set()
        await asyncio.sleep(0)  # as any store does that others could use meanwhile
        await self.gate.wait()
        replies = await super().insert(jobs, durability=durability, now_ms=now_ms)
        if self.errors:
            raise self.errors.pop()
        return replies


def new_job(**options):
    return NewJob(id=new_id(), queue="q", name="t", payload=b"{}", **options)


async def engine_on(store, bus=None):
    await store.open()
    return Engine(store, bus=bus or Bus(), clock=ManualClock(), random=Random(1))


class WatchedStore(GatedStore):
    """Says how durable each insert was asked to be."""

    def __init__(self):
        super().__init__()
        self.asked = []

    async def insert(self, jobs, *, durability=None, now_ms=None):
        self.asked.append((len(jobs), durability))
        return await super().insert(jobs, durability=durability, now_ms=now_ms)


async def test_only_those_who_ask_for_the_same_durability_share_an_insert():
    store = WatchedStore()
    engine = await engine_on(store)
    asked = [None, None, Durability.MEMORY, Durability.MEMORY, None]
    adds = [asyncio.create_task(engine.add([new_job()], durability=level)) for level in asked]
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(*adds)
    assert store.asked == [(1, None), (1, None), (2, Durability.MEMORY), (1, None)]


async def test_a_durability_that_the_store_cannot_reach_is_told_to_who_asked_and_to_nobody_else():
    store = WatchedStore()
    engine = await engine_on(store)
    store.gate.set()
    adds = [engine.add([new_job()], durability=level) for level in (None, Durability.FSYNC, None)]
    first, second, third = await asyncio.gather(*adds, return_exceptions=True)
    assert (first, third) == ([Inserted.CREATED], [Inserted.CREATED])
    assert isinstance(second, InvalidOption)


async def test_jobs_that_are_added_together_share_one_insert():
    store = GatedStore()
    engine = await engine_on(store)
    first = asyncio.create_task(engine.add([new_job()]))
    await store.arrived.wait()
    others = [asyncio.create_task(engine.add([new_job(), new_job()])) for _ in range(50)]
    await asyncio.sleep(0)
    store.gate.set()
    replies = await asyncio.gather(first, *others)
    assert store.sizes == [1, 100]
    assert [len(reply) for reply in replies] == [1] + [2] * 50
    assert await engine.add([new_job()]) == [Inserted.CREATED]


async def test_who_adds_one_job_after_another_beside_others_always_shares():
    store = GatedStore()
    engine = await engine_on(store)
    store.gate.set()

    async def add_three():
        for _ in range(3):
            await engine.add([new_job()])

    await asyncio.gather(*(add_three() for _ in range(10)))
    assert store.sizes == [1, 10, 10, 9]


async def test_who_waits_is_served_when_the_caller_in_front_is_cancelled():
    store = GatedStore()
    engine = await engine_on(store)
    first = asyncio.create_task(engine.add([new_job()]))
    await store.arrived.wait()
    second, third = (asyncio.create_task(engine.add([new_job()])) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    store.gate.set()
    assert await third == [Inserted.CREATED]
    assert store.sizes == [1, 1]


async def test_a_lost_reply_is_asked_again_once_with_the_same_ids():
    store = GatedStore()
    store.gate.set()
    engine = await engine_on(store)
    store.errors = [StoreUnavailable("unreachable", "reply lost")]
    assert await engine.add([new_job()]) == [Inserted.DUPLICATE]
    store.errors = [StoreUnavailable("unreachable", "still"), StoreUnavailable("unreachable", "reply lost")]
    with pytest.raises(StoreUnavailable, match="still"):
        await engine.add([new_job()])


async def test_an_error_that_says_that_nothing_was_done_is_raised_to_everybody_in_the_group():
    store = GatedStore()
    engine = await engine_on(store)
    first = asyncio.create_task(engine.add([new_job()]))
    await store.arrived.wait()
    others = [asyncio.create_task(engine.add([new_job()])) for _ in range(2)]
    await asyncio.sleep(0)
    store.errors = [StoreUnavailable("full", "no space"), StoreUnavailable("full", "no space")]
    store.gate.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert await engine.add([new_job()]) == [Inserted.CREATED]


async def test_a_large_list_goes_in_chunks_of_a_thousand():
    store = GatedStore()
    store.gate.set()
    engine = await engine_on(store)
    assert await engine.add([new_job() for _ in range(2_500)]) == [Inserted.CREATED] * 2_500
    assert store.sizes == [1_000, 1_000, 500]
    assert await engine.add([]) == []


async def test_watchers_hear_when_the_first_of_the_new_jobs_is_due():
    heard = []
    engine = await engine_on(MemoryStore(ManualClock()))
    engine.watch_due(heard.append)
    await engine.add([new_job(), new_job(delay_ms=5_000), new_job(delay_ms=3_000)])
    await engine.add([new_job(run_ms=ManualClock().now_ms() + 2_000)])
    await engine.add([new_job()])
    assert heard == [3.0, 2.0]
    engine.unwatch_due(heard.append)
    await engine.add([new_job(delay_ms=1)])
    assert heard == [3.0, 2.0]


async def test_only_jobs_that_were_created_are_told_as_enqueued():
    bus, told = Bus(), []
    bus.on("enqueued", told.append)
    engine = await engine_on(MemoryStore(ManualClock()), bus)
    job = new_job()
    await engine.add([job, job])
    assert [event.queue for event in told] == ["q"]
