"""The collector: which items go together, and when."""

from dataclasses import dataclass

import pytest

from longshore.batch.collector import Collector
from longshore.batch.entry import Entry


def collector(size: int = 3, levels: int = 3, by=None) -> Collector:
    return Collector(size, levels, by)


def take(queue: Collector, now: float = 0.0, *, everything: bool = False):
    batch = queue.take(now, everything=everything)
    return batch and [entry.item for entry in batch]


def test_a_full_batch_goes_and_the_rest_waits_until_the_oldest_is_due():
    """S0.1."""
    queue = collector()
    for number in range(5):
        queue.add(Entry(number, 0, due=5.0 + number))
    assert take(queue) == [0, 1, 2]
    assert take(queue) is None
    assert queue.next_due() <= 8.0
    assert take(queue, 7.9) is None
    assert take(queue, 8.0) == [3, 4]
    assert take(queue, 99.0) is None
    assert queue.count == 0


def test_the_more_urgent_go_first_and_the_older_among_those():
    """S0.3."""
    queue = collector()
    for item, priority in [("a2", 2), ("a1", 1), ("b1", 1), ("a0", 0), ("b0", 0)]:
        queue.add(Entry(item, priority, due=1.0))
    assert take(queue) == ["a0", "b0", "a1"]
    assert take(queue, 1.0) == ["b1", "a2"]


def test_items_of_different_keys_never_share_a_batch():
    """S0.5."""
    queue = collector(by=lambda item: item[0])
    for item in ["a1", "b1", "a2", "b2", "b3"]:
        queue.add(Entry(item, 0, due=5.0))
    assert take(queue) == ["b1", "b2", "b3"]
    assert take(queue) is None
    assert take(queue, 5.0) == ["a1", "a2"]


@dataclass
class Report:
    kind: str


@pytest.mark.parametrize(("one", "other"), [({"kind": "a"}, {"kind": "b"}), (Report("a"), Report("b"))])
def test_a_key_may_be_the_name_of_a_field_or_of_an_attribute(one, other):
    queue = collector(by="kind")
    queue.add(Entry(one, 0, due=0.0))
    queue.add(Entry(other, 0, due=0.0))
    assert take(queue, 0.0) == [one]
    assert take(queue, 0.0) == [other]


def test_of_two_keys_the_one_with_the_more_urgent_item_goes_first():
    queue = collector(by=lambda item: item[0])
    queue.add(Entry("a", 1, due=1.0))
    queue.add(Entry("b", 0, due=2.0))
    assert take(queue, 3.0) == ["b"]


def test_everything_goes_when_asked_though_nothing_is_due():
    queue = collector()
    queue.add(Entry("a", 0, due=5.0))
    assert take(queue, 0.0, everything=True) == ["a"]
    assert take(queue, 0.0, everything=True) is None


def test_those_put_back_go_at_once_and_first():
    """S0.4."""
    queue = collector()
    queue.add(Entry("new", 0, due=9.0))
    queue.put_back([Entry("x", 0, due=4.0), Entry("y", 0, due=4.0)])
    queue.add(Entry("newer", 0, due=9.0))
    assert take(queue, 4.0) == ["x", "y", "new"]
    assert take(queue, 8.9) is None


def test_the_watch_does_not_grow_with_what_is_put_back():
    queue = collector()
    queue.add(Entry("stays", 2, due=1e9))
    for now in range(200):
        queue.put_back([Entry("x", 0, due=float(now))])
        queue.take(float(now), everything=False)
        queue.add(Entry("stays", 2, due=1e9))
    assert len(queue._watch) < 5


def test_the_oldest_of_the_least_urgent_is_dropped_and_never_one_more_urgent():
    """S0.8."""
    queue = collector()
    for item, priority in [("urgent", 0), ("old", 2), ("new", 2)]:
        queue.add(Entry(item, priority, due=1.0))
    dropped = [queue.drop(1), queue.drop(1), queue.drop(1)]
    assert [entry and entry.item for entry in dropped] == ["old", "new", None]
    assert [entry.item for entry in queue] == ["urgent"]
    assert collector().drop(0) is None


def test_a_line_that_is_full_no_more_waits_for_its_time_again():
    queue = collector()
    for number in range(3):
        queue.add(Entry(number, 0, due=5.0))
    queue.drop(0)
    assert take(queue, 4.0) is None
    assert take(queue, 5.0) == [1, 2]
