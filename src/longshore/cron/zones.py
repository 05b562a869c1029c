"""This module finds time zones by name, and says how far their clocks are from UTC at an instant."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from longshore.core.errors import InvalidOption, near

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_SECONDS = 6 * 3600
"""Between two looks for a change of a zone's offset; no zone changes twice in so short a time."""


def zone_name(zone: object) -> str:
    """The name of a zone that was given as its name, a ZoneInfo, or `datetime.UTC`. Raises InvalidOption with the
    nearest name where there is no such zone."""
    name = "UTC" if zone is UTC else getattr(zone, "key", zone)
    if not isinstance(name, str):
        raise InvalidOption("tz", zone, "the name of a time zone, such as 'Europe/Berlin'")
    try:
        _zone(name)
    except (LookupError, ValueError, OSError) as error:
        known = available_timezones()
        if not known:
            way_out = "'UTC': this machine has no time zones (pip install tzdata brings them)"
        else:
            way_out = f"the name of a time zone, such as 'Europe/Berlin'.{near(name, known)}".removesuffix(
                "."
            )
        raise InvalidOption("tz", name, way_out) from error
    return name


def offset_seconds(name: str, at_seconds: int) -> int:
    """How far the zone's clocks are ahead of UTC at an instant, in seconds since 1970."""
    zone = _zone(name)
    if zone is UTC:
        return 0
    shift = (EPOCH + timedelta(seconds=at_seconds)).astimezone(zone).utcoffset()
    assert shift is not None  # a zone knows its offset at every instant
    return round(shift.total_seconds())


def next_shift(name: str, after_seconds: int, until_seconds: int) -> int | None:
    """The first instant in (after, until] at which the zone's clocks are set, if there is one."""
    before = offset_seconds(name, after_seconds)
    low = after_seconds
    while low < until_seconds:
        high = min(low + LOOK_SECONDS, until_seconds)
        if offset_seconds(name, high) != before:
            return _first_other(name, before, low, high)
        low = high
    return None


def local(name: str, at_seconds: int) -> datetime:
    """An instant as the zone's clocks show it."""
    return (EPOCH + timedelta(seconds=at_seconds)).astimezone(_zone(name))


def _first_other(name: str, before: int, low: int, high: int) -> int:
    while high - low > 1:
        middle = (low + high) // 2
        if offset_seconds(name, middle) == before:
            low = middle
        else:
            high = middle
    return high


@cache
def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)
