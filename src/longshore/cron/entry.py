"""This module is a schedule as the store keeps it, and the jobs that follow from its ticks.

The id of a job follows from its schedule and its tick, so that whoever adds it adds the same one, and a store stores it
once.
"""

import hashlib

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import Details, NewJob
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.cron.schedule import CatchUp, Overlap, Schedule
from longshore.cron.when import When, anchored, is_same

SCHEDULE = "schedule"
"""The kind of record that is a schedule, under its id."""
FIRINGS = "firings"
"""The kind of record that remembers the last firings of the schedule that is its key."""
FIRINGS_KEPT = 50
RULE = "schedule"
"""Names the limit that lets one job of a schedule run at a time."""
NO_ID = JobId(bytes(16))


class Firing(msgspec.Struct, frozen=True, array_like=True):
    """What became of a tick."""

    tick_ms: int
    at_ms: int
    """When it was acted on."""
    job: bytes | None = None
    """The id of its job; None: there is none."""
    reason: str = ""
    """Why there is none: "overlap", "missed", "unique" or "full"; "by hand" of a job that somebody wanted now."""
    count: int = 1
    """Of ticks that were missed together, up to 100."""


class Underway(msgspec.Struct, frozen=True):
    """Ticks whose jobs somebody is about to add. It stays where that one died, for somebody else to do it."""

    owner: str
    """Who is about to. Two who look in the same millisecond must not write the same."""
    ticks: tuple[int, ...]
    skipped: tuple[Firing, ...] = ()
    cancel: bytes | None = None
    """The job that is to make way."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A schedule, and how far it is."""

    when: When
    job: NewJob
    """What each tick adds, but for the id and the time."""
    overlap: Overlap
    catch_up: CatchUp
    jitter_ms: int = 0
    created_ms: int
    last_ms: int
    """Of the newest tick that was decided on; those before it are never looked at again."""
    paused_ms: int | None = None
    """Since when it is paused."""
    code: str | None = None
    """What the code says of it, as a digest; None: it was made at run time."""
    last_job: bytes | None = None
    """The id of the newest job."""
    underway: Underway | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether no tick is to be waited for now."""
        return self.underway is not None or self.paused_ms is not None

    @property
    def next_ms(self) -> int | None:
        """The next tick; None: there is none to come."""
        return self.when.next_ms(self.last_ms)


def new_entry(schedule: Schedule, job: NewJob, now_ms: int, *, code: str | None = None) -> Entry:
    """A schedule that begins now."""
    return Entry(
        when=anchored(schedule.when, now_ms),
        job=msgspec.structs.replace(job, id=NO_ID),
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        jitter_ms=schedule.jitter_ms,
        created_ms=now_ms,
        last_ms=now_ms,
        code=code,
    )


def redefined(entry: Entry, other: Entry, now_ms: int) -> Entry:
    """The entry with the other one's definition. Where its times are others, they count from now."""
    keeps_times = is_same(entry.when, other.when)
    return msgspec.structs.replace(
        entry,
        when=entry.when if keeps_times else other.when,
        last_ms=entry.last_ms if keeps_times else now_ms,
        job=other.job,
        overlap=other.overlap,
        catch_up=other.catch_up,
        jitter_ms=other.jitter_ms,
        code=other.code,
    )


def tick_job(schedule_id: str, entry: Entry, tick_ms: int, rules: Rules | None) -> NewJob:
    """The job of a tick. `rules`: its own, before those of the schedule."""
    return msgspec.structs.replace(
        entry.job,
        id=tick_id(schedule_id, tick_ms),
        run_ms=tick_ms + _jitter_ms(schedule_id, tick_ms, entry.jitter_ms) if entry.jitter_ms else None,
        details=_details(entry.job.details, schedule_id, tick_ms),
        rules=_in_line(schedule_id, rules) if entry.overlap == "queue" else rules,
    )


def tick_id(schedule_id: str, tick_ms: int) -> JobId:
    """The id of a tick's job: a UUIDv7 of the time of the tick, whose random bits are a digest of both."""
    digest = hashlib.sha256(f"{tick_ms}:{schedule_id}".encode()).digest()
    number = (tick_ms & (1 << 48) - 1) << 80 | int.from_bytes(digest[:10])
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return JobId(number.to_bytes(16))


def read_entry(value: bytes) -> Entry:
    """What a record says. Raises msgspec.MsgspecError."""
    return _entry.decode(value)


def read_firings(value: bytes) -> list[Firing]:
    """What a record says, oldest first. Raises msgspec.MsgspecError."""
    return _firings.decode(value)


def _details(encoded: bytes | None, schedule_id: str, tick_ms: int) -> bytes:
    details = Details() if encoded is None else msgspec.json.decode(encoded, type=Details)
    return msgspec.json.encode(msgspec.structs.replace(details, schedule=(schedule_id, tick_ms)))


def _in_line(schedule_id: str, rules: Rules | None) -> Rules:
    """Only one job of the schedule at a time."""
    rules = rules or Rules()
    turn = FlowKey(RULE, schedule_id, LimitKind.CONCURRENCY, 1)
    return msgspec.structs.replace(rules, flow=(*rules.flow, turn))


def _jitter_ms(schedule_id: str, tick_ms: int, most_ms: int) -> int:
    digest = hashlib.sha256(f"jitter:{tick_ms}:{schedule_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % (most_ms + 1)


_entry = msgspec.json.Decoder(Entry)
_firings = msgspec.json.Decoder(list[Firing])
