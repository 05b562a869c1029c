"""This module holds what comes back from the store, aligned one to one with what went in."""

from enum import StrEnum

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.rules import LimitKind
from longshore.core.states import State


class Inserted(StrEnum):
    """What became of a `NewJob` that met no other."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    """Its id is there already; nothing was changed. An insert that was repeated after a lost reply."""
    FULL = "full"
    """So many jobs wait in its queue that there is no room for it; it was not stored."""


class Conflict(msgspec.Struct, frozen=True):
    """A job with the same unique key is there; the new one was not stored."""

    id: JobId
    """Of the older job."""
    state: State


Insertion = Inserted | Conflict
"""What became of a `NewJob`."""


class Claimed(msgspec.Struct, frozen=True):
    """The answer to one `ClaimAsk`: jobs by priority, then in the order of becoming pending."""

    jobs: list[JobRecord]
    session_lost: bool = False
    """The session is over (or was never opened), so nothing was claimed."""


class Settled(StrEnum):
    """What became of a `Settlement`."""

    APPLIED = "applied"
    """Now, or by an earlier call with the same claim and the same state."""
    STALE = "stale"
    """The claim is not the newest any more, or for a rescue: the session lives. Nothing was changed."""


class Changed(msgspec.Struct, frozen=True):
    """The answer to one `Edit`."""

    ids: tuple[JobId, ...]
    """Changed now."""
    asked: tuple[JobId, ...] = ()
    """Running, and asked to stop."""
    more: bool = False
    """The limit was reached: the same edit again would change more."""


class MeterReading(msgspec.Struct, frozen=True, kw_only=True):
    """How one limit of one key stands."""

    name: str
    """As `FlowKey.meter`."""
    kind: LimitKind
    limit: int
    per_ms: int = 0
    burst: int = 0
    room: int
    """How much is left for another job; below 0 after the limit was lowered."""
    used: int
    """Of a concurrency limit, by pending and running jobs; of a rate, reserved by pending ones."""
    held: int
    """Jobs that wait because of this meter."""
    next_ms: int | None
    """When the first of them has room, if time alone gives it."""


class Extended(msgspec.Struct, frozen=True):
    """The answer to one `Lease`."""

    held: bool
    """False: the session is over, and whatever it still runs may already run elsewhere."""
    cancel: tuple[JobId, ...] = ()
    """Jobs of the session that somebody wants stopped."""


class Promoted(msgspec.Struct, frozen=True):
    """What `promote` did."""

    count: int
    """Jobs that were due, and are pending or held now."""
    queues: tuple[str, ...]
    """Those that got pending jobs."""
    next_due_ms: int | None
    """When the next waiting job is due, or a meter gives room to one that it holds; None when neither is to come."""
    more: bool
    """The limit was reached: call again at once."""


class Page(msgspec.Struct, frozen=True):
    """The answer to one `JobQuery`. A page may hold less than its limit, or nothing, and still not be the last."""

    jobs: list[JobRecord]
    cursor: str | None
    """For the next page; None: that was all."""


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a queue in one minute."""

    minute: int
    """Minutes since 1970."""
    added: int = 0
    completed: int = 0
    failed: int = 0
    """For good."""
    retried: int = 0
    crashed: int = 0
    run_ms: int = 0
    """From claim to settle, summed over completed, failed and retried."""


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How a queue stands."""

    queue: str
    states: dict[State, int]
    """Every state, exactly, as of one moment."""
    oldest_pending_ms: int | None
    """When the job that is next in line was created; the oldest of those over the priorities."""
    next_due_ms: int | None
    minutes: tuple[Minute, ...] = ()
    """Oldest first, only those in which something happened."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A small record as it is stored."""

    kind: str
    key: str
    value: bytes
    version: int
    """1 at first, and one more with every change."""
    session: str | None = None
    expires_ms: int | None = None


class Stored(msgspec.Struct, frozen=True):
    """The answer to one `Put`."""

    stored: bool
    """False: the version was another one."""
    record: Record | None
    """As it is now; None when it is not there."""


class WakeKind(StrEnum):
    """Why somebody is woken."""

    PENDING = "pending"
    """A queue that had no pending jobs has some, or was resumed."""
    FINISHED = "finished"
    """A job ended."""
    CANCEL = "cancel"
    """A running job was asked to stop."""
    SCHEDULED = "scheduled"
    """A job waits for a time before that of every other that waits, in the store or at least in its queue: whoever
    promotes has to look earlier than the last reply said."""


class Wake(msgspec.Struct, frozen=True):
    """A hint that a look at the store is worth it now. It may be lost, late or doubled."""

    kind: WakeKind
    queue: str


class Migration(msgspec.Struct, frozen=True):
    """How the store's schema stands."""

    version: int
    """What the store has; 0: nothing yet."""
    latest: int
    """What this Longshore knows."""
    pending: tuple[str, ...]
    """Names of the steps that are to be done."""
    sql: str = ""
    """The statements of those steps, where the store has any."""


class Finding(msgspec.Struct, frozen=True):
    """Something about the store that may lose jobs or time, as `longshore doctor` prints it."""

    level: str
    """"error" (jobs may be lost) or "warning"."""
    code: str
    problem: str
    remedy: str
