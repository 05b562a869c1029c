"""This module is a schedule as a user says it: when it ticks, and what becomes of ticks that come at a bad moment."""

import re
from datetime import datetime, timedelta
from typing import Any, Literal, Self, cast, get_args

import msgspec

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption, near
from longshore.core.retry import Seconds, seconds
from longshore.cron.when import Cron, When, read_when

Overlap = Literal["skip", "queue", "cancel_previous"]
OVERLAPS = get_args(Overlap)

MOST_CAUGHT_UP = 1000
"""Ticks that are made up for, at most; a day of minutes has more than anybody wants at once."""
DAY_MS = 86_400_000


class CatchUp(msgspec.Struct, frozen=True, array_like=True):
    """How many of the ticks that nobody saw in time are made up for: the newest so many."""

    most: int

    def __str__(self) -> str:
        return _WORDS.get(self.most, f"all({self.most})")


_WORDS = {0: "skip", 1: "once", MOST_CAUGHT_UP: "all"}
_ALL = re.compile(r"all\((\d{1,4})\)")


class Schedule:
    """When a job is added again and again: `Schedule("0 3 * * *", tz="Europe/Berlin")`.

    `when` is a cron expression of 5 fields, or 6 with seconds first, one of the names @hourly, @daily, @weekly,
    @monthly and @yearly, the seconds (or a timedelta) between two ticks, or a datetime with a zone for a single one.

    - `tz`: the zone whose clocks a cron expression means.
    - `overlap`: what a tick does while the job of the one before is not over. "queue": its job waits for its turn, and
      no two of the schedule run at once; "skip": nothing; "cancel_previous": it cancels that job, or asks it to stop.
    - `catch_up`: what becomes of ticks that passed while no worker was there. "once": the newest is made up for;
      "skip": none; "all", "all(24)": all of them, or the newest so many.
    - `jitter`: each job is due up to so many seconds after its tick, always the same for the same tick.

    Raises InvalidOption and UnknownOption.
    """

    __slots__ = ("catch_up", "jitter_ms", "overlap", "when")

    @spelled("a schedule")
    def __init__(
        self,
        when: "str | Seconds | datetime | When",
        *,
        tz: Any = "UTC",
        overlap: Overlap = "queue",
        catch_up: str = "once",
        jitter: Seconds = 0,
    ) -> None:
        self.when: When = read_when(when, tz)
        self.overlap: Overlap = read_overlap(overlap)
        self.catch_up: CatchUp = read_catch_up(catch_up)
        self.jitter_ms: int = read_jitter(jitter)

    @classmethod
    def of(cls, value: Any) -> Self:
        """A schedule from itself, or from what `when` may be. Raises InvalidOption."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str | int | float | timedelta | datetime) or isinstance(value, bool):
            raise InvalidOption("schedule", value, 'a Schedule, or what it takes first: "0 3 * * *", 300, …')
        return cls(value)

    def __repr__(self) -> str:
        zone = f", tz={self.when.zone!r}" if isinstance(self.when, Cron) else ""
        return (
            f"Schedule({str(self.when)!r}{zone}, overlap={self.overlap!r}, catch_up={str(self.catch_up)!r})"
        )


def read_overlap(value: object) -> Overlap:
    """The word, checked. Raises InvalidOption with the nearest one."""
    if value not in OVERLAPS:
        raise InvalidOption("overlap", value, _one_of(OVERLAPS, value))
    return cast("Overlap", value)


def read_catch_up(value: object) -> CatchUp:
    """What the word says. Raises InvalidOption with the nearest one."""
    if isinstance(value, CatchUp):
        return value
    text = value if isinstance(value, str) else ""
    for most, word in _WORDS.items():
        if text == word:
            return CatchUp(most)
    found = _ALL.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= MOST_CAUGHT_UP:
        raise InvalidOption(
            "catch_up", value, _one_of((*_WORDS.values(), f"all(1) to all({MOST_CAUGHT_UP})"), value)
        )
    return CatchUp(int(found[1]))


def read_jitter(value: Any) -> int:
    """Milliseconds. Raises InvalidOption."""
    jitter_ms = round(seconds("jitter", value) * 1000)
    if jitter_ms > DAY_MS:
        raise InvalidOption("jitter", value, "at most a day")
    return jitter_ms


def _one_of(words: tuple[str, ...], value: object) -> str:
    return " or ".join(words) + ("." + near(value, words) if isinstance(value, str) else "").rstrip(".")
