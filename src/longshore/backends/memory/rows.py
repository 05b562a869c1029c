"""This module holds a job as the memory store keeps it, and makes the records that leave the store."""

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord, NewJob
from longshore.core.rules import FlowKey
from longshore.core.states import ORDER, State

BLOCKED = State.BLOCKED.code
SCHEDULED = State.SCHEDULED.code
HELD = State.HELD.code
PENDING = State.PENDING.code
RUNNING = State.RUNNING.code
RETRYING = State.RETRYING.code
COMPLETED = State.COMPLETED.code
FAILED = State.FAILED.code
CANCELLED = State.CANCELLED.code
FIRST_TERMINAL = COMPLETED
"""States are kept as codes: comparing and counting by a small int is several times faster than by an enum."""
GHOST = -1
"""The state of a row that has left its place in a lane before its turn came; see `Lane`."""
UNSETTLED = -1


class Extras(msgspec.Struct):
    """What few jobs have."""

    error_text: str | None = None
    progress: float | None = None
    progress_note: str | None = None
    errors: tuple[bytes, ...] = ()
    logs: tuple[bytes, ...] = ()


class Ruled(msgspec.Struct, gc=False):
    """What is to be known of a job with rules beside the job itself."""

    holder: FlowKey | None = None
    """The limit that has no room for it: only while it is held."""
    entry: int = 0
    """Its newest one in that limit's line."""
    tag: int | None = None
    """By which it stands in line among jobs with a fair key."""


class Row(msgspec.Struct, gc=False):
    """A job. `gc=False`: it refers to plain values only; a million rows would slow every collection down."""

    job: NewJob
    """What was inserted; replaced by another one when it is updated."""
    state: int
    order: int
    """The place in line: counts up with every job that becomes pending."""
    created_ms: int
    updated_ms: int
    run_ms: int | None = None
    fence: int = 0
    failures: int = 0
    crashes: int = 0
    releases: int = 0
    session: str | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    settled: int = UNSETTLED
    """The state to which the newest claim was settled: a repeat of that settlement is recognised by it."""
    result: bytes | None = None
    cancel_requested: bool = False
    extras: Extras | None = None
    ruled: Ruled | None = None

    def remember(self, error: bytes | None, error_text: str | None) -> None:
        """Keeps what went wrong, the newest `ERRORS_KEPT` of it."""
        extras = self._extras()
        if error is not None:
            extras.errors = (*extras.errors, error)[-ERRORS_KEPT:]
        if error_text is not None:
            extras.error_text = error_text

    def note(self, progress: float | None, progress_note: str | None, logs: tuple[bytes, ...]) -> None:
        """Keeps progress and the newest `LOGS_KEPT` log lines."""
        extras = self._extras()
        if progress is not None:
            extras.progress = progress
        if progress_note is not None:
            extras.progress_note = progress_note
        extras.logs = (*extras.logs, *logs)[-LOGS_KEPT:]

    def _extras(self) -> Extras:
        if self.extras is None:
            self.extras = Extras()
        return self.extras


def claimed_record(row: Row) -> JobRecord:
    """What `claim` tells a worker: exactly the fields up to `rules`, as every store does."""
    job = row.job
    return JobRecord(
        id=job.id,
        queue=job.queue,
        name=job.name,
        payload=job.payload,
        state=State.RUNNING,
        priority=job.priority,
        max_attempts=job.max_attempts,
        fence=row.fence,
        failures=row.failures,
        crashes=row.crashes,
        releases=row.releases,
        session=row.session,
        created_ms=row.created_ms,
        details=job.details,
        rules=job.rules,
    )


def scanned_record(row: Row, waits_for: tuple[JobId, ...], *, full: bool) -> JobRecord:
    """What `scan` tells: everything, errors and logs only when `full`."""
    record = claimed_record(row)
    record.state = ORDER[row.state]
    record.run_ms = row.run_ms
    if row.ruled is not None and row.ruled.holder is not None:
        record.held_by = row.ruled.holder.meter
    record.edges = row.job.edges
    record.waits_for = waits_for
    record.started_ms = row.started_ms
    record.finished_ms = row.finished_ms
    record.updated_ms = row.updated_ms
    record.result = row.result
    record.cancel_requested = row.cancel_requested
    if row.extras is not None:
        record.error_text = row.extras.error_text
        record.progress = row.extras.progress
        record.progress_note = row.extras.progress_note
        if full:
            record.errors = row.extras.errors
            record.logs = row.extras.logs
    return record
