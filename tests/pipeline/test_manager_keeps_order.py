"""What a manager's workers do beside running jobs: rescue, prune, sweep dead letters. In a time that the test moves."""

import asyncio
import os
import signal

import pytest

from longshore import DeadLetterPolicy, QueueManager, Retention, Retry, State
from longshore.core.clock import ManualClock
from longshore.store.commands import ClaimAsk, Lease
from tests.pipeline import process_tasks

HOUR = 3600.0


@pytest.fixture
def clock():
    return ManualClock()


async def until(condition):
    """Waits for something that a service brings about."""
    for _ in range(100_000):
        if await condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def test_running_until_empty_runs_what_is_due_and_not_yet_promoted(clock):
    """S3.3: a job whose time has come is no job for later."""
    async with QueueManager("memory://", clock=clock) as manager:

        @manager.queue("q").task
        async def remind() -> str:
            return "done"

        due, later = [await remind.options(delay=delay).enqueue() for delay in (HOUR, 2 * HOUR)]
        clock.advance(HOUR)
        running = asyncio.create_task(manager.run_until_empty())

        async def is_over():
            clock.advance(0.01)
            return running.done()

        await until(is_over)
        await running
        await due.refresh()
        await later.refresh()
        assert (due.state, later.state) == (State.COMPLETED, State.SCHEDULED)


async def test_a_stalled_job_is_run_again_and_counted(clock):
    """S3.17: its worker died; another one rescues it when the lease is over."""
    async with QueueManager("memory://", clock=clock) as manager:

        @manager.queue("q").task
        async def quick() -> str:
            return "done"

        job = await quick.enqueue()
        store = await manager.store()
        await store.extend([Lease(session="gone", lease_ms=2000, queues=("q",), opens=True)])
        await store.claim([ClaimAsk("q", 1, "gone")])
        clock.advance(3)
        await manager.start_workers()
        assert await job.result(10) == "done"
        await job.refresh()
        assert (job.crashes, job.failures, job.attempt) == (1, 0, 2)
        assert (await manager.get_queue_metrics("q")).stalled == 1


async def test_old_jobs_are_pruned_and_dead_letters_stay(clock):
    """S2.12 S3.18 S4.10: retention per queue, applied by every worker."""
    async with QueueManager("memory://", clock=clock) as manager:

        @manager.queue("q", retry=Retry(1), retention=Retention(completed=HOUR)).task
        async def picky(n: int) -> None:
            if n < 0:
                raise ValueError

        for n in (1, 2, -1):
            await manager.process_job((await picky.enqueue(n)).id)
        clock.advance(HOUR + 1)
        recent = await manager.process_job((await picky.enqueue(3)).id)
        await manager.start_workers()

        async def is_pruned():
            return (await manager.get_stats()).completed == 1

        await until(is_pruned)
        assert (await manager.get_stats()).failed == 1
        assert await manager.get_job(recent.id) is not None


async def test_a_policy_for_dead_letters_is_applied_by_maintenance(clock):
    """S1.9: requeued after a while, discarded after four hours."""
    policy = DeadLetterPolicy(requeue_after=60, max_requeues=1, discard_after=4 * HOUR)
    async with QueueManager("memory://", clock=clock, dead_letters=policy) as manager:
        healthy = []

        @manager.queue("q", retry=Retry(1)).task
        async def fails(n: int) -> None:
            if not healthy:
                raise ValueError(n)

        job = await fails.enqueue(1)
        old = await fails.enqueue(2)
        await manager.process_job(old.id)
        clock.advance(4 * HOUR)
        await manager.process_job(job.id)
        clock.advance(60)
        healthy.append(True)
        await manager.start_workers()

        async def is_completed():
            await job.refresh()
            return job.state is State.COMPLETED

        await until(is_completed)
        assert len(job.errors) == 1

        async def is_discarded():
            return await manager.get_job(old.id) is None

        await until(is_discarded)


async def test_two_managers_share_one_queue(tmp_path):
    """S1.13: each job is run once, whichever worker gets it."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    runs = []
    async with QueueManager(url) as first, QueueManager(url) as second:
        for manager in (first, second):

            @manager.queue("q").task(name="count")
            async def count(n: int) -> None:
                runs.append(n)

            await manager.start_workers(concurrency=4)
        await first.add_bulk("q", [{"name": "count", "data": {"n": n}} for n in range(200)])
        await first.drain(20)
        assert sorted(runs) == list(range(200))
        assert (await first.health()).workers == 2


async def test_tasks_with_processes_of_their_own_run_elsewhere():
    """S1.13: `process=True`, with its context, its result and its log."""
    async with process_tasks.manager as manager:
        job = await process_tasks.pid_of.enqueue(7)
        await manager.run_until_empty(30)
        pid, n = await job.result(1)
        assert (pid != os.getpid(), n) == (True, 7)
        await job.refresh()
        assert [line.text for line in job.logs] == ["page 7"]
        assert process_tasks.pid_of.function is not process_tasks.pid_of


async def test_a_worker_in_front_drains_on_sigterm():
    """S3.19"""
    async with QueueManager("memory://") as manager:
        started, release = asyncio.Event(), asyncio.Event()

        @manager.queue("q").task
        async def slow() -> str:
            started.set()
            await release.wait()
            return "finished"

        job = await slow.enqueue()
        worker = asyncio.create_task(manager.run_worker())
        await started.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        release.set()
        assert await worker == 0
        assert await job.result(1) == "finished"


async def test_a_worker_in_front_with_burst_ends_when_nothing_is_left_to_do_now():
    async with QueueManager("memory://") as manager:

        @manager.queue("q").task
        async def quick() -> None: ...

        await quick.enqueue_many([()] * 20)
        await quick.options(delay=60).enqueue()
        assert await manager.run_worker(burst=True, install_signals=False, concurrency=3) == 0
        stats = await manager.get_stats()
        assert (stats.completed, stats.pending) == (20, 1)
