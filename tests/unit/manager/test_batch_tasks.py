"""Batch tasks as they are written: what they take, and what is refused where they are defined."""

from collections.abc import Sequence

import pytest

from longshore import InvalidOption, InvalidTask, Job, PayloadError, QueueManager, UnknownOption


@pytest.fixture
async def manager():
    async with QueueManager("memory://") as opened:
        yield opened


async def test_a_plain_call_runs_in_place(manager):
    @manager.batch_task
    async def double(items: list[int]) -> list[int]:
        return [item * 2 for item in items]

    assert await double([1, 2]) == [2, 4]


async def test_the_data_of_a_job_is_its_item_whoever_adds_it(manager):
    """S1.3, B.9."""
    seen = []

    @manager.queue("q").batch_task(name="take", size=3, max_wait=0.01)
    def take(items: Sequence[dict]) -> list[bool]:
        seen.extend(items)
        return [True] * len(items)

    job = await take.enqueue({"n": 1})
    other = await manager.add_job("q", "take", {"n": 2})
    late = await take.options(priority=5).enqueue({"n": 3})
    assert (job.data, other.data, late.priority) == ({"n": 1}, {"n": 2}, 5)
    await manager.run_until_empty(timeout=10)
    assert seen == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_an_item_that_does_not_fit_is_refused_where_it_is_added(manager):
    @manager.batch_task
    async def take(items: list[int]) -> list[bool]:
        return [True] * len(items)

    with pytest.raises(PayloadError):
        await take.enqueue("no number")
    with pytest.raises(PayloadError):
        await take.enqueue_many([1, "no number"])
    with pytest.raises(PayloadError):
        await take.enqueue()


def test_the_blocking_twin_takes_items_too():
    manager = QueueManager("memory://")

    @manager.batch_task
    async def take(items: list[tuple[int, int]]) -> list[bool]:
        return [True] * len(items)

    assert [job.data for job in take.enqueue_many_sync([(1, 2), (3, 4)])] == [[1, 2], [3, 4]]
    manager.shutdown_sync()


def nothing() -> None:
    """Takes no list."""


def two(items: list[int], more: int) -> None:
    """Takes more than a list."""


def text(items: str) -> None:
    """Takes no list either."""


def unreadable(items: list[bytes | str]) -> None:
    """Its items have no JSON form."""


@pytest.mark.parametrize("function", [nothing, two, text, unreadable])
def test_a_function_that_takes_no_list_of_items_is_refused(manager, function):
    with pytest.raises(InvalidTask):
        manager.batch_task(function)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"sise": 3}, UnknownOption),
        ({"size": 0}, InvalidOption),
        ({"max_wait": 3600}, InvalidOption),
        ({"process": True}, InvalidOption),
        ({"by": 3}, InvalidOption),
        ({"strategy": "halves"}, InvalidOption),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_where_it_is_written(manager, words, error):
    with pytest.raises(error):

        @manager.batch_task(**words)
        async def take(items: list[Job]) -> None: ...
