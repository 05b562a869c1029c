"""This module holds what is told of a schedule: how it stands, when it ticks next, and what became of its ticks."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from longshore.core.ids import JobId, format_id
from longshore.core.payload import decode
from longshore.cron import entry as entries
from longshore.cron.entry import Entry
from longshore.cron.when import Cron, upcoming
from longshore.cron.zones import local

SHOWN = 3
"""Ticks to come that are told."""


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a tick."""

    tick: datetime
    at: datetime
    """When it was acted on."""
    job_id: str | None
    """The job that was added; None: there is none, and `reason` says why."""
    reason: str
    """"overlap": the job before was not over; "missed": no worker was there in time; "unique": the same job was there;
    "full": its queue was; "by hand": somebody wanted a job now. Otherwise empty."""
    count: int
    """Ticks that were missed together, as far as they were counted: up to 100."""


class ScheduleState(msgspec.Struct, frozen=True, kw_only=True):
    """How a schedule stands."""

    id: str
    when: str
    """The cron expression, or "every 300 s", or "once at …"."""
    tz: str
    queue: str
    name: str
    """Of the task."""
    data: Any
    overlap: str
    catch_up: str
    jitter: float
    """Seconds."""
    is_paused: bool
    is_in_code: bool
    """Whether it was declared in code, and not made at run time."""
    is_orphan: bool
    """Whether it was declared in code that no worker which is alive runs: then it does not tick."""
    next: tuple[datetime, ...]
    """The next three ticks, in the schedule's zone; none where it is paused, or over."""
    last: datetime | None
    """The tick of the newest firing."""
    last_job_id: str | None
    history: tuple[Firing, ...]
    """The last fifty firings, newest first."""


def state_of(
    schedule_id: str,
    entry: Entry,
    firings: Sequence[entries.Firing],
    *,
    now_ms: int,
    declared: Collection[str],
) -> ScheduleState:
    """What is told of an entry. `declared`: the ids in the code of this process and of workers that are alive."""
    when = entry.when
    zone = when.zone if isinstance(when, Cron) else "UTC"
    ticks = [] if entry.paused_ms is not None else upcoming(when, max(entry.last_ms, now_ms), SHOWN)
    fired = [firing for firing in firings if firing.job]
    return ScheduleState(
        id=schedule_id,
        when=str(when),
        tz=zone,
        queue=entry.job.queue,
        name=entry.job.name,
        data=decode(entry.job.payload),
        overlap=entry.overlap,
        catch_up=str(entry.catch_up),
        jitter=entry.jitter_ms / 1000,
        is_paused=entry.paused_ms is not None,
        is_in_code=entry.code is not None,
        is_orphan=entry.code is not None and schedule_id not in declared,
        next=tuple(local(zone, tick // 1000) for tick in ticks),
        last=_moment(fired[-1].tick_ms) if fired else None,
        last_job_id=_id(entry.last_job),
        history=tuple(_told(firing) for firing in reversed(firings)),
    )


def _told(firing: entries.Firing) -> Firing:
    return Firing(
        tick=_moment(firing.tick_ms),
        at=_moment(firing.at_ms),
        job_id=_id(firing.job),
        reason=firing.reason,
        count=firing.count,
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _id(job: bytes | None) -> str | None:
    return None if job is None else format_id(JobId(job))
