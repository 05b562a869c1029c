"""Waiting for results: one look for all who wait, and nobody forgotten."""

import asyncio
from random import Random
from uuid import uuid4

import pytest

from longshore import JobNotFound, QueueManager, State
from longshore.backends import open_store
from longshore.core.clock import SystemClock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import Bus
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.verdict import COMPLETED
from longshore.engine.engine import Engine
from longshore.manager.waiting import Waiter
from longshore.store.commands import ClaimAsk, Lease, Settlement


@pytest.fixture
async def engine(url):
    """Over a store with an open session "s"."""
    store = open_store(url)
    await store.open()
    await store.extend([Lease(session="s", lease_ms=60_000, opens=True)])
    yield Engine(store, bus=Bus(), clock=SystemClock(), random=Random(1))
    await store.close()


@pytest.fixture
async def waiter(engine):
    """Over the engine."""
    made = Waiter(engine, engine.clock)
    yield made
    await made.close()


async def add(engine, count=1):
    """Some pending jobs."""
    jobs = [NewJob(id=new_id(), queue="q", name="t", payload=b"{}") for _ in range(count)]
    await engine.add(jobs)
    return [job.id for job in jobs]


async def finish(engine, count=1):
    """Completes pending jobs."""
    [claimed] = await engine.claim([ClaimAsk("q", count, "s")])
    await engine.settle(
        [
            Settlement(id=job.id, queue="q", session="s", fence=job.fence, verdict=COMPLETED)
            for job in claimed.jobs
        ]
    )


async def test_many_waiters_cost_few_looks(engine, waiter):
    ids = await add(engine, 500)
    waiting = asyncio.gather(*(waiter.wait(job_id, 10) for job_id in ids))
    await asyncio.sleep(0)
    looks = []
    scan = engine.store.scan
    engine.store.scan = lambda queries: looks.append(len(queries)) or scan(queries)
    await finish(engine, 500)
    records = await waiting
    assert [record.id for record in records] == ids
    assert {record.state for record in records} == {State.COMPLETED}
    assert (
        len(looks) < 100
    )  # a look for each would be five hundred; a busy machine takes more than a quick one


async def test_who_comes_when_the_last_one_leaves_is_not_forgotten(engine, waiter):
    for turns in range(50):
        [job_id] = await add(engine)
        waiting = asyncio.create_task(waiter.wait(job_id, 10))
        await finish(engine)
        assert (await waiting).state is State.COMPLETED
        for _ in range(turns % 10):
            await asyncio.sleep(0)


async def test_a_job_that_ended_before_and_one_that_never_was_are_told_at_once(engine, waiter):
    [job_id] = await add(engine)
    await finish(engine)
    assert (await waiter.wait(job_id, 0.9)).state is State.COMPLETED
    with pytest.raises(JobNotFound):
        await waiter.wait(new_id(), 0.9)


async def test_a_wait_ends_with_its_timeout_and_leaves_nothing_behind(engine, waiter):
    [job_id] = await add(engine)
    with pytest.raises(TimeoutError, match=r"has not ended after 0\.01 s"):
        await waiter.wait(job_id, 0.01)
    assert waiter._waiting == {}


async def test_closing_tells_those_who_wait(engine, waiter):
    [job_id] = await add(engine)
    waiting = asyncio.create_task(waiter.wait(job_id))
    await asyncio.sleep(0)
    await waiter.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await waiting


async def test_a_result_may_be_awaited_in_another_manager_than_the_workers(url):
    async with QueueManager(url) as worker, QueueManager(url) as producer:

        @worker.queue("q").task
        async def double(n: int) -> int:
            return 2 * n

        await worker.start_workers()
        job = await producer.add_job("q", "double", {"n": 21})
        assert await job.result(10) == 42
        with pytest.raises(JobNotFound):
            await producer.retry_job(uuid4())
