"""This module shows what is recorded of a job's run: its steps, sleeps and waits, in the order of the task."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from longshore.core.payload import decode
from longshore.manager.times import moment
from longshore.steps.entries import Entry, Kept, Kind


class RecordedStep(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded under one name."""

    name: str
    kind: str
    """"step", "sleep" or "wait"."""
    event: str | None
    """Of a wait: what it waits for."""
    attempt: int
    """Which attempt recorded it."""
    started_at: datetime
    ended_at: datetime | None
    """When it ended, or a sleep ends; None for a wait that goes on."""
    until: datetime | None
    """When a sleep ends, or a wait gives up."""
    value: Any
    """What the step returned, or the signal brought: plain values."""
    timed_out: bool
    """Of a wait: nothing came in time."""


def shown(kept: Kept) -> RecordedStep:
    """An entry for people."""
    entry = kept.entry
    ended_ms = entry.due_ms if entry.kind is Kind.SLEEP else entry.ended_ms
    return RecordedStep(
        name=kept.name,
        kind=entry.kind.value,
        event=entry.event,
        attempt=entry.attempt,
        started_at=_sure_time(entry.at_ms),
        ended_at=_time(ended_ms),
        until=_time(entry.due_ms),
        value=decode(entry.value),
        timed_out=entry.timed_out,
    )


def waits_for(found: Sequence[Kept], now_ms: int) -> str | None:
    """The events that a job waits for which was let go of; None where it waits for none."""
    waits = [each.entry for each in found if each.entry.is_waiting]
    return " and ".join(_wait(entry, now_ms) for entry in waits) or None


def sleeps_until(found: Sequence[Kept], now_ms: int) -> str | None:
    """When a job goes on that sleeps; None where it does not sleep."""
    due = [each.entry.due_ms or 0 for each in found if each.entry.kind is Kind.SLEEP]
    ahead = [due_ms for due_ms in due if due_ms > now_ms]
    return moment(min(ahead), now_ms) if ahead else None


def _wait(entry: Entry, now_ms: int) -> str:
    until = "" if entry.due_ms is None else f", until {moment(entry.due_ms, now_ms)}"
    return f"event '{entry.event}'{until}"


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else _sure_time(ms)


def _sure_time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
