"""BatchedQueue: what is wrong is said where it was written, and costs no item."""

import asyncio
import threading

import pytest

from longshore import BatchedQueue, FileStorage, InvalidOption, Persistence, Retry, Split
from longshore.core.clock import ManualClock
from tests.unit.manager.batching import Notes, let_run, queue_of


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"retry": "often"}, "a Retry, a number of attempts"),
        ({"batch_by": 7}, "the name of a field of each item, a function"),
        ({"batch_by": ""}, "the name of a field of each item, a function"),
        ({"persistence": FileStorage("backup")}, r"a Persistence: Persistence\("),
        ({"persistence": "backup"}, r"a Persistence: Persistence\("),
        ({"when_full": "wiat"}, "'reject', 'drop_oldest' or 'wait'"),
        ({"clock": 3}, "a clock"),
        ({"random": 3}, "random.Random"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_where_the_queue_is_made(wrong, expected):
    """S0.8"""
    with pytest.raises(InvalidOption, match=f"'{next(iter(wrong))}' cannot be .*{expected}"):
        BatchedQueue(Notes(), **wrong)


@pytest.mark.parametrize("processor", [None, 5, [True]])
def test_a_processor_that_cannot_be_called_is_refused(processor):
    with pytest.raises(InvalidOption, match="'processor' cannot be"):
        BatchedQueue(processor)


def test_a_storage_that_is_none_a_type_that_is_none_and_a_split_of_nothing_are_refused():
    with pytest.raises(
        InvalidOption, match=r"'storage' cannot be 'backup'. Expected: FileStorage\('backup'\)"
    ):
        Persistence("backup")
    with pytest.raises(InvalidOption, match="'item_type' cannot be 3"):
        Persistence(FileStorage("backup"), item_type=3)
    with pytest.raises(InvalidOption, match="'batch_by' cannot be 'tenant'"):
        Split("tenant")


async def test_retry_may_be_a_number_as_elsewhere():
    queue = queue_of(lambda items: [False], batch_size=1, retry=1)
    await queue.enqueue("a")
    await queue.drain()
    assert queue.stats.failed == 1


async def test_an_item_without_the_key_is_refused_with_the_nearest_one_and_not_counted():
    queue = queue_of(Notes(), batch_by="tenent")
    with pytest.raises(InvalidOption, match=r"'batch_by' cannot be 'tenent'.*tenant, n, perhaps 'tenant'"):
        await queue.enqueue({"tenant": 1, "n": 2})
    with pytest.raises(TypeError, match="unhashable"):
        await queue_of(Notes(), batch_by=lambda item: [item]).enqueue("a")
    assert (queue.stats.added, len(queue)) == (0, 0)


async def test_an_item_that_its_processor_changed_is_still_tried_again():
    """S0.2: its key is what it was when it came."""
    clock, outcomes = ManualClock(), []

    async def spoil(items):
        for item in items:
            item.clear()
        return [False] * len(items)

    queue = queue_of(
        spoil,
        clock,
        batch_size=2,
        batch_by="tenant",
        retry=Retry(2, initial=1),
        on_processed=lambda item, result: outcomes.append(result.success),
    )
    await queue.enqueue_many([{"tenant": 1}, {"tenant": 1}])
    await let_run()
    clock.advance(3)
    await let_run()
    assert outcomes == [False, False]


async def test_as_many_plain_functions_run_at_once_as_the_queue_allows():
    """asyncio's own pool would run a few, and keep those that hang."""
    together = threading.Barrier(40)

    def meet(items):
        together.wait(20)
        return [True]

    queue = BatchedQueue(meet, batch_size=1, concurrency=40, retry=1)
    await queue.enqueue_many(range(40))
    await queue.drain(30)
    assert queue.stats.completed == 40


@pytest.mark.parametrize("error", [StopIteration("over"), SystemExit(3)])
async def test_whatever_a_plain_function_raises_fails_its_batch(error):
    def fail(items):
        raise error

    queue = BatchedQueue(fail, batch_size=1, retry=1)
    await queue.enqueue("a")
    async with asyncio.timeout(10):
        await queue.drain()
    assert queue.stats.failed == 1
