"""This module holds what goes into the store: one record per verb of `contract.py`, each a plain value.

No store may look into `payload`, `details`, `result`, `error` or a record's `value`: they are bytes to it.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import NewJob
from longshore.core.rules import FlowKey, Rules
from longshore.core.states import State
from longshore.core.verdict import Verdict

SCAN_LIMIT = 1000
"""Jobs in one page, at most; also the chunk in which maintenance works."""


class ClaimAsk(msgspec.Struct, frozen=True):
    """Up to `count` pending jobs of a queue, for a session that `extend` keeps alive."""

    queue: str
    count: int
    session: str
    id: JobId | None = None
    """Only this job, wherever it stands in line and even while its queue is paused: somebody asked for it by name."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a claim ended. `session` and `fence` are those of the claim; they prove that it is still the newest.

    `if_lost` is for a rescue: it is applied only while the session's lease is over, and it ends the session for good.
    `keep=False` forgets a job that ends in a terminal state at once. `follow` are jobs that are inserted in the same
    step, if the settlement is applied.
    """

    id: JobId
    queue: str
    session: str
    fence: int
    verdict: Verdict
    result: bytes | None = None
    error: bytes | None = None
    """An encoded `AttemptFailure`."""
    error_text: str | None = None
    follow: tuple[NewJob, ...] = ()
    if_lost: bool = False
    keep: bool = True
    rules: Rules | None = None
    """Of the job, as its claim told them: so a store knows without a look for which settlements it must make room."""


class Order(StrEnum):
    """How a page is sorted."""

    OLDEST = "oldest"
    """By id, which is by time of creation."""
    NEWEST = "newest"
    FINISHED = "finished"
    """By the time they ended, newest first; only jobs that have ended."""


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs; every field that is given must hold. With `ids`, other jobs are never looked at."""

    ids: tuple[JobId, ...] | None = None
    states: tuple[State, ...] | None = None
    queues: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    """All of them."""
    reference: str | None = None
    correlation_id: str | None = None
    session: str | None = None
    lost: bool = False
    """Only running jobs whose session's lease is over, or that has no session at all."""
    payload: bytes | None = None
    """Exactly these bytes: so an edit knows that nobody has changed them since they were read."""
    text: str | None = None
    """Found, whatever its case (ASCII letters), in the name, the payload, the details or the error text."""
    error: str | None = None
    """Found, exactly as it is, in the error text."""
    finished_before_ms: int | None = None
    order: Order = Order.NEWEST
    spare: int = 0
    """Leaves out so many of the first in the order: "all but the newest 1,000"."""
    cursor: str | None = None
    """Of the page before."""
    limit: int = 100
    """At most SCAN_LIMIT."""
    full: bool = False
    """With errors and logs."""


def by_ids(
    ids: Iterable[JobId], *, states: tuple[State, ...] | None = None, full: bool = False
) -> list[JobQuery]:
    """Queries for these jobs, as many as it takes: each asks for SCAN_LIMIT at most. None for no ids."""
    wanted = tuple(ids)
    return [
        JobQuery(ids=wanted[start : start + SCAN_LIMIT], states=states, limit=SCAN_LIMIT, full=full)
        for start in range(0, len(wanted), SCAN_LIMIT)
    ]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """New values for a job that is not running and not over; UNSET leaves the old."""

    payload: bytes | msgspec.UnsetType = msgspec.UNSET
    priority: int | msgspec.UnsetType = msgspec.UNSET
    max_attempts: int | None | msgspec.UnsetType = msgspec.UNSET
    run_ms: int | msgspec.UnsetType = msgspec.UNSET
    """In the future the job becomes scheduled (a retrying one stays so), otherwise pending."""
    details: bytes | None | msgspec.UnsetType = msgspec.UNSET
    tags: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    reference: str | None | msgspec.UnsetType = msgspec.UNSET
    correlation_id: str | None | msgspec.UnsetType = msgspec.UNSET


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Jobs that wait become cancelled; running ones are asked to stop (`extend` tells their worker)."""

    where: JobQuery


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Jobs in a state of `RETRIABLE` become pending at the tail. Failed and cancelled ones begin a new life:
    failures and crashes count from 0; `fence`, `releases` and the errors stay. The result is forgotten.

    With `rejoin`, only jobs with edges in a state of `REJOINABLE` begin a new life, and as blocked ones: when all of
    the edit are blocked, they look at all of their parents as a new job would.
    """

    where: JobQuery
    rejoin: bool = False


class Delete(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Jobs that are not running are forgotten, with their errors and logs."""

    where: JobQuery


class Update(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Jobs that are not running and not over get new values."""

    where: JobQuery
    changes: Changes


class Note(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Progress and log lines of a running job, under the fence of its claim; a stale note changes nothing. The lines of
    a note that is repeated after a lost reply may stand there twice."""

    id: JobId
    queue: str
    session: str
    fence: int
    progress: float | None = None
    """From 0 to 1; None leaves the old."""
    progress_note: str | None = None
    logs: tuple[bytes, ...] = ()
    """Encoded `LogLine`s, added behind the older ones."""


Edit = Cancel | Retry | Delete | Update | Note
"""What `change` takes. One with `where` touches at most `where.limit` jobs and says whether more are left."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's sign of life: for so long its session keeps all its jobs.

    `opens` begins the session (again is harmless); without it a session that is over stays over. `lease_ms=0` ends it
    at once and for good; what it still runs is lost.
    """

    session: str
    lease_ms: int
    queues: tuple[str, ...] = ()
    """Those whose jobs it may hold."""
    opens: bool = False


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """A small record to be stored; `value=None` deletes it.

    `expect` is the version that it must have now (0: must not be there); None stores whatever is there. A record with
    `session` is gone when that session is over, one with `ttl_ms` when the time has passed: it then counts as absent.
    """

    kind: str
    key: str
    value: bytes | None
    expect: int | None = None
    session: str | None = None
    ttl_ms: int | None = None


class RecordAsk(msgspec.Struct, frozen=True):
    """Records of a kind: those with the keys, or all of them."""

    kind: str
    keys: tuple[str, ...] | None = None


class MeterAsk(msgspec.Struct, frozen=True):
    """Meters of a queue: those with the names (`FlowKey.meter`), or all of them."""

    queue: str
    names: tuple[str, ...] | None = None


class Tune(msgspec.Struct, frozen=True):
    """A new limit for every meter of a rule that is there; of the key only `rule`, `kind`, `limit`, `per_ms` and
    `burst` count. Jobs that come later bring theirs along."""

    queue: str
    key: FlowKey


PAUSE = "pause"
"""The kind of record that pauses the queue which is its key: while it is there, `claim` gives none of its jobs."""

RETENTION = "retention"
"""The kind of record that holds, under a queue's name, what was stated last about how long its jobs are kept."""

LOCK = "lock"
"""The kind of record that is a lock, under its key: who has it, and the fence (`flow/locking.py`)."""

GRIP = "grip"
"""The kind of record by which the holder of a lock, its key the token of this once, says that it lives."""

SUSPECT = "suspect"
"""The kind of record by which a session, its key, names the one suspect that it runs now (`engine/suspicion.py`)."""

BATCHES = "batches"
"""The kind of record by which a session, its key, says which jobs it runs together now (`batch/halving.py`)."""

HALVED = "halved"
"""The kind of record by which a job, its key, is remembered to have been in a batch that took its worker down."""
