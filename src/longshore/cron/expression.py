"""This module reads cron expressions, and says at which instants they tick in a time zone.

cronsim knows which days and times an expression names; it is asked in local time without a zone. What becomes of a time
that the clocks skip or show twice is decided here, by the rule of Debian's cron, for five fields and six:

- An expression that names its minutes and its hours (`30 2 * * *`) ticks once on each day that it names: a time that
  is skipped right after the gap, a time that comes twice the first time.
- One with a `*` in either (`*/30 * * * *`, `0 * * * *`) follows real time: it ticks whenever the clocks show such a
  time.
"""

import copy
from datetime import datetime, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

from longshore.core.errors import InvalidOption, near
from longshore.cron.zones import next_shift, offset_seconds

NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
EXPECTED = "a cron expression of 5 fields (minute hour day month weekday), or of 6 with seconds first"

LENGTH_LIMIT = 200
"""Characters in an expression: all sixty minutes, one by one, take 170."""
_UNREADABLE = (CronSimError, AssertionError, LookupError, OverflowError, TypeError, ValueError)
"""What cronsim raises for texts that are no expression; it says why only by the first."""
_FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_ZERO = datetime(1970, 1, 1)  # noqa: DTZ001 - local time, without a zone on purpose


def check_expression(text: str) -> str:
    """The expression with single spaces. Raises InvalidOption for what cannot be read, and for what never comes."""
    plain = " ".join(text.split())
    if len(plain) > LENGTH_LIMIT:
        raise InvalidOption("when", f"{plain[:40]}…", f"{EXPECTED}, and at most {LENGTH_LIMIT} characters")
    if plain.startswith("@"):
        if plain.lower() not in NAMES:
            raise InvalidOption(
                "when", text, f"one of {', '.join(NAMES)}.{near(plain, NAMES)}".removesuffix(".")
            )
        return plain.lower()
    try:
        _clockwork(plain)
    except _UNREADABLE as error:
        raise InvalidOption("when", text, f"{EXPECTED}; {_problem(plain, error)}") from error
    if _next_local(plain, 0) is None:
        raise InvalidOption("when", text, "a day that comes; this one is in no calendar")
    return plain


@lru_cache(maxsize=4096)
def next_tick(expression: str, zone: str, after: int) -> int | None:
    """The first instant after that one at which it ticks, in whole seconds since 1970; None: never again. Both must
    have been checked."""
    plain = NAMES.get(expression, expression)
    if zone == "UTC":
        return _next_local(plain, after)
    return _next_named(plain, zone, after) if _names_its_times(plain) else _next_real(plain, zone, after)


def _next_named(expression: str, zone: str, after: int) -> int | None:
    """Of one that names its times: the next local time, wherever it lies on the real time line."""
    local = after + offset_seconds(zone, after)
    while (found := _next_local(expression, local)) is not None:
        instant = _instant(zone, found)
        if instant > after:
            return instant
        local = found
    return None


def _next_real(expression: str, zone: str, after: int) -> int | None:
    """Of one that follows real time: stretch by stretch, in each of which the clocks run evenly."""
    while True:
        offset = offset_seconds(zone, after + 1)
        found = _next_local(expression, after + offset)
        if found is None:
            return None
        instant = found - offset
        shift = next_shift(zone, after + 1, instant)
        if shift is None:
            return instant
        after = shift - 1


def _instant(zone: str, local: int) -> int:
    """When the clocks show a local time first; where they skip it, when they have skipped it."""
    early, late = offset_seconds(zone, local - 86_400), offset_seconds(zone, local + 86_400)
    for offset in sorted({early, late}, reverse=True):  # the larger offset is the earlier instant
        if offset_seconds(zone, local - offset) == offset:
            return local - offset
    shift = next_shift(zone, local - 86_400 - early, local + 86_400 - late)
    assert shift is not None  # it is skipped, so the clocks are set around it
    return shift


def _next_local(expression: str, after: int) -> int | None:
    """The next local time that an expression names, as seconds since 1970 on a clock that is never set."""
    works = copy.copy(_clockwork(expression))
    works.dt = _ZERO + timedelta(seconds=after)
    try:
        return round((next(works) - _ZERO).total_seconds())
    except (StopIteration, OverflowError, ValueError):  # fifty years without one, or the end of the calendar
        return None


@lru_cache(maxsize=1000)
def _clockwork(expression: str) -> CronSim:
    return CronSim(NAMES.get(expression, expression), _ZERO)


def _names_its_times(expression: str) -> bool:
    minute, hour = expression.split()[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")


def _problem(expression: str, error: Exception) -> str:
    """Which field is wrong; cronsim says "Bad minute"."""
    fields = expression.split()
    if len(fields) not in (5, 6):
        return f"this has {len(fields)}. An interval is a number of seconds, or a timedelta"
    for name, field in zip(reversed(_FIELDS), reversed(fields), strict=False):
        if isinstance(error, CronSimError) and str(error) == f"Bad {name}":
            return f"'{field}' cannot be its {name}"
    return "a field of this cannot be read"
