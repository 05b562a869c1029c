"""This module says when a schedule ticks: by a cron expression, in even steps, or once.

Pure: a time goes in and times come out, in whole milliseconds since 1970. Whoever asks gets the same answer.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from longshore.core.errors import InvalidOption
from longshore.cron.expression import check_expression, next_tick
from longshore.cron.zones import zone_name

LEAST_STEP_MS = 1000
_FIRST_LOOK_MS = 120_000


class Cron(msgspec.Struct, frozen=True, tag="cron"):
    """Ticks when the clocks of a zone show what an expression names."""

    expression: str
    zone: str

    def next_ms(self, after_ms: int) -> int | None:
        """The first tick after that time; None: never again."""
        tick = next_tick(self.expression, self.zone, after_ms // 1000)
        return None if tick is None else tick * 1000

    def __str__(self) -> str:
        return self.expression


class Every(msgspec.Struct, frozen=True, tag="every"):
    """Ticks in even steps from when the schedule was made, whatever the clocks are set to."""

    step_ms: int
    since_ms: int = 0

    def next_ms(self, after_ms: int) -> int | None:
        """The first tick after that time."""
        steps = max((after_ms - self.since_ms) // self.step_ms, 0)
        return self.since_ms + (steps + 1) * self.step_ms

    def __str__(self) -> str:
        return f"every {self.step_ms / 1000:g} s"


class Once(msgspec.Struct, frozen=True, tag="once"):
    """Ticks once."""

    at_ms: int

    def next_ms(self, after_ms: int) -> int | None:
        """The tick, if it is still to come."""
        return self.at_ms if self.at_ms > after_ms else None

    def __str__(self) -> str:
        return f"once at {datetime.fromtimestamp(self.at_ms / 1000, UTC).isoformat(sep=' ')}"


When = Cron | Every | Once


def read_when(value: object, zone: object = "UTC") -> When:
    """What a user says: a cron expression, seconds or a timedelta between two ticks, or a datetime with a zone.
    Raises InvalidOption."""
    name = zone_name(zone)
    if isinstance(value, Cron | Every | Once):
        return value
    if isinstance(value, str):
        return Cron(check_expression(value), name)
    if name != "UTC":
        raise InvalidOption("tz", name, "nothing beside an interval or a datetime, which need no zone")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidOption("when", value, "a datetime with a time zone")
        return Once(round(value.timestamp() * 1000))
    return Every(_step_ms(value))


def anchored(when: When, now_ms: int) -> When:
    """As it is stored: even steps count from now."""
    return Every(when.step_ms, now_ms) if isinstance(when, Every) else when


def is_same(one: When, other: When) -> bool:
    """Whether both say the same, whenever their steps began."""
    return anchored(one, 0) == anchored(other, 0)


def upcoming(when: When, after_ms: int, count: int) -> list[int]:
    """The next ticks, at most so many."""
    ticks: list[int] = []
    while len(ticks) < count and (tick := when.next_ms(after_ms)) is not None:
        ticks.append(tick)
        after_ms = tick
    return ticks


def newest(when: When, after_ms: int, until_ms: int, most: int) -> list[int]:
    """The last ticks in (after, until], at most so many, oldest first. What it costs grows with `most` and not with the
    time: it looks back in stretches that double."""
    look_ms = _FIRST_LOOK_MS
    while True:
        begin_ms = max(after_ms, until_ms - look_ms)
        ticks = _between(when, begin_ms, until_ms)
        if len(ticks) >= most or begin_ms == after_ms:
            return ticks[-most:]
        look_ms *= 2


def previous(when: When, before_ms: int, after_ms: int) -> int | None:
    """The last tick before that time and after the other one."""
    found = newest(when, after_ms, before_ms - 1, 1)
    return found[0] if found else None


def _between(when: When, after_ms: int, until_ms: int) -> list[int]:
    ticks: list[int] = []
    while (tick := when.next_ms(after_ms)) is not None and tick <= until_ms:
        ticks.append(tick)
        after_ms = tick
    return ticks


def _step_ms(value: object) -> int:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidOption(
            "when", value, "a cron expression, seconds, a timedelta, or a datetime with a zone"
        )
    if not LEAST_STEP_MS <= seconds * 1000 <= MOST_STEP_MS:
        raise InvalidOption("when", value, "an interval of at least one second and at most ten years")
    return round(seconds * 1000)


MOST_STEP_MS = 10 * 366 * 86_400_000
