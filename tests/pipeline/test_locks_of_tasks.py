"""Locks that tasks take: held while the block runs, free when the attempt or its worker is over."""

import asyncio
import threading
from uuid import uuid4

import pytest

from longshore import JobCancelled, JobContext, QueueManager
from longshore.flow import locking
from longshore.store.commands import GRIP, LOCK, Lease, RecordAsk


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    """Of an empty store, the same one for every manager of the test."""
    return {"memory": f"memory://{uuid4().hex}", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]


@pytest.fixture
async def manager(url):
    """A manager over an empty store."""
    async with QueueManager(url, grace=5) as opened:
        yield opened


async def test_tasks_take_turns_at_a_lock(manager):
    """S1.6"""
    inside, most = 0, 0

    @manager.queue("q", concurrency=8).task
    async def work(ctx: JobContext, number: int) -> int:
        nonlocal inside, most
        async with ctx.lock("one") as lock:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            return lock.fence

    jobs = await work.enqueue_many([(number,) for number in range(20)])
    await manager.run_until_empty(timeout=20)
    fences = [await job.result() for job in jobs]
    assert most == 1
    assert len(set(fences)) == 20


async def test_tasks_in_threads_take_turns_too(manager):
    """S1.6"""
    inside, overlaps, guard = 0, 0, threading.Lock()

    @manager.queue("q", concurrency=4).task
    def work(ctx: JobContext, number: int) -> int:
        nonlocal inside, overlaps
        with ctx.lock_sync("one"):
            with guard:
                inside += 1
                overlaps += inside > 1
            with guard:
                inside -= 1
        return number

    jobs = await work.enqueue_many([(number,) for number in range(8)])
    await manager.run_until_empty(timeout=20)
    assert [await job.result() for job in jobs] == list(range(8))
    assert overlaps == 0


async def test_the_lock_of_a_cancelled_attempt_is_free_at_once(manager):
    """S1.6"""
    held = asyncio.Event()

    @manager.queue("q").task
    async def work(ctx: JobContext) -> None:
        async with ctx.lock("one"):
            held.set()
            await asyncio.Event().wait()

    await manager.start_workers()
    job = await work.enqueue()
    await held.wait()
    await job.cancel()
    with pytest.raises(JobCancelled):
        await job.result(timeout=10)
    async with manager.lock("one", timeout=0):
        """It was free."""


async def test_a_lock_is_free_when_its_workers_session_is_over(manager):
    """S1.6: before its own time."""
    store = await manager.store()
    await store.extend([Lease(session="s", lease_ms=60_000, opens=True)])
    grip = await locking.take(store, "one", token="t", holder="s", ttl_ms=60_000, session="s")
    assert isinstance(grip, locking.Grip)
    with pytest.raises(TimeoutError, match="s has it"):
        await manager.lock("one", timeout=0).take()
    await store.extend([Lease(session="s", lease_ms=0)])
    async with manager.lock("one", timeout=0) as lock:
        assert lock.fence > grip.slip.fence
    assert await locking.keep(store, grip) is None


async def test_a_plain_call_takes_locks_as_well(manager):
    """S1.6: without a worker there is no session to hold them."""

    @manager.queue("q").task
    async def work(ctx: JobContext) -> bool:
        async with ctx.lock("one") as lock:
            return lock.is_held

    assert await work() is True
    store = await manager.store()
    [locks, grips] = await store.get([RecordAsk(LOCK), RecordAsk(GRIP)])
    assert (len(locks), grips) == (1, [])
