"""Locks: one holder at a time, for as long as its block runs, and never longer than it lives."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from longshore import LockLost, QueueManager
from longshore.core.clock import ManualClock
from longshore.core.errors import InvalidName, InvalidOption, StoreUnavailable, UsageError
from longshore.flow import locking
from longshore.store.commands import GRIP, LOCK, Put, RecordAsk

TURNS = 50
"""Turns of the event loop in which whoever is woken gets as far as it can without time."""


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def url():
    return f"memory://{uuid4().hex}"


@pytest.fixture
async def manager(url, clock):
    async with QueueManager(url, clock=clock) as opened:
        yield opened


@pytest.fixture
async def other(url, clock):
    """Another process, as far as locks can tell."""
    async with QueueManager(url, clock=clock) as opened:
        yield opened


async def pass_time(clock, seconds, step=0.05):
    """Lets everybody live through it."""
    for _ in range(round(seconds / step)):
        clock.advance(step)
        for _ in range(TURNS):
            await clock.sleep(0)


@asynccontextmanager
async def holding(manager, key="key", **options):
    """A task of its own that holds a lock until the block ends; gives the task and the lock."""
    held, enough = asyncio.Event(), asyncio.Event()
    locks = []

    async def hold():
        async with manager.lock(key, **options) as lock:
            locks.append(lock)
            held.set()
            await enough.wait()

    task = asyncio.ensure_future(hold())
    await held.wait()
    try:
        yield task, locks[0]
    finally:
        enough.set()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_holds_a_lock_at_a_time_in_the_order_of_asking(manager):
    """S1.6"""
    seen, inside = [], 0

    async def work(number):
        nonlocal inside
        async with manager.lock("key"):
            inside += 1
            assert inside == 1
            await manager.runtime.clock.sleep(0)
            seen.append(number)
            inside -= 1

    await asyncio.gather(*map(work, range(20)))
    assert seen == list(range(20))


async def test_locks_of_different_keys_do_not_wait_for_each_other(manager):
    """S1.6"""
    async with manager.lock("a") as first, manager.lock("b") as second:
        assert first.is_held
        assert second.is_held
    assert not first.is_held
    assert first.fence


async def test_another_process_gets_the_lock_soon_after_it_was_freed(manager, other, clock):
    """S1.6"""
    async with holding(manager):
        waiting = asyncio.ensure_future(other.lock("key").take())
        await pass_time(clock, 60)
        assert not waiting.done()
    await pass_time(clock, 0.6)
    assert waiting.done()


async def test_who_waits_long_looks_at_most_a_few_times_in_a_second(manager, other, clock, monkeypatch):
    """S1.6"""
    looks = []
    look = locking.look

    async def counted(store, key):
        looks.append(key)
        return await look(store, key)

    monkeypatch.setattr(locking, "look", counted)
    async with holding(manager):
        waiting = [asyncio.ensure_future(other.lock("key").take()) for _ in range(100)]
        await pass_time(clock, 60)
        assert len(looks) <= 60 * 4 + 10
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_lock_is_kept_for_as_long_as_its_block_runs(manager, other, clock):
    """S1.6"""
    async with holding(manager, ttl=1) as (_, lock):
        await pass_time(clock, 30)
        assert lock.is_held
        with pytest.raises(TimeoutError, match="has it"):
            await other.lock("key", timeout=0).take()


async def test_the_lock_of_a_holder_that_died_is_free_when_its_time_is_over(manager, other, clock):
    """S1.6"""
    store = await manager.store()
    grip = await locking.take(store, "key", token="t", holder="dead", ttl_ms=5_000)
    waiting = asyncio.ensure_future(other.lock("key").take())
    await pass_time(clock, 4.9)
    assert not waiting.done()
    await pass_time(clock, 0.7)
    assert waiting.done()
    assert await locking.keep(store, grip) is None
    assert not await locking.free(store, grip)


async def test_each_fence_is_above_all_earlier_ones(manager, clock):
    """S1.6"""
    fences = []
    for pause in (0, 0, 0.001, 59, 3599, 3601, 7200):
        clock.advance(pause)
        async with manager.lock("key") as lock:
            fences.append(lock.fence)
    assert fences == sorted(set(fences))


async def test_a_renewal_that_comes_late_does_not_touch_the_next_holders_lock(manager):
    """S1.6: versions of records begin anew, so the version alone would not tell."""
    store = await manager.store()
    clock = manager.runtime.clock
    dead = await locking.take(store, "key", token="t1", holder="dead", ttl_ms=100)
    for number in range(3):
        clock.advance(0.1)
        grip = await locking.take(store, "key", token=f"u{number}", holder="next", ttl_ms=100)
        assert await locking.keep(store, dead) is None
        assert not await locking.free(store, dead)
        assert await locking.keep(store, grip) is not None


async def test_a_fence_grows_also_after_a_holder_that_died(manager, clock):
    """S1.6"""
    store = await manager.store()
    async with manager.lock("key") as lock:
        before = lock.fence
    dead = await locking.take(store, "key", token="t", holder="dead", ttl_ms=100)
    clock.advance(0.1)
    async with manager.lock("key") as lock:
        assert before < dead.slip.fence < lock.fence


async def test_a_block_whose_lock_was_lost_is_cancelled_and_told(manager, clock):
    """S1.6"""
    async with holding(manager, ttl=3) as (task, lock):
        store = await manager.store()
        await store.put([Put(kind=LOCK, key="key", value=b"{}")])
        await pass_time(clock, 1.1)
        assert task.done()
        with pytest.raises(LockLost, match="other hands"):
            await task
        assert not lock.is_held


async def test_a_lock_that_cannot_be_renewed_is_lost_when_its_time_is_over(manager, clock, monkeypatch):
    """S1.6"""

    async def away(*_):
        raise StoreUnavailable("unreachable", "gone")

    async with holding(manager, ttl=3) as (task, lock):
        monkeypatch.setattr(locking, "keep", away)
        await pass_time(clock, 2.9)
        assert lock.is_held
        await pass_time(clock, 0.2)
        with pytest.raises(LockLost, match="renewed in time"):
            await task


async def test_a_renewal_that_fails_once_costs_nothing(manager, clock, monkeypatch):
    """S1.6"""
    failures, keep = [StoreUnavailable("unreachable", "gone")], locking.keep

    async def flaky(*arguments):
        if failures:
            raise failures.pop()
        return await keep(*arguments)

    monkeypatch.setattr(locking, "keep", flaky)
    async with holding(manager, ttl=3) as (_, lock):
        await pass_time(clock, 30)
        assert lock.is_held


async def test_what_the_block_raises_comes_out_and_frees_the_lock(manager, other):
    """S1.6"""
    with pytest.raises(ZeroDivisionError):
        async with manager.lock("key"):
            1 / 0  # noqa: B018 - raises
    async with other.lock("key", timeout=0):
        """It was free."""


async def test_a_cancel_from_outside_stays_a_cancel_and_frees_the_lock(manager, other):
    """S1.6"""
    async with holding(manager) as (task, _):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with other.lock("key", timeout=0):
            """It was free."""


async def test_who_is_cancelled_while_it_waits_leaves_nothing_behind(manager, other, clock):
    """S1.6"""
    async with holding(manager):
        waiting = [asyncio.ensure_future(other.lock("key").take()) for _ in range(3)]
        await pass_time(clock, 0.5)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await pass_time(clock, 0.1)
    async with other.lock("key", timeout=0):
        """It was free."""


async def test_who_is_cancelled_while_the_store_is_asked_leaves_no_lock(manager, other, clock, monkeypatch):
    """S1.6"""
    asked, answer = asyncio.Event(), asyncio.Event()
    take = locking.take

    async def slow(*arguments, **options):
        taken = await take(*arguments, **options)
        asked.set()
        await answer.wait()
        return taken

    monkeypatch.setattr(locking, "take", slow)
    waiting = asyncio.ensure_future(manager.lock("key").take())
    await asked.wait()
    waiting.cancel()
    await pass_time(clock, 0.05)
    answer.set()
    await asyncio.gather(waiting, return_exceptions=True)
    monkeypatch.undo()
    async with other.lock("key", timeout=0):
        """It was free."""


async def test_a_lock_of_a_session_goes_with_it(manager, clock):
    """S1.6"""
    store = await manager.store()
    assert await locking.take(store, "key", token="t", holder="h", ttl_ms=1000, session="over") is None
    async with manager.lock("key", timeout=0):
        """It was free."""


async def test_wrong_words_are_refused_before_anything_is_asked(manager):
    """S1.6"""
    with pytest.raises(InvalidName, match="lock"):
        manager.lock("")
    with pytest.raises(InvalidOption, match="ttl"):
        manager.lock("key", ttl=0)
    with pytest.raises(InvalidOption):
        manager.lock("key", timeout=-1)
    lock = manager.lock("key")
    with pytest.raises(UsageError, match="no fence"):
        _ = lock.fence
    async with lock:
        with pytest.raises(UsageError, match="used before"):
            await lock.take()


async def test_a_free_lock_leaves_a_record_for_an_hour_and_no_longer(manager, clock):
    """S1.6"""
    store = await manager.store()
    async with manager.lock("key"):
        """Held for a moment."""
    clock.advance(3599.9)
    [records] = await store.get([RecordAsk(LOCK)])
    assert [record.key for record in records] == ["key"]
    clock.advance(0.1)
    await store.promote(10)
    assert await store.get([RecordAsk(LOCK), RecordAsk(GRIP)]) == [[], []]


def test_code_without_a_loop_takes_locks_too(tmp_path):
    """S1.6"""
    manager = QueueManager(f"sqlite:///{tmp_path}/jobs.db")
    try:
        with manager.lock_sync("key") as lock:
            assert lock.is_held
            with pytest.raises(TimeoutError), manager.lock_sync("key", timeout=0):
                """Not reached."""
        with manager.lock_sync("key", timeout=0) as again:
            assert again.fence > lock.fence
    finally:
        manager.shutdown_sync()
