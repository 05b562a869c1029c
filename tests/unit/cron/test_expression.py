"""Cron expressions: which instants they tick at, compared with a slow oracle."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from longshore.core.errors import InvalidOption
from longshore.cron.expression import check_expression, next_tick
from longshore.cron.zones import local, zone_name
from tests.unit.cron.almanac import Almanac

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "Africa/Cairo",  # a gap at midnight
    "America/Santiago",
    "Asia/Kolkata",
    "Africa/Casablanca",
)


def seconds(*moment):
    return round(datetime(*moment, tzinfo=UTC).timestamp())


def ticks(expression, zone, after, until):
    found = []
    while (tick := next_tick(expression, zone, after)) is not None and tick <= until:
        found.append(tick)
        after = tick
    return found


def shown(expression, zone, *days):
    """What the clocks show, with their offset, at the ticks of some days."""
    begin, end = (datetime(*day, tzinfo=UTC) for day in days)
    return [
        local(zone, tick).strftime("%d %H:%M:%S%z")
        for tick in ticks(expression, zone, round(begin.timestamp()), round(end.timestamp()))
    ]


GAP = (2026, 3, 28, 12), (2026, 3, 29, 12)
FOLD = (2026, 10, 24, 12), (2026, 10, 25, 12)


def test_a_time_that_the_clocks_skip_ticks_once_right_after():
    """S3.10, B.13"""
    assert shown("30 2 * * *", "Europe/Berlin", *GAP) == ["29 03:00:00+0200"]
    assert shown("0,30 2 * * *", "Europe/Berlin", *GAP) == ["29 03:00:00+0200"]
    assert shown("15 30 2 * * *", "Europe/Berlin", *GAP) == ["29 03:00:00+0200"]


def test_a_time_that_comes_twice_ticks_once():
    """S3.10, B.13"""
    assert shown("30 2 * * *", "Europe/Berlin", *FOLD) == ["25 02:30:00+0200"]
    assert shown("0 30 2 * * *", "Europe/Berlin", *FOLD) == ["25 02:30:00+0200"]


def test_jobs_with_a_star_follow_real_time():
    """S3.10"""
    assert shown("0 * * * *", "Europe/Berlin", (2026, 10, 24, 23, 30), (2026, 10, 25, 2, 30)) == [
        "25 02:00:00+0200",
        "25 02:00:00+0100",
        "25 03:00:00+0100",
    ]
    assert shown("*/30 2 * * *", "Europe/Berlin", *GAP) == []
    assert len(shown("*/30 2 * * *", "Europe/Berlin", *FOLD)) == 4


def test_a_zone_that_moves_by_half_an_hour_loses_no_quarter():
    fold = (2026, 4, 4, 14), (2026, 4, 4, 16, 10)
    assert shown("*/15 2 * * *", "Australia/Lord_Howe", *fold) == [
        "05 02:00:00+1030",
        "05 02:15:00+1030",
        "05 02:30:00+1030",
    ]


FIELDS = (
    ("0", "30", "*", "*/15", "5,35", "59", "10-12"),
    ("0", "2", "*", "1-3", "*/6", "23", "1,2"),
    ("*", "1", "31", "29", "*/10", "25-31"),
    ("*", "3", "10,11", "4", "*/2"),
    ("*", "0", "7", "1-5", "5"),
)
EXPRESSIONS = st.tuples(*map(st.sampled_from, FIELDS)).map(" ".join)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@settings(max_examples=150, deadline=None)
@given(
    EXPRESSIONS,
    st.sampled_from(ZONES),
    st.integers(0, 365 * 24 * 60),
)
@example("30 2 * * *", "Europe/Berlin", 86 * 1440)
@example("* * * * *", "Africa/Cairo", 112 * 1440)
@example("*/15 0 * * *", "Africa/Cairo", 112 * 1440)
@example("0 0 * * *", "America/Santiago", 247 * 1440)
def test_ticks_are_those_of_the_slow_oracle(expression, zone, minute):
    """S3.10, B.13: over four days from any minute of a year."""
    try:
        check_expression(expression)
    except InvalidOption:
        return  # the 31st of April
    begin = BEGIN + timedelta(minutes=minute)
    end = begin + timedelta(days=4)
    expected = Almanac(expression).ticks(zone, begin, end)
    assert ticks(expression, zone, round(begin.timestamp()), round(end.timestamp())) == expected


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, st.sampled_from(ZONES), st.integers(seconds(2026, 1, 1), seconds(2027, 1, 1)))
def test_the_next_tick_is_the_same_from_every_moment_before_it(expression, zone, after):
    """So processes that looked at different times agree."""
    try:
        check_expression(expression)
    except InvalidOption:
        return
    tick = next_tick(expression, zone, after)
    assert tick is not None
    assert tick > after
    for moment in (tick - 1, (tick + after) // 2):
        assert next_tick(expression, zone, moment) == tick


def test_names_and_seconds_and_special_days_are_understood():
    """S3.10"""
    assert shown("@daily", "Europe/Berlin", *GAP) == ["29 00:00:00+0100"]
    assert shown("@Hourly".lower(), "UTC", (2026, 1, 1), (2026, 1, 1, 2)) == [
        "01 01:00:00+0000",
        "01 02:00:00+0000",
    ]
    assert check_expression("  @Daily ") == "@daily"
    assert len(ticks("*/20 * * * * *", "UTC", seconds(2026, 1, 1), seconds(2026, 1, 1, 0, 1))) == 3
    assert shown("0 9 L * *", "UTC", (2026, 2, 1), (2026, 3, 1)) == ["28 09:00:00+0000"]
    assert shown("0 9 * jan mon#1", "UTC", (2026, 1, 1), (2026, 2, 1)) == ["05 09:00:00+0000"]
    assert shown("0 0 29 2 *", "UTC", (2026, 1, 1), (2029, 1, 1)) == ["29 00:00:00+0000"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("61 * * * *", "'61' cannot be its minute"),
        ("* * * *", "this has 4"),
        ("every 5 minutes", "this has 3. An interval is a number of seconds"),
        ("", "this has 0"),
        ("0 0 * * 5L/2", "cannot be its day-of-week"),
        ("0 0 30 2 *", "cannot be its day-of-month"),
        ("0 0 31 2 1#5/x", "Expected"),
        ("@dayly", "Did you mean '@daily'"),
        ("@reboot", "@hourly"),
        ("1," * 150, "at most 200"),
    ],
)
def test_what_is_no_expression_is_refused_with_what_is_wrong(text, said):
    with pytest.raises(InvalidOption, match="Option 'when'") as refused:
        check_expression(text)
    assert said in str(refused.value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789*,-/#L@W MONJAN²٣", max_size=30))
def test_any_text_is_an_expression_or_refused(text):
    try:
        check_expression(text)
    except InvalidOption:
        return
    assert next_tick(check_expression(text), "Europe/Berlin", seconds(2026, 1, 1)) is not None


def test_a_zone_that_is_not_there_is_refused_with_the_near_one():
    with pytest.raises(InvalidOption, match="Did you mean 'Europe/Berlin'"):
        zone_name("Europe/Berln")
    for nonsense in ("", "../etc/passwd", 7, "Berlin\0"):
        with pytest.raises(InvalidOption, match="Option 'tz'"):
            zone_name(nonsense)
