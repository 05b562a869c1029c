"""This module holds the records of a job: what goes into a store, what comes out, and what is kept of its failures.

Times are whole milliseconds since 1970 (UTC) so that every store keeps the same number. The names end in `_ms`.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from longshore.core.edges import Edges
from longshore.core.ids import JobId
from longshore.core.priority import Priority
from longshore.core.rules import Rules
from longshore.core.states import State


class NewJob(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A job to be inserted. Its id is made by the caller, so that a repeated insert is recognised."""

    id: JobId
    queue: str
    name: str
    """Of the task."""
    payload: bytes
    """One JSON value; opaque to the store."""
    priority: int = Priority.NORMAL
    max_attempts: int | None = None
    """None: as the task says where it runs."""
    delay_ms: int = 0
    """From the store's now."""
    run_ms: int | None = None
    """An absolute time; wins over `delay_ms`. In the past: at once."""
    details: bytes | None = None
    """Encoded `Details`; opaque to the store."""
    tags: tuple[str, ...] = ()
    """Search keys, like the next two; they are in `details` as well."""
    reference: str | None = None
    correlation_id: str | None = None
    rules: Rules | None = None
    edges: Edges | None = None
    """The jobs that must end before this one may run."""


class InWorkflow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a job stands in a workflow (`workflows/record.py`)."""

    id: str
    """Of the workflow."""
    step: str
    when: str | None = None
    """A condition that its worker looks at before it runs: an expression, or a predicate's name."""
    gathers: bool = False
    """Whether it follows a list of steps, and so finds a list in `ctx.previous`, also of one."""


class Details(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What few jobs have, encoded as one JSON object beside the payload."""

    metadata: dict[str, Any] = {}
    context: dict[str, Any] = {}
    """Captured where the job was added, restored around its task."""
    tags: tuple[str, ...] = ()
    reference: tuple[str, str] | None = None
    """(type, id)"""
    correlation_id: str | None = None
    retry: dict[str, Any] | None = None
    """This job's own retry policy, instead of its task's (`core/retry.py` reads it)."""
    timeout: float | None = None
    """Seconds for one attempt, instead of its task's."""
    max_crashes: int | None = None
    dead_letter: str | None = None
    """The queue that is told when the job fails for good."""
    workflow: InWorkflow | None = None
    schedule: tuple[str, int] | None = None
    """(id, tick in ms) of the schedule that added the job."""


class JobRecord(msgspec.Struct, kw_only=True, gc=False):
    """A job as a store keeps it.

    `claim` fills what a worker needs, up to `rules`; `scan` fills all, and `errors` and `logs` only when asked for.
    """

    id: JobId
    queue: str
    name: str
    payload: bytes
    state: State
    priority: int
    max_attempts: int | None = None
    fence: int = 0
    """How often the job was claimed. With the session it proves a claim: see `Settlement`."""
    failures: int = 0
    crashes: int = 0
    releases: int = 0
    session: str | None = None
    """Of the worker that holds the job, or held it last."""
    created_ms: int = 0
    details: bytes | None = None
    rules: Rules | None = None

    run_ms: int | None = None
    """When it is due: only while it waits for a time, or will when it is blocked no more."""
    held_by: str | None = None
    """The meter (`FlowKey.meter`) that has no room for it: only while it is held."""
    edges: Edges | None = None
    """As it was inserted."""
    waits_for: tuple[JobId, ...] = ()
    """Parents that have not told it their end, in the order of its edges: only while it is blocked."""
    started_ms: int | None = None
    """Of the newest claim."""
    finished_ms: int | None = None
    updated_ms: int = 0
    result: bytes | None = None
    error_text: str | None = None
    """The newest error in a line: `Type: message`."""
    progress: float | None = None
    progress_note: str | None = None
    cancel_requested: bool = False
    errors: tuple[bytes, ...] = ()
    """Encoded `AttemptFailure`s, oldest first."""
    logs: tuple[bytes, ...] = ()
    """Encoded `LogLine`s, oldest first."""

    @property
    def attempt(self) -> int:
        """Claims that ran user code: those that were handed back unharmed do not count."""
        return self.fence - self.releases


class AttemptFailure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of an attempt that went wrong. Text only: nothing here is ever made an exception again."""

    type: str
    message: str
    traceback: str = ""
    at_ms: int
    attempt: int
    worker: str
    provider: str | None = None
    """The service that it depended on, where that is known."""

    @property
    def at(self) -> datetime:
        """`at_ms` as a datetime."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a task wrote with `ctx.log`."""

    at_ms: int
    attempt: int
    text: str

    @property
    def at(self) -> datetime:
        """`at_ms` as a datetime."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


ERRORS_KEPT = 25
LOGS_KEPT = 200
"""Of one job; the oldest go first."""
