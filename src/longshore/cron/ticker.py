"""This module decides what a schedule asks for now. Pure: an entry and a time go in, what is to be done comes out."""

import msgspec

from longshore.cron.entry import Entry, Firing, Underway
from longshore.cron.when import newest

ON_TIME_MS = 60_000
"""A tick that is acted on within a minute is not late: a deploy takes seconds, and clocks differ."""
AHEAD_MS = 86_400_000
"""A last tick that lies more than a day ahead was made by a clock that was wrong, and is not believed."""
COUNTED = 100
"""Missed ticks that are counted, at most."""


def is_due(entry: Entry, now_ms: int) -> bool:
    """Whether there is something to decide. What is underway comes first, and a paused schedule has no ticks."""
    if entry.is_at_rest:
        return False
    next_ms = entry.next_ms
    return (next_ms is not None and next_ms <= now_ms) or entry.last_ms > now_ms + AHEAD_MS


def decide(entry: Entry, now_ms: int, *, owner: str, previous_lives: bool) -> Entry:
    """The entry that says what is to be done now, by whoever gets it into the store. `previous_lives`: whether the
    newest job is not over; asked only where `overlap` is not "queue"."""
    if entry.underway is not None:
        taken_over = msgspec.structs.replace(entry.underway, owner=owner)
        return msgspec.structs.replace(entry, underway=taken_over)
    if entry.last_ms > now_ms + AHEAD_MS:
        return msgspec.structs.replace(entry, last_ms=now_ms)
    most = max(entry.catch_up.most, COUNTED)
    ticks = newest(entry.when, entry.last_ms, now_ms, most)
    if not ticks:
        return entry
    wanted, missed = _caught_up(ticks, entry.catch_up.most, now_ms)
    wanted, overlapping, makes_way = _in_turn(entry, wanted, previous_lives=previous_lives)
    skipped = [Firing(tick, now_ms, reason="overlap") for tick in overlapping]
    if missed:
        skipped.insert(0, Firing(missed[-1], now_ms, reason="missed", count=len(missed)))
    underway = Underway(owner, tuple(wanted), tuple(skipped), entry.last_job if makes_way else None)
    return msgspec.structs.replace(entry, last_ms=ticks[-1], underway=underway)


def _caught_up(ticks: list[int], most: int, now_ms: int) -> tuple[list[int], list[int]]:
    """The ticks that count, and those that are missed. Ticks on time count always."""
    late = [tick for tick in ticks if now_ms - tick > ON_TIME_MS]
    on_time = ticks[len(late) :]
    made_up = max(most - len(on_time), 0)
    split = max(len(late) - made_up, 0)
    return late[split:] + on_time, late[:split]


def _in_turn(entry: Entry, ticks: list[int], *, previous_lives: bool) -> tuple[list[int], list[int], bool]:
    """The ticks that fire, those that another one keeps from it, and whether the newest job makes way."""
    if entry.overlap == "queue" or not ticks:
        return ticks, [], False
    if entry.overlap == "skip" and previous_lives:
        return [], ticks, False
    return ticks[-1:], ticks[:-1], previous_lives
