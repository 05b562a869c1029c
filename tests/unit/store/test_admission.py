"""Meters: what a limit never exceeds, what it never wastes, and when it has room again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.core.rules import FlowKey, LimitKind
from longshore.store.admission import SLICES, Meter, Meters, meter_for

NOW = 1_700_000_000_000
BUCKET, SLIDING, FIXED, AT_ONCE = LimitKind.BUCKET, LimitKind.SLIDING, LimitKind.FIXED, LimitKind.CONCURRENCY


def rate(kind=BUCKET, limit=10, per_ms=1000, burst=5, cost=1):
    return FlowKey("rate", "k", kind, limit, per_ms, burst if kind is BUCKET else 0, cost)


def one(key):
    """A meter, and the meters that it is alone among at any time."""
    meter = meter_for("mail", key)
    return meter, lambda now_ms: Meters([meter], now_ms)


rates = st.builds(
    rate,
    kind=st.sampled_from((BUCKET, SLIDING, FIXED)),
    limit=st.integers(1, 40),
    per_ms=st.sampled_from((1, 7, 100, 1000, 60_000, 86_400_000)),
    burst=st.integers(1, 9),
)
gaps = st.lists(
    st.one_of(st.integers(0, 5), st.integers(0, 2000), st.integers(0, 100_000)), min_size=1, max_size=60
)


def greedy_starts(key, gaps_ms):
    """When jobs start that are admitted and claimed as soon as anybody looks, at random times."""
    _, at = one(key)
    now_ms, starts = NOW, []
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        meters = at(now_ms)
        while len(starts) < 3000 and meters.blocker([key]) is None:
            meters.enter([key])
            meters.start([key])
            starts.append(now_ms)
    return starts


def most_in_any(starts, stretch_ms):
    """The most starts in any half-open stretch of that length."""
    most, first = 0, 0
    for last, start_ms in enumerate(starts):
        while starts[first] <= start_ms - stretch_ms:
            first += 1
        most = max(most, last - first + 1)
    return most


@settings(max_examples=60, deadline=None, derandomize=True)
@given(key=rates, gaps_ms=gaps, stretch_ms=st.sampled_from((1, 50, 1000, 5000, 61_000)))
def test_a_bucket_never_gives_more_than_its_burst_and_what_time_brings(key, gaps_ms, stretch_ms):
    """S2.5"""
    if key.kind is not BUCKET:
        key = rate(limit=key.limit, per_ms=key.per_ms)
    starts = greedy_starts(key, gaps_ms)
    assert most_in_any(starts, stretch_ms) <= key.burst + key.limit * stretch_ms / key.per_ms + 1e-3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(key=rates, gaps_ms=gaps)
def test_a_sliding_limit_is_kept_in_every_stretch(key, gaps_ms):
    """S2.5"""
    key = rate(SLIDING, key.limit, key.per_ms)
    assert most_in_any(greedy_starts(key, gaps_ms), key.per_ms) <= key.limit


@settings(max_examples=60, deadline=None, derandomize=True)
@given(key=rates, gaps_ms=gaps)
def test_a_fixed_limit_is_kept_in_each_of_its_stretches(key, gaps_ms):
    """S2.5"""
    key = rate(FIXED, key.limit, key.per_ms)
    starts = [start_ms // key.per_ms for start_ms in greedy_starts(key, gaps_ms)]
    assert all(starts.count(stretch) <= key.limit for stretch in set(starts))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(key=rates, gaps_ms=gaps, cost=st.integers(1, 9))
def test_there_is_room_at_the_time_that_is_told_and_not_before(key, gaps_ms, cost):
    meter, at = one(key)
    now_ms = NOW
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        meters = at(now_ms)
        if meters.blocker([key]) is None:
            meters.enter([key])
            meters.start([key])
    free_ms = meter.next_ms(cost, now_ms)
    assert free_ms is not None
    assert meter.has_room(cost, free_ms)
    just_before_ms = (
        free_ms - 1 - 2 * key.per_ms // (1_000_000 * key.limit)
    )  # a millionth of a token is forgiven
    assert just_before_ms <= now_ms or not meter.has_room(cost, just_before_ms)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(key=rates, wait_ms=st.integers(0, 10**9))
def test_what_was_reserved_is_still_there_when_it_is_claimed_late(key, wait_ms):
    meter, at = one(key)
    meters = at(NOW)
    while meters.blocker([key]) is None:
        meters.enter([key])
    reserved = meter.used
    assert reserved == key.most
    late = at(NOW + wait_ms)
    for _ in range(reserved):
        late.start([key])
    assert meter.used == 0
    assert meter.room(NOW + wait_ms) <= 0
    assert not meter.has_room(1, NOW + wait_ms)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    limit=st.integers(1, 50),
    per_ms=st.sampled_from((1000, 60_000)),
    burst=st.integers(2, 10),
)
def test_a_bucket_that_is_looked_at_in_time_wastes_nothing(limit, per_ms, burst):
    """S2.5"""
    key = rate(BUCKET, limit, per_ms, burst)
    meter, at = one(key)
    now_ms, started = NOW, 0
    while now_ms < NOW + 3 * per_ms:
        meters = at(now_ms)
        while meters.blocker([key]) is None:
            meters.enter([key])
            meters.start([key])
            started += 1
        now_ms = meter.next_ms(1, now_ms)
    assert burst + 3 * limit - 1 <= started <= burst + 3 * limit


def test_a_sliding_limit_wastes_at_most_a_slice():
    key = rate(SLIDING, 20, 1000)
    meter, at = one(key)
    for _ in range(20):
        at(NOW).enter([key])
        at(NOW).start([key])
    assert meter.next_ms(1, NOW) == NOW + 1000 + 1000 // SLICES


@pytest.mark.parametrize("kind", [BUCKET, SLIDING, FIXED])
def test_a_rate_is_idle_again_when_all_that_was_spent_is_back(kind):
    key = rate(kind, 5, 1000, 5)
    meter, at = one(key)
    assert meter.is_idle(NOW)
    at(NOW).enter([key])
    assert not meter.is_idle(NOW + 10_000)
    at(NOW).start([key])
    assert not meter.is_idle(NOW + 199)
    assert meter.is_idle(NOW + 1050)


def test_a_limit_that_changes_its_kind_forgets_what_was_spent():
    meter, at = one(rate(SLIDING, 5))
    at(NOW).enter([rate(SLIDING, 5)])
    at(NOW).start([rate(SLIDING, 5)])
    meter.follow(rate(SLIDING, 9), NOW)
    assert meter.room(NOW) == 8
    meter.follow(rate(FIXED, 9), NOW)
    assert meter.room(NOW) == 9


def test_a_bucket_that_is_raised_does_not_wait_for_its_old_pace():
    slow, fast = rate(BUCKET, 1, 60_000, 10), rate(BUCKET, 100, 1000, 10)
    meter, at = one(slow)
    for _ in range(10):
        at(NOW).enter([slow])
        at(NOW).start([slow])
    assert meter.next_ms(1, NOW) == NOW + 60_000
    meter.follow(fast, NOW)
    assert meter.room(NOW) == 0
    assert meter.next_ms(1, NOW) == NOW + 10
    meter.follow(rate(BUCKET, 1, 1000, 1), NOW)
    assert meter.next_ms(1, NOW) == NOW + 1000


def test_a_job_leaves_under_the_kind_it_came_with():
    slot = FlowKey("rate", "k", AT_ONCE, 2)
    meter, at = one(slot)
    at(NOW).enter([slot])
    at(NOW).start([slot])
    meter.follow(rate(), NOW)
    at(NOW).enter([rate()])
    meter.follow(slot, NOW)
    at(NOW).start([rate()])
    at(NOW).leave([slot], was_claimed=True)
    assert meter.used == 0
    assert meter.is_idle(NOW)


def test_who_comes_waits_behind_those_that_are_held_and_who_is_held_needs_room_only():
    slot = FlowKey("slots", "", AT_ONCE, 2)
    _, at = one(slot)
    meters = at(NOW)
    meters.hold(slot)
    assert meters.blocker([slot]) == slot
    assert meters.blocker_of_held([slot], slot.meter) is None


def test_a_held_job_is_asked_by_its_holder_first():
    full, other = FlowKey("a", "", AT_ONCE, 0), FlowKey("b", "", AT_ONCE, 0)
    meters = Meters([meter_for("mail", full), meter_for("mail", other)], NOW)
    assert meters.blocker_of_held([full, other], "b:") == other
    assert meters.blocker_of_held([full, other], "a:") == full


def test_a_new_job_brings_its_limit_and_an_old_one_only_to_an_idle_meter():
    meter, at = one(FlowKey("slots", "", AT_ONCE, 2))
    at(NOW).enter([FlowKey("slots", "", AT_ONCE, 2)])
    at(NOW).learn([FlowKey("slots", "", AT_ONCE, 5)], is_new=False)
    assert meter.limit == 2
    at(NOW).learn([FlowKey("slots", "", AT_ONCE, 5)], is_new=True)
    assert meter.limit == 5
    at(NOW).leave([FlowKey("slots", "", AT_ONCE, 2)], was_claimed=False)
    at(NOW).learn([FlowKey("slots", "", AT_ONCE, 3)], is_new=False)
    assert meter.limit == 3


def test_a_cost_above_the_limit_needs_all_of_it_and_no_more():
    large = rate(BUCKET, 10, 1000, 2, cost=5)
    meter, at = one(large)
    assert at(NOW).blocker([large]) is None
    at(NOW).enter([large])
    at(NOW).start([large])
    assert meter.next_ms(5, NOW) == NOW + 500


def test_a_reading_says_how_the_meter_stands():
    meter = Meter(queue="mail", rule="r", key="k", kind=AT_ONCE, limit=2, used=3, held=4)
    told = meter.reading(NOW)
    assert (told.name, told.room, told.used, told.held, told.next_ms) == ("r:k", -1, 3, 4, None)
