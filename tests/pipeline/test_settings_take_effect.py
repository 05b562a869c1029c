"""Every setting changes what happens: one test for each, through the public API."""

import asyncio
import logging

import pytest

from longshore import JobFailed, QueueManager, Retention, Retry, State
from longshore.backends.sqlite import examining
from longshore.core.clock import ManualClock
from longshore.core.errors import PayloadTooLarge, UnsafeStore
from longshore.manager.settings import Settings
from longshore.store.commands import ClaimAsk, Lease
from tests.pipeline.plant import turns

DAY = 86_400.0
EFFECTS = {
    "url": "test_the_url_says_where_jobs_are_kept",
    "concurrency": "test_concurrency_is_how_many_jobs_run_at_once",
    "lease": "test_the_lease_is_how_long_a_silent_worker_keeps_its_jobs",
    "grace": "test_grace_is_how_long_running_jobs_may_finish",
    "poll": "test_a_shorter_poll_looks_at_the_store_more_often",
    "payload_limit": "test_the_payload_limit_holds_for_data_and_results",
    "retention_completed": "test_retention_holds_for_queues_that_state_none_and_that_nobody_named_here",
    "retention_failed": "test_retention_holds_for_queues_that_state_none_and_that_nobody_named_here",
    "retention_count": "test_the_retention_count_is_how_many_completed_jobs_a_queue_keeps",
    "prune_every": "test_prune_every_is_the_time_between_two_sweeps",
    "unsafe_store": "test_no_worker_starts_on_an_unsafe_store_unless_the_setting_allows_it",
    "log_level": "doors/cli/test_worker.py: test_the_log_level_is_a_setting",
}


@pytest.fixture
def clock():
    return ManualClock()


async def until(condition):
    for _ in range(100_000):
        if await condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def counts(manager):
    """How many jobs are completed, and how many are dead letters."""
    stats = await manager.get_stats()
    return stats.completed, stats.failed


async def end_some(manager, queue, *, good=0, bad=0):
    """Jobs of the queue that have ended well or badly."""
    for number in range(good + bad):
        data = {"n": number if number < good else -1}
        job = await manager.add_job(queue, "picky", data, max_attempts=1)
        await manager.process_job(job.id)


def define_picky(manager):
    def picky(job):
        if job.data["n"] < 0:
            raise ValueError(job.data["n"])

    manager.register_handler("picky", process=picky)


def test_every_setting_is_shown_to_have_an_effect():
    """S4.9: a setting that means nothing does not exist."""
    assert set(EFFECTS) == set(Settings.__struct_fields__)


async def test_the_url_says_where_jobs_are_kept(tmp_path, monkeypatch):
    """S4.1: and without one, it is an SQLite file in the working directory, in WAL mode."""
    monkeypatch.chdir(tmp_path)
    async with QueueManager(f"sqlite:///{tmp_path}/elsewhere.db") as manager:
        await manager.add_job("q", "t", None)
    assert (tmp_path / "elsewhere.db").exists()
    async with QueueManager() as manager:
        await manager.add_job("q", "t", None)
        assert (tmp_path / "longshore.db-wal").exists()
        assert (await manager.get_stats()).pending == 1


async def test_concurrency_is_how_many_jobs_run_at_once():
    """S3.22: WORKER_CONCURRENCY."""
    async with QueueManager("memory://", concurrency=3, grace=0) as manager:
        started = asyncio.Semaphore(0)
        running = []

        @manager.queue("q").task
        async def stays(n: int) -> None:
            running.append(n)
            started.release()
            await asyncio.Event().wait()

        await stays.enqueue_many([(n,) for n in range(10)])
        await manager.start_workers()
        for _ in range(3):
            await started.acquire()
        await turns(100)
        assert len(running) == 3


async def test_the_lease_is_how_long_a_silent_worker_keeps_its_jobs(clock):
    async with QueueManager("memory://", clock=clock, lease=20) as manager:
        leases = []
        store = await manager.store()
        extend = store.extend

        async def heard(asked, **more):
            leases.extend(lease.lease_ms for lease in asked)
            return await extend(asked, **more)

        store.extend = heard
        manager.register_processor("q", lambda job: None)
        await manager.start_workers()

        async def is_open():
            return leases

        await until(is_open)
        assert set(leases) == {20_000}


async def test_grace_is_how_long_running_jobs_may_finish():
    """S3.19"""
    async with QueueManager("memory://", grace=0.05) as manager:
        started = asyncio.Event()

        @manager.queue("q").task
        async def stays() -> None:
            started.set()
            await asyncio.Event().wait()

        job = await stays.enqueue()
        store = await (await manager.store()).twin()
        await manager.start_workers()
        await started.wait()
        async with asyncio.timeout(10):  # the default would be 25 s
            await manager.shutdown()
        [counted] = await store.count(["q"])
        assert counted.states[State.PENDING] == 1
        assert job.failures == 0


async def test_a_shorter_poll_looks_at_the_store_more_often():
    """S1.4: between wake-ups a worker looks as seldom as it is told to."""

    async def claims_in_a_minute(poll):
        clock = ManualClock()
        async with QueueManager("memory://", clock=clock, poll=poll) as manager:
            claims = []
            store = await manager.store()
            claim = store.claim

            async def heard(asks, **more):
                claims.append(asks)
                return await claim(asks, **more)

            store.claim = heard
            manager.register_processor("q", lambda job: None)
            await manager.start_workers()
            await turns(200)
            claims.clear()
            for _ in range(600):
                clock.advance(0.1)
                await turns(10)
            return len(claims)

    assert 45 <= await claims_in_a_minute(1.0) <= 75
    assert 1 <= await claims_in_a_minute(30.0) <= 3


async def test_a_shorter_poll_sees_sooner_what_another_process_has_delayed(clock):
    """S3.3"""
    async with QueueManager("memory://shared", clock=clock, poll=0.2) as manager:
        done = asyncio.Event()
        manager.register_processor("q", lambda job: done.set())
        await manager.start_workers()
        await turns(200)
        async with QueueManager("memory://shared", clock=clock) as other:
            await other.add_job("q", "t", None, delay=0.1)
        for _ in range(4):
            clock.advance(0.1)
            await turns(50)
        await asyncio.wait_for(done.wait(), 10)


async def test_the_payload_limit_holds_for_data_and_results():
    async with QueueManager("memory://", payload_limit=100) as manager:

        @manager.queue("q", retry=Retry(1)).task
        async def repeat(text: str, times: int) -> str:
            return text * times

        with pytest.raises(PayloadTooLarge, match="the limit is 100"):
            await repeat.enqueue("x" * 100, 1)
        with pytest.raises(PayloadTooLarge, match="the limit is 100"):
            await repeat.enqueue_many([("x" * 100, 1)])
        with pytest.raises(PayloadTooLarge, match="the limit is 100"):
            await manager.add_job("other", "unknown", "x" * 100)
        with pytest.raises(PayloadTooLarge, match="the limit is 100"):
            await manager.add_bulk("other", [{"name": "unknown", "data": "x" * 100}])
        job = await repeat.enqueue("x", 1)
        with pytest.raises(PayloadTooLarge, match="the limit is 100"):
            await manager.update_job(job.id, data={"text": "x" * 100, "times": 1})
        large = await repeat.enqueue("x", 100)
        await manager.run_until_empty(10)
        assert await job.result(1) == "x"
        with pytest.raises(JobFailed, match="100"):
            await large.result(1)


async def test_retention_holds_for_queues_that_state_none_and_that_nobody_named_here(clock):
    """S2.12 S3.18 S4.10"""
    async with QueueManager("memory://old", clock=clock) as elsewhere:
        define_picky(elsewhere)
        await end_some(elsewhere, "foreign", good=2, bad=1)
        clock.advance(DAY)
        settings = {"retention_completed": DAY / 2, "retention_failed": 2 * DAY}
        async with QueueManager("memory://old", clock=clock, **settings) as manager:
            manager.register_processor("q", lambda job: None)
            await manager.start_workers()

            async def are_gone():
                return await counts(elsewhere) == (0, 1)

            await until(are_gone)
            await turns(200)
            clock.advance(DAY + 100)

            async def all_are_gone():
                return await counts(elsewhere) == (0, 0)

            await until(all_are_gone)


async def test_what_a_queue_has_stated_holds_for_workers_that_do_not_know_it(clock):
    """S2.12: a worker of another application does not prune it by its own default."""
    async with QueueManager("memory://stated", clock=clock) as owner:
        owner.register_queue("kept", retention=Retention(completed=None))
        define_picky(owner)
        await end_some(owner, "kept", good=2)
        await end_some(owner, "free", good=2)
        await owner.run_worker(burst=True, install_signals=False)
        clock.advance(30 * DAY)
        async with QueueManager("memory://stated", clock=clock) as stranger:
            stranger.register_processor("q", lambda job: None)
            await stranger.start_workers()

            async def is_pruned():
                return (await owner.get_queue_metrics("free")).completed == 0

            await until(is_pruned)
            assert (await owner.get_queue_metrics("kept")).completed == 2


async def test_the_retention_count_is_how_many_completed_jobs_a_queue_keeps(clock):
    """S3.18"""
    async with QueueManager("memory://", clock=clock, retention_count=2) as manager:
        define_picky(manager)
        await end_some(manager, "q", good=5)
        await manager.start_workers()

        async def are_two():
            return (await counts(manager))[0] == 2

        await until(are_two)


async def test_prune_every_is_the_time_between_two_sweeps(clock):
    """S4.10"""
    async with QueueManager("memory://", clock=clock, prune_every=1000, retention_completed=100) as manager:
        define_picky(manager)
        await manager.start_workers()
        await turns(200)
        await end_some(manager, "q", good=1)
        clock.advance(700)  # the least that chance may make of 1000 is 800
        await turns(200)
        assert await counts(manager) == (1, 0)
        clock.advance(501)

        async def is_gone():
            return await counts(manager) == (0, 0)

        await until(is_gone)


async def test_no_worker_starts_on_an_unsafe_store_unless_the_setting_allows_it(
    tmp_path, monkeypatch, caplog
):
    """S3.23: whichever way the worker is started."""
    monkeypatch.setattr(examining, "_file_system", lambda path: 0x6969)  # NFS
    url = f"sqlite:///{tmp_path}/jobs.db"
    async with QueueManager(url) as manager:
        manager.register_processor("q", lambda job: None)
        job = await manager.add_job("q", "t", None)
        for work in (
            manager.start_workers,
            manager.run_until_empty,
            lambda: manager.run_worker(burst=True, install_signals=False),
        ):
            with pytest.raises(UnsafeStore, match="LONGSHORE_UNSAFE_STORE=1"):
                await work()
        await job.refresh()
        assert job.state is State.PENDING
    async with QueueManager(url, unsafe_store=True) as manager:
        manager.register_processor("q", lambda job: None)
        with caplog.at_level(logging.WARNING):
            await manager.run_until_empty(10)
        assert "this store may lose jobs" in caplog.text


async def test_the_store_is_there_for_tools():
    """One documented way below the manager: a session of a tool's own can hold a job."""
    async with QueueManager("memory://") as manager:
        await manager.add_job("q", "t", None)
        store = await manager.store()
        await store.extend([Lease(session="tool", lease_ms=60_000, queues=("q",), opens=True)])
        [claimed] = await store.claim([ClaimAsk("q", 1, "tool")])
        assert [job.name for job in claimed.jobs] == ["t"]
