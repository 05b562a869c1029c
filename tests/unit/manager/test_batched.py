"""BatchedQueue: when batches go, how items end, and how much is held."""

import asyncio
import logging
import threading

import pytest

from longshore import (
    BatchedQueue,
    Discard,
    InvalidOption,
    ItemResult,
    QueueClosed,
    QueueFull,
    Retry,
    Split,
    UnknownOption,
)
from longshore.core.attempt_errors import AttemptTimeout
from longshore.core.clock import ManualClock
from longshore.manager.batch_room import Room
from tests.unit.manager.batching import Gate, Notes, let_run, queue_of


async def test_a_batch_goes_when_it_is_full():
    """S0.1."""
    notes = Notes()
    queue = queue_of(notes, batch_size=2)
    for item in "abc":
        await queue.enqueue(item)
    await let_run()
    assert notes.batches == [["a", "b"]]
    assert len(queue) == 1


async def test_a_batch_goes_when_its_oldest_item_has_waited_the_interval_and_no_later():
    """S0.1, A28: within the interval and 100 ms."""
    notes, clock = Notes(), ManualClock()
    queue = queue_of(notes, clock, batch_size=10, flush_interval=5)
    await queue.enqueue("a")
    clock.advance(4)
    await queue.enqueue("b")
    clock.advance(0.9)
    await let_run()
    assert notes.batches == []
    clock.advance(0.1)
    await let_run()
    assert notes.batches == [["a", "b"]]


async def test_each_item_is_settled_by_itself_and_retried_after_its_delay():
    """S0.2, S0.4."""
    clock, batches, outcomes = ManualClock(), [], []

    async def processor(items):
        batches.append(items)
        answers = {"a": True, "b": ValueError("later"), "c": ItemResult(False, "never", retryable=False)}
        return [answers[item] for item in items]

    queue = queue_of(
        processor,
        clock,
        batch_size=3,
        retry=Retry(2, initial=7, jitter=False),
        on_processed=lambda item, result: outcomes.append((item, result.success)),
    )
    await queue.enqueue_many("abc")
    await let_run()
    assert outcomes == [("a", True), ("c", False)]
    clock.advance(6.9)
    await let_run()
    assert len(batches) == 1
    clock.advance(0.1)
    await let_run()
    assert batches[1:] == [["b"]]
    assert outcomes[2:] == [("b", False)]
    assert (queue.stats.completed, queue.stats.failed, queue.stats.retried) == (1, 2, 1)


@pytest.mark.parametrize("answers", [None, [True], [True] * 9, "ab", ValueError("raised"), SystemExit(3)])
async def test_a_wrong_length_or_a_raise_fails_the_whole_batch_retryably(answers):
    """S0.2, A28."""
    clock, tries, errors = ManualClock(), [], []

    async def processor(items):
        tries.append(list(items))
        items.clear()
        if len(tries) > 1:
            return [True, True]
        if isinstance(answers, BaseException):
            raise answers
        return answers

    queue = queue_of(processor, clock, batch_size=2, retry=Retry(2, initial=1), on_error=errors.append)
    await queue.enqueue_many("ab")
    await let_run()
    clock.advance(1)
    await let_run()
    assert tries == [["a", "b"], ["a", "b"]]
    assert len(errors) == 1
    assert (queue.stats.completed, queue.stats.failed) == (2, 0)


async def test_a_batch_over_its_time_fails_retryably_and_frees_its_place():
    """A28."""
    clock, gate, errors = ManualClock(), Gate(), []
    queue = queue_of(gate, clock, batch_size=1, timeout=3, retry=Retry(2, initial=1), on_error=errors.append)
    await queue.enqueue("a")
    await let_run()
    clock.advance(3)
    await let_run()
    assert isinstance(errors[0], AttemptTimeout)
    clock.advance(1)
    await let_run()
    await gate.open()
    assert queue.stats.completed == 1


async def test_discard_ends_a_batch_for_good():
    def processor(items):
        raise Discard("never")

    queue = queue_of(processor, batch_size=1, retry=Retry(5))
    await queue.enqueue("a")
    await queue.drain()
    assert queue.stats.failed == 1


async def test_a_plain_function_runs_in_a_thread_of_its_own():
    threads = []

    def processor(items):
        threads.append(threading.current_thread())
        return [True] * len(items)

    queue = queue_of(processor, batch_size=1)
    await queue.enqueue("a")
    await queue.drain()
    assert threads[0] is not threading.current_thread()
    assert queue.stats.completed == 1


async def test_the_most_urgent_go_first_and_other_levels_are_refused():
    """S0.3."""
    notes = Notes()
    queue = queue_of(notes, batch_size=2, priority_levels=3)
    queue.pause()
    await queue.enqueue_many(["low", "low too"], 2)
    await queue.enqueue("high", 0)
    queue.resume()
    await queue.drain()
    assert notes.batches == [["high", "low"], ["low too"]]
    with pytest.raises(InvalidOption, match=r"0 \(most urgent\) to 2"):
        await queue.enqueue("x", 3)


async def test_items_of_one_key_share_batches():
    """S0.5."""
    notes = Notes()
    queue = queue_of(notes, batch_size=2, batch_by=lambda item: item % 2)
    await queue.enqueue_many(range(5))
    await queue.drain()
    assert notes.batches == [[0, 2], [1, 3], [4]]


async def test_what_an_own_strategy_leaves_over_stays_queued():
    """S0.5."""
    notes, clock = Notes(), ManualClock()
    queue = queue_of(
        notes, clock, batch_size=3, batch_by=Split(lambda items: [[i for i in items if i != "x"]])
    )
    await queue.enqueue_many(["x", "a", "b"])
    await let_run()
    assert notes.batches == [["a", "b"]]
    assert len(queue) == 1
    await queue.flush()
    assert len(queue) == 1


@pytest.mark.parametrize(
    "function", [lambda items: [["new"]], lambda items: [items, items], lambda items: 1 / 0]
)
async def test_a_strategy_that_is_no_partition_is_told_and_loses_nothing(function, caplog):
    """S0.5."""
    notes, clock, errors = Notes(), ManualClock(), []
    queue = queue_of(notes, clock, batch_size=2, batch_by=Split(function), on_error=errors.append)
    await queue.enqueue_many("ab")
    await let_run()
    assert (notes.batches, len(queue), len(errors)) == ([], 2, 1)
    assert "could not be split" in caplog.text


async def test_no_more_batches_run_at_once_than_concurrency_says():
    """S0.6."""
    gate = Gate()
    queue = queue_of(gate, batch_size=1, concurrency=2)
    await queue.enqueue_many("abc")
    await let_run()
    assert gate.batches == [["a"], ["b"]]
    await gate.open(0)
    assert gate.batches == [["a"], ["b"], ["c"]]
    await gate.open(1)
    await gate.open(2)


async def test_two_batches_never_start_closer_than_throttle_says():
    """S0.6."""
    notes, clock = Notes(), ManualClock()
    queue = queue_of(notes, clock, batch_size=1, concurrency=9, throttle=2)
    await queue.enqueue_many("abc")
    await let_run()
    assert notes.batches == [["a"]]
    clock.advance(1.9)
    await let_run()
    assert len(notes.batches) == 1
    clock.advance(0.1)
    await let_run()
    assert notes.batches == [["a"], ["b"]]


async def test_hooks_plain_or_coroutines_hear_what_happens_in_order():
    """S0.7, S0.11."""
    heard = []

    async def on_enqueue(item):
        heard.append(("enqueue", item))

    async def processor(items):
        return [item != "b" for item in items]

    queue = queue_of(
        processor,
        batch_size=2,
        retry=Retry(1),
        on_enqueue=on_enqueue,
        on_batch_start=lambda items: heard.append(("start", items)),
        on_batch_complete=lambda items, results: heard.append(
            ("complete", [each.success for each in results])
        ),
        on_processed=lambda item, result: heard.append(("processed", item, result.success)),
        on_size_change=lambda size: heard.append(("size", size)),
    )
    await queue.enqueue_many("ab")
    await queue.drain()
    assert [each for each in heard if each[0] != "size"] == [
        ("enqueue", "a"),
        ("enqueue", "b"),
        ("start", ["a", "b"]),
        ("complete", [True, False]),
        ("processed", "a", True),
        ("processed", "b", False),
    ]
    assert [each[1] for each in heard if each[0] == "size"][-1] == 0


async def test_a_hook_that_raises_is_logged_and_breaks_no_item(caplog):
    """S0.7."""

    def broken(*_):
        raise RuntimeError("hook")

    names = ("enqueue", "batch_start", "batch_complete", "processed", "size_change", "error")
    queue = queue_of(Notes(), batch_size=1, **{f"on_{name}": broken for name in names})
    await queue.enqueue("a")
    await queue.drain()
    assert queue.stats.completed == 1
    assert {record.name for record in caplog.records if record.levelno >= logging.ERROR} == {
        "longshore.hooks"
    }


async def test_a_full_queue_refuses_and_counts():
    """S0.8."""
    queue = queue_of(Notes(), batch_size=10, max_size=2)
    queue.pause()
    await queue.enqueue("a")
    await queue.enqueue("b")
    with pytest.raises(QueueFull, match="2 items"):
        await queue.enqueue("c")
    assert (len(queue), queue.stats.rejected) == (2, 1)


async def test_a_full_queue_drops_its_oldest_and_says_so_but_never_for_a_less_urgent_one():
    """S0.8."""
    notes = Notes()
    queue = queue_of(
        notes,
        batch_size=9,
        max_size=2,
        when_full="drop_oldest",
        priority_levels=2,
        on_processed=notes.on_processed,
    )
    queue.pause()
    for item, priority in [("old", 1), ("urgent", 0), ("new", 1), ("alarm", 0)]:
        await queue.enqueue(item, priority)
    with pytest.raises(QueueFull):
        await queue.enqueue("late", 1)
    assert notes.outcomes == [("old", False), ("new", False)]
    await queue.drain()
    assert notes.batches == [["urgent", "alarm"]]
    assert (queue.stats.dropped, queue.stats.completed) == (2, 2)


async def test_those_that_wait_for_their_next_attempt_count_and_can_be_dropped():
    """S0.8."""

    async def failing(items):
        return [False] * len(items)

    queue = queue_of(failing, batch_size=1, max_size=1, when_full="drop_oldest", retry=Retry(3, initial=60))
    await queue.enqueue("a")
    await let_run()
    assert (queue.stats.delayed, len(queue)) == (1, 1)
    await queue.enqueue("b")
    await let_run()
    assert (queue.stats.dropped, queue.stats.delayed) == (1, 1)


async def test_who_waits_for_room_is_let_in_one_by_one_in_order():
    """S0.8."""
    gate = Gate()
    queue = queue_of(gate, batch_size=1, max_size=1, when_full="wait")
    producers = []
    for item in "abcd":
        producers.append(asyncio.create_task(queue.enqueue(item)))
        await let_run()
    assert [producer.done() for producer in producers] == [True, True, False, False]
    producers[2].cancel()
    for _ in range(3):
        assert len(queue) <= 1
        await gate.open()
    assert gate.batches == [["a"], ["b"], ["d"]]
    assert queue.stats.completed == 3


async def test_the_turn_of_one_who_gives_up_is_the_next_ones():
    sizes = [1]
    room = Room(lambda: sizes[0])
    first, second = asyncio.create_task(room.enter(1)), asyncio.create_task(room.enter(1))
    await let_run()
    sizes[0] = 0
    room.let_in(1)
    first.cancel()
    await let_run()
    assert (first.cancelled(), second.done()) == (True, True)


async def test_a_queue_smaller_than_its_batch_does_not_wait_for_more():
    notes = Notes()
    queue = queue_of(notes, batch_size=50, max_size=2, when_full="wait")
    await queue.enqueue_many("abcd")
    await let_run()
    assert notes.batches == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("options", [{"max_size": 100}, {"max_size": 100, "when_full": "drop_oldest"}, {}])
async def test_an_iterator_of_any_length_passes_through_bounded_memory(options):
    """S0.12."""
    most, taken = 0, 0

    async def source():
        nonlocal most, taken
        for number in range(30_000):
            taken += 1
            most = max(most, taken - queue.stats.completed)
            yield number

    async def processor(items):
        return [True] * len(items)

    queue = queue_of(processor, batch_size=50, **options)
    assert await queue.enqueue_many(source()) == 30_000
    await queue.drain()
    assert queue.stats.completed == 30_000
    assert most <= options.get("max_size", 10_000) + 2 * 50


async def test_a_loop_that_only_adds_lets_batches_run():
    """S0.12."""
    queue = queue_of(Notes(), batch_size=50, max_size=100)
    for number in range(1000):
        await queue.enqueue(number)
    assert queue.stats.rejected == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"concurrency": 0},
        {"priority_levels": True},
        {"max_size": -1},
        {"when_full": "explode"},
        {"flush_interval": -1},
        {"timeout": 0},
        {"on_error": "log"},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidOption, match=next(iter(wrong))):
        BatchedQueue(Notes(), **wrong)


def test_a_misspelt_option_is_answered_with_the_nearest():
    with pytest.raises(UnknownOption, match="flush_interval"):
        BatchedQueue(Notes(), flush_intervall=3)


async def test_a_closed_queue_takes_no_more():
    async with queue_of(Notes()) as queue:
        await queue.enqueue("a")
    assert queue.stats.completed == 1
    with pytest.raises(QueueClosed):
        await queue.enqueue("b")
