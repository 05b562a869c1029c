"""Queues with a size: what becomes of one job more. On each store without a server."""

import asyncio

import pytest

from longshore import InvalidOption, JobCancelled, QueueFull, QueueManager, State
from longshore.core.unique import WAITING


async def _note(number: int) -> int:
    return number


def task_of(manager, size, policy=None):
    words = {"max_size": size} if policy is None else {"max_size": size, "when_full": policy}
    return manager.queue("notes", **words).task(name="note")(_note)


async def waiting(manager):
    """The numbers of the jobs that wait, oldest first."""
    jobs = await manager.get_jobs(queue="notes", state=WAITING, order="oldest", limit=1000)
    return [job.data["number"] for job in jobs]


async def test_a_full_queue_turns_jobs_away_and_says_how_many_it_holds(manager):
    """S0.8: by itself, and counted."""
    note = task_of(manager, 3)
    await note.enqueue_many([(number,) for number in range(3)])
    with pytest.raises(QueueFull, match="'notes' is full: 3 jobs") as caught:
        await note.enqueue(3)
    assert (caught.value.queue, caught.value.max_size, caught.value.added) == ("notes", 3, ())
    with pytest.raises(QueueFull):
        await manager.add_job("notes", "note", {"number": 4})
    assert await waiting(manager) == [0, 1, 2]
    metrics = await manager.get_queue_metrics("notes")
    assert (metrics.max_size, metrics.rejected, metrics.dropped) == (3, 2, 0)


async def test_of_a_list_that_fits_in_part_the_error_says_which_were_added(manager):
    """S0.8: all or nothing is not promised, so nobody needs to guess."""
    note = task_of(manager, 3)
    first = await note.enqueue(0)
    with pytest.raises(QueueFull, match="2 other jobs of this call were added") as caught:
        await note.enqueue_many([(number,) for number in range(1, 5)])
    assert await waiting(manager) == [0, 1, 2]
    added = [(await manager.get_job(job_id)).data["number"] for job_id in caught.value.added]
    assert sorted(added) == [1, 2]
    assert first.id not in caught.value.added
    with pytest.raises(QueueFull) as caught:
        await manager.add_bulk("notes", [{"name": "note", "data": {"number": 9}}])
    assert caught.value.added == ()


@pytest.mark.parametrize("policy", [None, "drop_oldest"])
async def test_a_size_is_withdrawn_with_none(manager, policy):
    """S0.8"""
    note = task_of(manager, 1, policy)
    await note.enqueue(0)
    manager.queue("notes", max_size=None)
    await note.enqueue_many([(1,), (2,)])
    assert await waiting(manager) == [0, 1, 2]
    assert (await manager.get_queue_metrics("notes")).max_size is None
    with pytest.raises(InvalidOption, match="max_size= beside it"):
        manager.queue("notes", max_size=None, when_full="wait")


async def test_scheduled_jobs_take_room_and_running_ones_do_not(manager):
    """S0.8"""
    started, enough = asyncio.Event(), asyncio.Event()

    @manager.queue("notes", max_size=1).task(name="note")
    async def slow(number: int) -> None:
        started.set()
        await enough.wait()

    await manager.start_workers()
    await slow.enqueue(1)
    await started.wait()
    await slow.options(delay=3600).enqueue(2)
    with pytest.raises(QueueFull):
        await slow.enqueue(3)
    enough.set()


async def test_the_oldest_make_way_for_the_newest_and_are_told(manager):
    """S0.8"""
    told = []
    manager.on("dropped", told.append)
    note = task_of(manager, 3, "drop_oldest")
    jobs = await note.enqueue_many([(number,) for number in range(3)])
    await note.enqueue(3)
    assert await waiting(manager) == [1, 2, 3]
    with pytest.raises(JobCancelled):
        await jobs[0].result(timeout=5)
    assert [(event.queue, event.data) for event in told] == [("notes", {"ids": [jobs[0].id], "max_size": 3})]
    assert (await manager.get_queue_metrics("notes")).dropped == 1


async def test_of_more_than_a_queue_holds_the_newest_stay(manager):
    """S0.8"""
    note = task_of(manager, 3, "drop_oldest")
    jobs = await note.enqueue_many([(number,) for number in range(10)])
    assert len(jobs) == 10
    assert len(await waiting(manager)) == 3
    assert (await waiting(manager))[-1] == 9


async def test_who_waits_for_room_is_let_in_as_jobs_begin(manager):
    """S0.8: back-pressure."""
    note = task_of(manager, 2, "wait")
    await note.enqueue_many([(0,), (1,)])
    more = [asyncio.create_task(note.enqueue(number)) for number in range(2, 6)]
    many = asyncio.create_task(note.enqueue_many([(number,) for number in range(6, 20)]))
    await manager.start_workers()
    jobs = [await each for each in more] + await many
    assert [await job.result(timeout=10) for job in jobs] == list(range(2, 20))


async def test_a_queue_never_holds_more_than_its_size_whoever_adds(manager, url):
    """S0.8: exact under concurrency."""
    async with QueueManager(url) as other:
        tasks = [task_of(manager, 5), task_of(other, 5)]
        outcomes = await asyncio.gather(
            *(tasks[number % 2].enqueue(number) for number in range(40)), return_exceptions=True
        )
    assert sum(isinstance(outcome, QueueFull) for outcome in outcomes) == 35
    assert len(await waiting(manager)) == 5


async def test_who_is_cancelled_while_it_waits_has_added_nothing(manager):
    """S0.8"""
    note = task_of(manager, 1, "wait")
    first = await note.enqueue(0)
    in_line = asyncio.Event()
    manager.runtime.clock = _Announced(manager.runtime.clock, in_line)
    more = [asyncio.create_task(note.enqueue(number)) for number in (1, 2, 3)]
    await in_line.wait()
    more[0].cancel()
    more[1].cancel()
    await asyncio.gather(*more[:2], return_exceptions=True)
    assert await waiting(manager) == [0]
    await first.cancel()
    await more[2]
    assert await waiting(manager) == [3]


class _Announced:
    """A clock that says when somebody sleeps by it: who waits for room does."""

    def __init__(self, clock, asleep):
        self._clock = clock
        self._asleep = asleep

    async def sleep(self, seconds):
        if seconds > 0:
            self._asleep.set()
        await self._clock.sleep(seconds)

    def __getattr__(self, name):
        return getattr(self._clock, name)


async def test_the_size_may_change_and_counts_for_who_adds_from_then_on(manager):
    """S0.8"""
    note = task_of(manager, 1)
    await note.enqueue(0)
    manager.queue("notes", max_size=2)
    await note.enqueue(1)
    with pytest.raises(QueueFull, match="2 jobs"):
        await note.enqueue(2)


async def test_in_a_transaction_of_the_callers_nobody_waits_for_room(tmp_path):
    """S0.8: the jobs before it are not there for others yet, so nobody could make room."""
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:
        note = task_of(manager, 2, "wait")
        async with manager.transaction() as transaction:
            inside = note.options(connection=transaction)
            await inside.enqueue_many([(0,), (1,)])
            with pytest.raises(QueueFull):
                await inside.enqueue(2)
        assert await waiting(manager) == [0, 1]


@pytest.mark.parametrize(
    "words", [{"max_size": 0}, {"max_size": "many"}, {"max_size": 3, "when_full": "drop"}]
)
def test_wrong_options_are_one_error_where_they_are_written(words):
    """S0.8"""
    with pytest.raises(InvalidOption):
        QueueManager("memory://").queue("notes", **words)


def test_to_wait_for_room_needs_a_size():
    """S0.8"""
    with pytest.raises(InvalidOption, match="max_size= beside it"):
        QueueManager("memory://").queue("notes", when_full="wait")


async def test_jobs_of_other_queues_are_not_counted(manager):
    """S0.8"""
    note = task_of(manager, 1)
    await manager.add_job("others", "note", {"number": 1})
    assert (await note.enqueue(0)).state is State.PENDING
