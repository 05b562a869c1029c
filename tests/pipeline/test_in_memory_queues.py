"""Queues in memory beside durable ones: the two tiers of seed 004."""

import asyncio
from itertools import pairwise

import pytest

from longshore import (
    DrainTimeout,
    InvalidOption,
    JobFailed,
    LongshoreError,
    QueueManager,
    Retention,
    Retry,
    State,
)
from longshore.core.errors import UnusableConnection, UsageError
from longshore.manager.runtime import IN_MEMORY
from longshore.store.commands import PAUSE, RETENTION, RecordAsk
from tests.pipeline import process_tasks


@pytest.fixture
async def manager(tmp_path):
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:
        yield manager


async def noticed(places, count):
    """What came, as soon as so much has come."""
    async with asyncio.timeout(10):
        return [await places.get() for _ in range(count)]


def into(places, what):
    """A processor that tells something of each job."""

    async def process(job):
        places.put_nowait(what(job))

    return process


async def test_a_queue_that_is_not_durable_has_the_same_tasks_and_leaves_nothing_behind(tmp_path):
    """S4.1"""
    url = f"sqlite:///{tmp_path}/jobs.db"
    async with QueueManager(url) as manager:
        fast = manager.queue("fast", durable=False)

        @fast.task(retry=Retry(2, initial=0))
        async def halve(number: int) -> float:
            return number / 2

        @manager.task(queue="slow")
        async def ask(number: int) -> float:
            return await (await halve.enqueue(number)).result(timeout=10)

        await manager.start_workers()
        job = await ask.enqueue(8)
        assert await job.result(timeout=10) == 4.0
        assert {found.queue for found in await manager.get_jobs(limit=10)} == {"fast", "slow"}
        assert (await manager.get_stats()).completed == 2
        assert [each.queue for each in await manager.get_all_metrics()] == ["fast", "slow"]
    async with QueueManager(url) as later:
        assert [found.queue for found in await later.get_jobs(limit=10)] == ["slow"]


async def test_a_follower_may_be_in_the_other_tier(manager):
    """S4.1: a job in memory that fails for good is told to a durable queue."""
    fast = manager.queue("fast", durable=False, dead_letter="letters", retry=Retry(1))

    @fast.task
    async def fail() -> None:
        raise ValueError("never")

    await fail.enqueue()
    await manager.run_until_empty(timeout=10, queues=["fast"])
    [letter] = await manager.get_jobs(queue="letters")
    assert letter.state is State.PENDING
    assert letter.data["failureReason"] == "ValueError: never"


async def test_jobs_of_both_tiers_are_paused_found_retried_and_deleted_alike(manager):
    """S4.1"""
    fast = manager.queue("fast", durable=False, retry=Retry(1))
    outcomes = iter([ValueError("once"), None])

    @fast.task(name="flaky")
    async def flaky() -> None:
        if error := next(outcomes):
            raise error

    job = await flaky.enqueue()
    await manager.pause_queue("fast")
    assert (await job.explain()).code == "paused"
    await manager.resume_queue("fast")
    await manager.run_until_empty(timeout=10)
    assert (await manager.get_job(job.id)).state is State.FAILED
    await manager.retry_job(job.id)
    await manager.run_until_empty(timeout=10)
    assert (await manager.get_job(job.id)).state is State.COMPLETED
    await manager.delete_job(job.id)
    assert await manager.get_jobs(queue="fast") == []


async def test_what_memory_cannot_do_is_refused(manager):
    """S4.1"""
    fast = manager.queue("fast", durable=False)
    with pytest.raises(UnusableConnection, match="in memory"):
        await fast.add({}, connection=object())
    with pytest.raises(InvalidOption, match="durability"):
        await fast.add({}, durability="fsync")
    with pytest.raises(InvalidOption, match="durable"):
        manager.queue("fast", durable=True)
    with pytest.raises(InvalidOption, match="True or False"):
        manager.queue("other", durable="no")


async def test_a_created_queue_runs_by_itself_and_keeps_its_distance(manager):
    """S4.2"""
    seen = asyncio.Queue()
    custom = manager.create_in_memory_queue("custom", concurrency=2, interval=0.05, timeout=15)
    custom.set_processor(into(seen, lambda job: job.data))
    jobs = [await custom.add(number) for number in range(4)]
    assert await noticed(seen, 4) == [0, 1, 2, 3]
    begins = [(await manager.get_job(job.id)).started_at.timestamp() for job in jobs]
    assert all(second - first >= 0.049 for first, second in pairwise(begins))
    assert manager.get_in_memory_queue("custom") is custom


async def test_a_created_queue_runs_while_the_workers_of_the_store_serve_others(manager):
    """S4.2"""
    seen = asyncio.Queue()
    manager.register_processor("slow", into(seen, lambda job: job.queue))
    custom = manager.create_in_memory_queue("custom")
    custom.set_processor(into(seen, lambda job: job.queue))
    await manager.start_workers()
    await manager.add_job("slow", "any", 1)
    await custom.add(1)
    assert sorted(await noticed(seen, 2)) == ["custom", "slow"]


async def test_a_rate_limited_queue_starts_no_more_than_its_rate(manager):
    """S4.3"""
    seen = asyncio.Queue()
    calls = manager.create_rate_limited_queue("api-calls", 3)
    calls.set_processor(into(seen, lambda job: job.data))
    await calls.add_bulk([{"name": "call", "data": number} for number in range(5)])
    assert await noticed(seen, 3) == [0, 1, 2]
    jobs = await manager.get_jobs(queue="api-calls", state="held")
    assert len(jobs) == 2
    assert "3" in await jobs[0].explain()


async def test_a_batch_queue_goes_when_it_is_full_and_is_drained_in_the_end(tmp_path):
    """S4.3"""
    batches = []

    async def process(items):
        batches.append(items)
        return [True] * len(items)

    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:
        queue = manager.create_batch_queue("batch-processing", 2, 5.0)
        with pytest.raises(UsageError, match="set_processor"):
            await queue.add(1)
        queue.set_processor(process)
        for item in range(3):
            await queue.add(item)
        with pytest.raises(UsageError, match="already"):
            manager.create_batch_queue("batch-processing", 2, 5.0)
        with pytest.raises(UsageError, match="another name"):
            manager.create_in_memory_queue("batch-processing")
    assert batches == [[0, 1], [2]]


async def test_stats_of_all_created_queues_are_told_by_name(manager):
    """S4.2, S4.6"""
    seen = asyncio.Queue()
    custom = manager.create_in_memory_queue("custom")
    custom.set_processor(into(seen, lambda job: job.data))
    manager.create_batch_queue("batches", 10, 5.0)
    await (await custom.add(1)).result(timeout=10)
    stats = await manager.get_all_in_memory_stats()
    assert list(stats) == ["batches", "custom"]
    assert stats["custom"].completed == 1
    assert stats["batches"].added == 0


async def test_a_queue_that_was_not_created_is_named_with_the_nearest_one(manager):
    """S4.2"""
    manager.create_in_memory_queue("custom")
    with pytest.raises(LongshoreError, match="Did you mean 'custom'"):
        manager.get_in_memory_queue("costum")


async def test_items_that_cannot_be_drained_in_time_are_said_and_dropped(tmp_path, caplog):
    """S4.3"""
    never = asyncio.Event()

    async def wait(items):
        await never.wait()

    manager = QueueManager(f"sqlite:///{tmp_path}/jobs.db")
    queue = manager.create_batch_queue("stuck", 1, 5.0, processor=wait)
    await queue.add(1)
    with pytest.raises(DrainTimeout):
        await queue.drain(0.01)
    await manager.shutdown(timeout=0.01)
    assert "dropped" in caplog.text


def test_code_without_a_loop_has_the_fast_lane_too(tmp_path):
    """S4.1"""
    with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:
        fast = manager.queue("fast", durable=False)

        @fast.task
        def double(number: int) -> int:
            return 2 * number

        manager.start_workers_sync()
        assert double.enqueue_sync(21).result_sync(timeout=10) == 42


async def test_queues_in_memory_forget_what_is_over_by_themselves(manager):
    """S4.1: a process that runs for months must not grow by them."""
    manager.queue("fast", durable=False)
    manager.queue("told", durable=False, retention=Retention(completed=60))
    manager.queue("left", durable=False, retention="default")
    manager.queue("lasting")
    stated = manager.runtime.stated_retentions()
    assert stated == {"fast": IN_MEMORY, "told": Retention(completed=60), "left": None}
    assert IN_MEMORY.max_count is not None
    assert manager.runtime.prune_seconds == 5


async def test_what_is_stated_of_a_queue_in_memory_stays_in_memory(tmp_path):
    """S4.1"""
    url = f"sqlite:///{tmp_path}/jobs.db"
    async with QueueManager(url) as manager:
        fast = manager.queue("fast", durable=False)
        fast.set_processor(lambda job: None)
        await manager.add_job("fast", "any", {})
        await manager.run_until_empty()
        await manager.pause_queue("fast")
        store = await manager.store()
        assert await store.get([RecordAsk(RETENTION), RecordAsk(PAUSE)]) == [[], []]


async def test_a_queue_with_jobs_in_the_store_is_not_moved_into_memory_away_from_them(manager):
    """S4.1"""
    await manager.add_job("mails", "any", {})
    with pytest.raises(InvalidOption, match=r"jobs in the store.*before anything else is done"):
        manager.queue("mails", durable=False)
    await manager.queue("mails").add({})
    assert len(await manager.get_jobs(queue="mails", state="pending")) == 2


async def test_a_queue_that_was_paused_in_the_store_is_not_moved_into_memory(manager):
    """S4.1"""
    await manager.pause_queue("mails")
    with pytest.raises(InvalidOption, match="was paused there"):
        manager.queue("mails", durable=False)


async def test_what_was_once_said_of_a_queue_in_the_store_does_not_count_in_memory(tmp_path, caplog):
    """S4.1: jobs, a pause and a retention of the process before."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    async with QueueManager(url) as before:
        before.queue("mails", retention=60)
        await before.add_job("mails", "any", {})
        await before.pause_queue("mails")
    async with QueueManager(url) as manager:
        mails = manager.queue("mails", durable=False)
        done = asyncio.Queue()
        mails.set_processor(into(done, lambda job: job.data))
        assert not await manager.is_paused("mails")
        await mails.add(7)
        await manager.run_until_empty()
        await manager.run_until_empty()
        assert await noticed(done, 1) == [7]
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "1 of its jobs is in the store from before" in line] == said


async def test_a_job_of_a_queue_that_runs_by_itself_is_explained(manager):
    """S4.1"""
    begun, enough = asyncio.Event(), asyncio.Event()
    queue = manager.create_in_memory_queue("custom", concurrency=1)

    async def process(job):
        begun.set()
        await enough.wait()

    queue.set_processor(process)
    job = await queue.add({})
    waits = await queue.add({})
    await asyncio.wait_for(begun.wait(), 10)
    assert ((await job.explain()).code, (await waits.explain()).code) == ("running", "next")
    enough.set()
    await waits.result(10)
    idle = manager.create_in_memory_queue("idle")
    job = await idle.add({})
    async with asyncio.timeout(10):
        while not (explanation := await job.explain()).startswith("Queue 'idle' is in the memory"):
            await job.refresh()
    assert "set_processor" in explanation or "start_workers" in explanation


async def test_a_child_process_is_told_that_it_does_not_share_the_memory():
    """S4.1"""
    async with process_tasks.manager as manager:
        job = await process_tasks.add_in_memory.enqueue()
        await manager.run_until_empty(timeout=30)
        with pytest.raises(JobFailed, match="'quick' is in the memory of the worker"):
            await job.result(timeout=10)


async def test_a_shutdown_says_what_it_loses_in_memory(tmp_path, caplog):
    """S4.1"""
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:
        manager.queue("fast", durable=False)
        manager.queue("done", durable=False)
        await manager.add_job("fast", "any", {})
        await manager.add_job("lasting", "any", {})
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "Queue 'fast' was in memory and ended with 1 job left to run"
    ]
