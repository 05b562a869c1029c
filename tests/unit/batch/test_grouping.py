"""An own strategy: its answer is checked to be a partition of what waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.batch.entry import Entry
from longshore.batch.grouping import Split, SplitCollector, partition
from longshore.core.batch_errors import InvalidSplit


def entries(*items):
    return [Entry(item, 0, due=1.0) for item in items]


def test_what_is_in_no_batch_is_left_over_and_what_is_too_long_is_cut():
    """S0.5."""
    batches, left = partition(entries("a", "b", "c", "d"), [["d", "a", "b"], []], 2)
    assert [[entry.item for entry in batch] for batch in batches] == [["d", "a"], ["b"]]
    assert [entry.item for entry in left] == ["c"]


def test_equal_items_are_told_apart_by_how_many_there_are():
    batches, left = partition(entries("a", "a", "a"), [["a"], ["a"]], 9)
    assert (len(batches), len(left)) == (2, 1)


@pytest.mark.parametrize(
    ("answer", "problem"), [([["a"], ["a"]], "twice"), ([["stranger"]], "not among them")]
)
def test_an_item_twice_or_invented_is_refused(answer, problem):
    """S0.5."""
    with pytest.raises(InvalidSplit, match=problem):
        partition(entries("a", "b"), answer, 2)


@given(items=st.lists(st.integers(0, 4)), picks=st.lists(st.lists(st.integers(0, 4))))
def test_a_partition_has_each_entry_once_or_is_refused(items, picks):
    """A28."""
    given_entries = entries(*items)
    try:
        batches, left = partition(given_entries, picks, 3)
    except InvalidSplit:
        return
    found = [id(entry) for batch in batches for entry in batch] + [id(entry) for entry in left]
    assert sorted(found) == sorted(map(id, given_entries))
    assert all(0 < len(batch) <= 3 for batch in batches)


def strategy(function, size=2):
    return SplitCollector(Split(function), size, 1, patience=10.0)


def take(queue, now=0.0, *, everything=False):
    batch = queue.take(now, everything=everything)
    return batch and [entry.item for entry in batch]


def test_the_strategy_is_asked_when_a_batch_could_be_full_or_the_oldest_is_due():
    asked = []
    queue = strategy(lambda items: asked.append(list(items)) or [items[:1]])
    queue.add(Entry("a", 0, due=5.0))
    assert take(queue, 4.9) is None
    assert asked == []
    queue.add(Entry("b", 0, due=6.0))
    assert take(queue, 4.9) == ["a"]
    assert take(queue, 5.9) is None
    assert take(queue, 6.0) == ["b"]
    assert asked == [["a", "b"], ["b"]]


def test_a_strategy_that_lets_nothing_go_is_asked_again_after_its_patience_or_another_batch():
    answers = iter([[], [], [["a"]]])
    queue = strategy(lambda items: next(answers))
    queue.add(Entry("a", 0, due=0.0))
    assert take(queue, 0.0) is None
    assert take(queue, 9.9, everything=True) is None
    assert queue.next_due() == 10.0
    for item in ("b", "c"):
        queue.add(Entry(item, 0, due=99.0))
    assert take(queue, 9.9) is None
    assert take(queue, 19.9) == ["a"]


def test_a_refused_answer_leaves_everything_where_it_was():
    queue = strategy(lambda items: [["stranger"]])
    for item in ("a", "b"):
        queue.add(Entry(item, 0, due=5.0))
    with pytest.raises(InvalidSplit):
        take(queue)
    assert [entry.item for entry in queue] == ["a", "b"]
    assert queue.count == 2


def test_an_item_of_a_planned_batch_can_be_dropped():
    queue = strategy(lambda items: [[item] for item in items], size=3)
    for item in ("a", "b", "c"):
        queue.add(Entry(item, 0, due=5.0))
    assert take(queue) == ["a"]
    assert queue.drop(0).item == "b"
    assert take(queue) == ["c"]
    assert queue.count == 0
