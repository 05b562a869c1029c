"""Blocking twins: from any thread, with or without an event loop that runs there."""

import asyncio
import inspect
import threading

import pytest

from longshore import BaseQueue, Job, Queue, QueueManager, Task, UsageError, bind_context
from longshore.manager.dead_letters import DeadLetters

WITHOUT_TWIN = {
    "run_worker",  # blocks until the process is told to end: `asyncio.run(manager.run_worker())`
    "store",  # belongs to the event loop that asked for it
    "process_job",  # of BaseQueue: what users write
    "on_complete",
    "on_failure",
}


@pytest.fixture
def manager(url):
    """A manager that is used from plain code."""
    with QueueManager(url) as opened:
        yield opened


def test_every_async_method_has_its_twin():
    lacking = [
        f"{kind.__name__}.{name}"
        for kind in (QueueManager, Queue, BaseQueue, Task, Job, DeadLetters)
        for name, method in inspect.getmembers(kind, inspect.iscoroutinefunction)
        if name[0] != "_" and name not in WITHOUT_TWIN and not callable(getattr(kind, f"{name}_sync", None))
    ]
    assert lacking == []


def test_plain_code_adds_runs_and_waits(manager):
    """S4.11: a web framework without a loop enqueues by the same words."""

    @manager.queue("q").task
    async def double(n: int) -> int:
        return 2 * n

    with bind_context(user="7"):
        job = double.enqueue_sync(21)
    assert job.context == {"user": "7"}
    manager.start_workers_sync()
    assert job.result_sync(timeout=10) == 42
    assert double.enqueue_many_sync([(1,), (2,)])[1].result_sync(10) == 4
    assert manager.add_job_sync("q", "double", {"n": 4}).result_sync(10) == 8
    assert manager.get_stats_sync().completed == 4
    with pytest.raises(TimeoutError):
        double.options(delay=60).enqueue_sync(1).result_sync(0.01)


def test_many_threads_share_one_manager(manager):
    @manager.queue("q").task
    async def quick(n: int) -> None: ...

    threads = [threading.Thread(target=lambda: [quick.enqueue_sync(n) for n in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.get_stats_sync().pending == 160


async def test_a_blocking_call_inside_a_running_loop_does_not_wait_for_itself(url):
    async with QueueManager(url) as manager:

        @manager.queue("q").task
        async def quick(n: int) -> int:
            return n

        job = await quick.enqueue(1)
        assert quick.enqueue_sync(2).id != job.id
        assert manager.get_job_sync(job.id).data == {"n": 1}
        assert (await manager.get_stats()).pending == 2


def test_a_blocking_call_in_a_hook_of_a_blocking_call_says_what_to_do(manager):
    heard = []

    def hook(event):
        try:
            manager.get_stats_sync()
        except UsageError as error:
            heard.append(str(error))

    manager.on("enqueued", hook)
    manager.add_job_sync("q", "t", None)
    assert "await the async method" in heard[0]


def test_one_manager_lives_through_several_event_loops(url):
    """Each `asyncio.run` has an engine of its own; the jobs are the same, and no thread stays behind."""
    before = set(threading.enumerate())
    manager = QueueManager(url)

    @manager.queue("q").task
    async def quick(n: int) -> int:
        return n

    async def add(n):
        return await quick.enqueue(n)

    async def work():
        await manager.run_until_empty(10)
        return (await manager.get_stats()).completed

    first, second = asyncio.run(add(1)), asyncio.run(add(2))
    assert asyncio.run(work()) == 2
    assert (first.result_sync(5), second.result_sync(5)) == (1, 2)
    assert [loop.is_closed() for loop in manager.runtime.engines._open] == [False]
    manager.shutdown_sync()
    assert set(threading.enumerate()) <= before
    assert not manager.portal.is_open


def test_a_store_that_cannot_be_opened_is_tried_again_by_the_next_call(tmp_path):
    missing = tmp_path / "folder"
    manager = QueueManager(f"sqlite:///{missing}/jobs.db")
    missing.write_text("a file where a folder should be")
    with pytest.raises(Exception, match="store"):
        manager.get_stats_sync()
    missing.unlink()
    missing.mkdir()
    assert manager.get_stats_sync().total == 0
    manager.shutdown_sync()


def test_after_a_shutdown_the_next_use_opens_anew(url):
    with QueueManager(url) as manager:
        manager.add_job_sync("q", "t", None)
        manager.shutdown_sync()
        assert manager.get_stats_sync().total in (0, 1)  # memory that nobody holds is gone
