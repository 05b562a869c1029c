"""What a schedule asks for at a time: catching up, overlap, jitter, ids, and clocks that are wrong."""

import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.job import Details, NewJob
from longshore.core.rules import Rules
from longshore.cron.entry import NO_ID, Firing, new_entry, read_entry, redefined, tick_id, tick_job
from longshore.cron.schedule import CatchUp, Schedule
from longshore.cron.ticker import AHEAD_MS, COUNTED, decide, is_due
from longshore.cron.when import Cron, Every, Once, newest, previous, upcoming

T0 = 1_767_225_600_000  # 2026-01-01
MINUTE = 60_000
JOB = NewJob(id=NO_ID, queue="q", name="t", payload=b"{}")


def entry(when="* * * * *", **words):
    return new_entry(Schedule(when, **words), JOB, T0)


def fired(made, now_ms, *, lives=False):
    """Minutes after T0 that fire, and what is said of the others."""
    decided = decide(made, now_ms, owner="me", previous_lives=lives)
    minutes = [(tick - T0) // MINUTE for tick in decided.underway.ticks]
    return minutes, [(firing.reason, firing.count) for firing in decided.underway.skipped]


def test_a_tick_is_due_at_its_time_and_not_before():
    """S3.10"""
    made = entry()
    assert not is_due(made, T0 + MINUTE - 1)
    assert is_due(made, T0 + MINUTE)
    assert made.next_ms == T0 + MINUTE
    assert fired(made, T0 + MINUTE) == ([1], [])


@pytest.mark.parametrize(
    ("catch_up", "minutes", "skipped"),
    [
        ("skip", [10], [("missed", 9)]),
        ("once", [10], [("missed", 9)]),
        ("all", list(range(1, 11)), []),
        ("all(4)", [7, 8, 9, 10], [("missed", 6)]),
    ],
)
def test_ticks_that_nobody_saw_are_caught_up_as_the_schedule_says(catch_up, minutes, skipped):
    """S3.10, B.13: the last of them is on time."""
    assert fired(entry(catch_up=catch_up), T0 + 10 * MINUTE + 1) == (minutes, skipped)


def test_a_late_tick_is_made_up_for_once_or_skipped():
    """S3.10"""
    late = T0 + 3_600_000 + 90 * 1000
    assert fired(entry("0 * * * *"), late) == ([60], [])
    assert fired(entry("0 * * * *", catch_up="skip"), late) == ([], [("missed", 1)])


def test_a_long_outage_is_counted_as_far_as_it_costs_little():
    assert fired(entry(), T0 + 365 * 86_400_000 + 1)[1] == [("missed", COUNTED - 1)]


@pytest.mark.parametrize(
    ("overlap", "minutes", "skipped", "makes_way"),
    [
        ("queue", [1, 2], [], False),
        ("skip", [], [("overlap", 1)] * 2, False),
        ("cancel_previous", [2], [("overlap", 1)], True),
    ],
)
def test_a_job_that_is_not_over_is_heeded_as_the_schedule_says(overlap, minutes, skipped, makes_way):
    """S3.10, B.13"""
    made = msgspec.structs.replace(entry(overlap=overlap, catch_up="all"), last_job=bytes(16))
    decided = decide(made, T0 + 2 * MINUTE, owner="me", previous_lives=True)
    assert fired(made, T0 + 2 * MINUTE, lives=True) == (minutes, skipped)
    assert (decided.underway.cancel is not None) is makes_way


def test_ticks_that_come_together_do_not_overlap_each_other():
    """S3.10"""
    made = entry(overlap="skip", catch_up="all")
    assert fired(made, T0 + 3 * MINUTE) == ([3], [("overlap", 1)] * 2)


def test_what_is_underway_is_taken_over_as_it_is():
    """S3.10"""
    begun = decide(entry(), T0 + MINUTE, owner="me", previous_lives=False)
    assert not is_due(begun, T0 + 2 * MINUTE)
    again = decide(begun, T0 + 2 * MINUTE, owner="you", previous_lives=False)
    assert again.underway == msgspec.structs.replace(begun.underway, owner="you")
    assert again.last_ms == begun.last_ms


def test_a_clock_that_goes_back_repeats_nothing_and_one_that_was_years_ahead_is_not_believed():
    """S3.10"""
    made = msgspec.structs.replace(entry(), last_ms=T0 + 3_600_000)
    assert not is_due(made, T0)
    assert decide(made, T0, owner="me", previous_lives=False) == made
    ahead = msgspec.structs.replace(made, last_ms=T0 + 10 * 365 * AHEAD_MS)
    assert is_due(ahead, T0)
    assert decide(ahead, T0, owner="me", previous_lives=False).last_ms == T0


def test_a_paused_schedule_is_never_due():
    """S3.10"""
    paused = msgspec.structs.replace(entry(), paused_ms=T0)
    assert not is_due(paused, T0 + MINUTE)


def test_the_job_of_a_tick_is_the_same_whoever_makes_it():
    """S3.10"""
    made = entry(jitter=30)
    first, second = (tick_job("nightly", made, T0, None) for _ in range(2))
    assert first == second
    assert T0 <= first.run_ms <= T0 + 30_000
    assert msgspec.json.decode(first.details, type=Details).schedule == ("nightly", T0)
    assert tick_job("other", made, T0, None).id != first.id
    assert tick_job("nightly", entry(), T0, None).run_ms is None


def test_jobs_of_a_schedule_run_one_at_a_time_where_they_queue():
    """S3.10"""
    [turn] = tick_job("nightly", entry(), T0, Rules()).rules.flow
    assert (turn.rule, turn.key, turn.limit) == ("schedule", "nightly", 1)
    assert tick_job("nightly", entry(overlap="skip"), T0, None).rules is None


@given(st.integers(0, 2**47), st.integers(0, 2**47))
def test_ids_of_ticks_are_uuids_in_the_order_of_the_ticks(one, other):
    ids = [tick_id("nightly", tick) for tick in (one, other)]
    for job_id in ids:
        read = uuid.UUID(bytes=job_id)
        assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert (one < other) == (ids[0] < ids[1])


def test_ids_of_different_schedules_and_ticks_differ():
    ids = {tick_id(f"s{number}", T0 + tick) for number in range(100) for tick in range(100)}
    assert len(ids) == 10_000


WHENS = st.one_of(
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 3 * * *", "0 0 1 * *", "*/20 * * * * *"]).map(
        lambda text: Cron(text, "Europe/Berlin")
    ),
    st.integers(1, 10**7).map(lambda seconds: Every(seconds * 1000, T0)),
    st.integers(T0, T0 + 10**9).map(Once),
)


@settings(deadline=None)
@given(WHENS, st.integers(0, 10**8), st.integers(0, 10**7), st.integers(1, 20))
def test_the_newest_ticks_are_the_last_of_all_ticks(when, begin, length, most):
    after, until = T0 + begin, T0 + begin + length
    every = []
    tick = after
    while (tick := when.next_ms(tick)) is not None and tick <= until:
        every.append(tick)
    assert newest(when, after, until, most) == every[-most:]
    assert previous(when, until + 1, after) == (every[-1] if every else None)
    assert upcoming(when, after, len(every)) == every


@settings(deadline=None)
@given(
    st.lists(st.integers(-90, 600), max_size=30),
    st.sampled_from(["skip", "once", "all", "all(2)"]),
    st.sampled_from(["queue", "skip", "cancel_previous"]),
    st.booleans(),
)
def test_each_tick_is_decided_once_whatever_the_clock_does(steps, catch_up, overlap, lives):
    """S3.10: and none is passed over in silence."""
    made, now_ms = entry("*/2 * * * *", catch_up=catch_up, overlap=overlap), T0
    ticks, spoken_of = [], 0
    for step in steps:
        now_ms += step * 1000
        if not is_due(made, now_ms):
            continue
        made = decide(made, now_ms, owner="me", previous_lives=lives)
        ticks += made.underway.ticks
        spoken_of += sum(firing.count for firing in made.underway.skipped)
        made = msgspec.structs.replace(made, underway=None)
    assert len(set(ticks)) == len(ticks)
    assert len(ticks) + spoken_of == (made.last_ms - T0) // (2 * MINUTE)


def test_an_entry_comes_back_from_its_bytes():
    made = decide(entry("30 2 * * *", tz="Europe/Berlin"), T0 + 86_400_000, owner="me", previous_lives=False)
    assert read_entry(msgspec.json.encode(made)) == made
    assert msgspec.json.decode(msgspec.json.encode(Firing(1, 2, b"x")), type=Firing) == Firing(1, 2, b"x")


def test_another_time_counts_from_now_and_another_job_does_not():
    """S3.10"""
    old = msgspec.structs.replace(entry(300), last_ms=T0 + MINUTE, paused_ms=7)
    same = new_entry(Schedule(300, overlap="skip"), JOB, T0 + 5 * MINUTE)
    other = new_entry(Schedule(600), JOB, T0 + 5 * MINUTE)
    kept, changed = redefined(old, same, T0 + 5 * MINUTE), redefined(old, other, T0 + 5 * MINUTE)
    assert (kept.when, kept.last_ms, kept.overlap, kept.paused_ms) == (old.when, old.last_ms, "skip", 7)
    assert (changed.when, changed.last_ms, changed.paused_ms) == (other.when, T0 + 5 * MINUTE, 7)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"overlap": "skp"}, "Did you mean 'skip'"),
        ({"catch_up": "onec"}, "Did you mean 'once'"),
        ({"catch_up": "all(0)"}, "all"),
        ({"jitter": 90_000}, "at most a day"),
        ({"tz": "Europe/Berln"}, "Did you mean 'Europe/Berlin'"),
        ({"when": 0.5}, "at least one second"),
        ({"when": datetime(2026, 1, 1)}, "with a time zone"),  # noqa: DTZ001
        ({"when": 300, "tz": "Europe/Berlin"}, "need no zone"),
        ({"when": None}, "a cron expression"),
    ],
)
def test_words_that_make_no_sense_are_refused_where_they_are_said(words, said):
    """S3.10"""
    with pytest.raises(InvalidOption, match="Option") as refused:
        Schedule(**{"when": "@daily"} | words)
    assert said in str(refused.value)


def test_a_misspelt_word_of_a_schedule_is_answered_with_the_near_one():
    with pytest.raises(UnknownOption, match="Did you mean 'overlap'"):
        Schedule("@daily", overlp="skip")


def test_schedules_say_what_they_are():
    assert repr(Schedule("@daily")) == "Schedule('@daily', tz='UTC', overlap='queue', catch_up='once')"
    assert str(Schedule(timedelta(minutes=5)).when) == "every 300 s"
    assert str(Schedule(datetime(2026, 1, 1, tzinfo=UTC)).when) == "once at 2026-01-01 00:00:00+00:00"
    assert Schedule("@daily", catch_up="all(7)").catch_up == CatchUp(7)
