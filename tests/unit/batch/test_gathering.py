"""Gathering claimed jobs: what goes together, when, and what stays among itself after a crash."""

import pytest

from longshore.batch.gathering import BatchRule, Gathered, Gatherer
from longshore.batch.halving import Begun, Half, announcement, halved, healed, read_begun, read_half
from longshore.core.batch_errors import InvalidSplit
from longshore.core.errors import InvalidOption
from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.store.replies import Record


def job(number: int = 0, *, key: object = None, size: int = 1, priority: int = 3) -> Gathered:
    record = JobRecord(
        id=new_id(), queue="q", name="t", payload=b"x" * size, state=State.RUNNING, priority=priority
    )
    return Gathered(record, number, key)


def numbers(batch: list[Gathered] | None) -> list[int] | None:
    return batch and [each.handle for each in batch]


def filled(count: int, **rule) -> Gatherer:
    gatherer = Gatherer(BatchRule(**rule))
    for number in range(count):
        gatherer.add(job(number), now=0.0)
    return gatherer


def test_a_batch_is_taken_when_full_and_the_rest_when_due():
    """S0.1."""
    gatherer = filled(5, size=3, max_wait=2.0)
    assert numbers(gatherer.take(0.0)) == [0, 1, 2]
    assert gatherer.take(1.9) is None
    assert gatherer.next_due(1.9) == 2.0
    assert numbers(gatherer.take(2.0)) == [3, 4]
    assert gatherer.count == 0
    assert gatherer.next_due(2.0) == float("inf")


def test_min_size_is_enough_and_size_is_the_most():
    gatherer = filled(7, size=5, min_size=2)
    assert numbers(gatherer.take(0.0)) == [0, 1, 2, 3, 4]
    assert numbers(gatherer.take(0.0)) == [5, 6]
    gatherer.add(job(7), 0.0)
    assert gatherer.take(0.0) is None


def test_bytes_end_a_batch_and_what_is_left_waits_for_more():
    gatherer = Gatherer(BatchRule(size=10, max_bytes=10))
    for number in range(4):
        gatherer.add(job(number, size=3), 0.0)
    assert numbers(gatherer.take(0.0)) == [0, 1, 2]
    assert gatherer.take(0.0) is None
    gatherer.add(job(4, size=50), 0.0)
    assert numbers(gatherer.take(0.0)) == [3]
    assert numbers(gatherer.take(0.0)) == [4]


def test_keys_do_not_mix():
    """B.9."""
    gatherer = Gatherer(BatchRule(size=2, by="kind"))
    for number in range(4):
        gatherer.add(job(number, key=number % 2), 0.0)
    assert sorted(numbers(gatherer.take(0.0)) + numbers(gatherer.take(0.0))) == [0, 1, 2, 3]
    assert gatherer.take(99.0) is None


def test_the_halves_of_a_crash_stay_among_themselves_and_go_in_their_own_size():
    """B.9."""
    gatherer = filled(2, size=4, max_wait=2.0)
    half = Half(new_id(), 2)
    for number in range(10, 13):
        gatherer.add(job(number), 0.0, half)
    assert gatherer.take(0.0) is None
    found = gatherer.take_half(0.0)
    assert (found[0], numbers(found[1])) == (half, [10, 11])
    assert gatherer.take_half(1.9) is None
    assert numbers(gatherer.take_half(2.0)[1]) == [12]
    assert numbers(gatherer.take(2.0)) == [0, 1]


def test_jobs_can_be_withdrawn_from_wherever_they_wait():
    gatherer = filled(3, size=4)
    gatherer.add(job(10), 0.0, Half(new_id(), 2))
    assert sorted(numbers(gatherer.withdraw(lambda each: each.handle in (1, 10)))) == [1, 10]
    assert gatherer.count == 2
    assert [record.payload for record in gatherer.jobs()] == [b"x", b"x"]
    assert gatherer.take_half(99.0) is None
    assert numbers(gatherer.take(99.0)) == [0, 2]


def test_what_should_have_gone_is_taken_out():
    gatherer = filled(2, size=4, max_wait=1.0)
    gatherer.add(job(2), now=5.0)
    assert numbers(gatherer.overdue(before=2.0)) == [0, 1]
    assert gatherer.count == 1
    assert gatherer.oldest_due() == 6.0


@pytest.mark.parametrize("answer", [lambda jobs: [[*jobs, "stranger"]], lambda jobs: [jobs, jobs[:1]]])
def test_a_strategy_that_answers_no_partition_is_refused(answer):
    """B.9."""
    gatherer = filled(3, size=3, strategy=answer)
    with pytest.raises(InvalidSplit):
        gatherer.take(0.0)
    assert gatherer.count == 3


def test_a_strategy_may_leave_jobs_over():
    gatherer = filled(3, size=3, max_wait=2.0, strategy=lambda jobs: [[each for each in jobs if each != 1]])
    assert numbers(gatherer.take(0.0)) == [0, 2]
    assert gatherer.take(0.0) is None
    assert gatherer.count == 1


@pytest.mark.parametrize(
    "rule",
    [
        {"size": 0},
        {"size": 10_001},
        {"size": 3, "min_size": 4},
        {"max_wait": 0},
        {"max_wait": 61},
        {"by": "kind", "strategy": lambda jobs: []},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule):
    with pytest.raises(InvalidOption):
        BatchRule(**rule)


def record_of(put) -> Record:
    return Record(kind=put.kind, key=put.key, value=put.value, version=1)


def test_what_is_written_down_is_read_back():
    ids = tuple(new_id() for _ in range(7))
    begun = Begun((("q", "t"),), (ids[:4], ids[4:]))
    assert read_begun(record_of(announcement("session", begun))) == begun
    assert announcement("session", Begun((), ())).value is None
    puts = halved(ids)
    assert {read_half(record_of(put)) for put in puts} == {Half(ids[0], 3)}
    assert [put.key for put in puts] == [healed(each).key for each in ids]
    assert read_half(record_of(halved(ids[:1])[0])).most == 1
