"""BatchedQueue under processors that mean it harm: no item is lost, and none has two outcomes."""

import asyncio
from collections import Counter
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from longshore import ItemResult, Retry, Split
from longshore.core.clock import ManualClock
from tests.unit.manager.batching import let_run, queue_of

ITEMS = 23


class Hostile:
    """A processor that does what its next mood says; the good ones at last are what lets a run end."""

    def __init__(self, moods):
        self.moods = iter(moods)

    async def __call__(self, items):
        mood = next(self.moods, "good")
        if mood == "hang":
            await asyncio.get_running_loop().create_future()
        return ANSWERS[mood](items)


def raising(error):
    def answer(items):
        raise error

    return answer


KINDS = [True, False, None, ValueError("x"), ItemResult(success=False, error="no", retryable=False), "?"]
ANSWERS = {
    "good": lambda items: [True] * len(items),
    "few": lambda items: [True] * (len(items) - 1),
    "many": lambda items: [True] * (len(items) + 1),
    "order": lambda items: items.reverse() or [item % 2 == 0 for item in items],
    "raise": raising(RuntimeError("boom")),
    "exit": raising(SystemExit()),
    "cancel": raising(asyncio.CancelledError()),
    "drop": lambda items: items.clear() or items,
    "nothing": lambda items: None,
    "mixed": lambda items: [KINDS[item % len(KINDS)] for item in items],
}


def doubling():
    """A strategy that names items twice, until it has been refused three times."""
    asked = count()
    return Split(lambda items: [items, items] if next(asked) < 3 else [items])


STRATEGIES = {
    "none": lambda: None,
    "by key": lambda: lambda item: item % 3,
    "halves": lambda: Split(lambda items: [items[::2], items[1::2]]),
    "two at a time": lambda: Split(lambda items: [items[:2]]),
    "doubling": doubling,
}


@settings(max_examples=60, deadline=None)
@given(
    moods=st.lists(st.sampled_from(["hang", *ANSWERS]), max_size=12),
    size=st.integers(1, 9),
    concurrency=st.integers(1, 3),
    attempts=st.integers(1, 3),
    strategy=st.sampled_from(sorted(STRATEGIES)),
)
def test_no_item_is_lost_and_none_has_two_outcomes(moods, size, concurrency, attempts, strategy):
    """S0.2, S0.5, A28: too few, too many, wrong order, raising, timing out, dropping."""
    asyncio.run(live_through(moods, size, concurrency, attempts, strategy))


async def live_through(moods, size, concurrency, attempts, strategy):
    clock, outcomes = ManualClock(), Counter()
    queue = queue_of(
        Hostile(moods),
        clock,
        batch_size=size,
        concurrency=concurrency,
        batch_by=STRATEGIES[strategy](),
        priority_levels=2,
        timeout=2,
        retry=Retry(attempts, initial=1),
        on_processed=lambda item, result: outcomes.update([item]),
    )
    for number in range(ITEMS):
        await queue.enqueue(number, number % 2)
    for _ in range(200):
        await let_run()
        if sum(outcomes.values()) >= ITEMS and queue.stats.running == 0:
            break
        stats = queue.stats
        assert stats.waiting + stats.delayed + stats.running + stats.completed + stats.failed == ITEMS
        clock.advance(1)
    await let_run()
    lacking = [number for number in range(ITEMS) if outcomes[number] != 1]
    assert lacking == []
    assert max(outcomes.values()) == 1
