"""This module shows one job: every attribute that a handle has, read from its record when asked for.

Nothing is formatted or decoded until then, so that a hundred thousand handles cost little more than their ids.
"""

from datetime import UTC, datetime
from html import escape
from typing import Any

import msgspec

from longshore.core.ids import JobId, format_id
from longshore.core.job import AttemptFailure, Details, JobRecord, LogLine, NewJob
from longshore.core.payload import decode
from longshore.core.reference import Reference
from longshore.core.states import State
from longshore.dlq.patterns import group
from longshore.manager.runtime import Runtime

_read_details = msgspec.json.Decoder(Details).decode
_read_failure = msgspec.json.Decoder(AttemptFailure).decode
_read_line = msgspec.json.Decoder(LogLine).decode


class JobView:
    """What is known of a job since it was last read."""

    __slots__ = ("_conflict", "_runtime", "_source")

    def __init__(self, runtime: Runtime, source: JobRecord | NewJob, *, conflict: bool = False) -> None:
        self._runtime = runtime
        self._source = source
        self._conflict = conflict

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.queue}/{self.name} {self.state}>"

    def _repr_html_(self) -> str:
        error = f" · {escape(self.error_message)}" if self.error_message else ""
        return f"<code>{self.id}</code> {escape(self.queue)}/{escape(self.name)} · <b>{self.state}</b>{error}"

    @property
    def record(self) -> JobRecord:
        """The job as the store keeps it, in the store's own words."""
        source = self._source
        if isinstance(source, NewJob):
            source = self._source = _record_of(source)
        return source

    def _take(self, record: JobRecord) -> None:
        """Shows this reading from now on."""
        self._source = record

    # ------------------------------------------------------------------------------------------ what it is

    @property
    def key(self) -> JobId:
        """The id as stores keep it: 16 bytes."""
        return self._source.id

    @property
    def id(self) -> str:
        """The id as text, a UUIDv7."""
        return format_id(self.key)

    @property
    def queue(self) -> str:
        return self.record.queue

    @property
    def name(self) -> str:
        """Of the task."""
        return self.record.name

    @property
    def data(self) -> Any:
        """The payload: plain values. For a task it is the object of its arguments."""
        return decode(self.record.payload)

    @property
    def args(self) -> tuple[Any, ...]:
        """Always empty: arguments are kept by name, see `kwargs`."""
        return ()

    @property
    def kwargs(self) -> dict[str, Any]:
        """The task's arguments by name, in the types of its annotations where the task is known here."""
        handler = self._runtime.registry.find(self.queue, self.name)
        if handler is not None and handler.signature is not None:
            return handler.signature.decode(self.record.payload)
        data = self.data
        return data if isinstance(data, dict) else {}

    @property
    def priority(self) -> int:
        return self.record.priority

    @property
    def details(self) -> Details:
        """What was said about the job when it was added."""
        encoded = self.record.details
        return Details() if encoded is None else _read_details(encoded)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.details.tags

    @property
    def metadata(self) -> dict[str, Any]:
        return self.details.metadata

    @property
    def context(self) -> dict[str, Any]:
        """What was bound (`bind_context`) where the job was added."""
        return self.details.context

    @property
    def reference(self) -> Reference | None:
        found = self.details.reference
        return None if found is None else Reference(*found)

    @property
    def correlation_id(self) -> str | None:
        return self.details.correlation_id

    @property
    def schedule_id(self) -> str | None:
        """Of the schedule that added it."""
        found = self.details.schedule
        return None if found is None else found[0]

    @property
    def tick(self) -> datetime | None:
        """The time for which its schedule added it; when it was added may be later."""
        found = self.details.schedule
        return None if found is None else _time(found[1])

    @property
    def workflow_id(self) -> str | None:
        """None: not part of a workflow."""
        place = self.details.workflow
        return None if place is None else place.id

    @property
    def step(self) -> str | None:
        """What the job is called in its workflow. None: not part of one."""
        place = self.details.workflow
        return None if place is None else place.step

    # ------------------------------------------------------------------------------------ how it stands

    @property
    def state(self) -> State:
        return self.record.state

    @property
    def attempt(self) -> int:
        """Claims that ran user code."""
        return self.record.attempt

    @property
    def fence(self) -> int:
        """The number of the newest claim, which only grows: hand it to a resource that can refuse older ones."""
        return self.record.fence

    @property
    def max_attempts(self) -> int | None:
        """The job's own number, or its task's; None where neither is known here. 0: no limit."""
        own = self.record.max_attempts
        if own is not None:
            return own
        handler = self._runtime.registry.find(self.queue, self.name)
        return None if handler is None else handler.policy.retry.max_attempts

    @property
    def failures(self) -> int:
        """Attempts whose code raised or took too long."""
        return self.record.failures

    @property
    def crashes(self) -> int:
        """Attempts whose worker died."""
        return self.record.crashes

    @property
    def releases(self) -> int:
        """Claims that were handed back unharmed."""
        return self.record.releases

    @property
    def run_at(self) -> datetime | None:
        """When it is due, while it waits for a time."""
        return _time(self.record.run_ms)

    @property
    def created_at(self) -> datetime:
        return _sure_time(self.record.created_ms)

    @property
    def started_at(self) -> datetime | None:
        """Of the newest attempt."""
        return _time(self.record.started_ms)

    @property
    def finished_at(self) -> datetime | None:
        return _time(self.record.finished_ms)

    @property
    def updated_at(self) -> datetime:
        return _sure_time(self.record.updated_ms)

    @property
    def worker(self) -> str | None:
        """The session that holds the job, or held it last: `host:pid:…`."""
        return self.record.session

    @property
    def progress(self) -> float | None:
        """From 0 to 1, as the task last said."""
        return self.record.progress

    @property
    def progress_note(self) -> str | None:
        return self.record.progress_note

    @property
    def errors(self) -> tuple[AttemptFailure, ...]:
        """Each attempt that went wrong, oldest first. Read by `refresh` and `get_job`, not by lists."""
        return tuple(map(_read_failure, self.record.errors))

    @property
    def error_message(self) -> str | None:
        """The newest error in a line: `Type: message`."""
        return self.record.error_text

    @property
    def error_patterns(self) -> dict[str, int]:
        """The errors' messages with placeholders for what varies, and how often each came."""
        return group(f"{failure.type}: {failure.message}" for failure in self.errors)

    @property
    def failed_providers(self) -> tuple[str, ...]:
        """Services that failed it, or asked it to come later, oldest first. Read like `errors`."""
        return tuple(dict.fromkeys(failure.provider for failure in self.errors if failure.provider))

    @property
    def logs(self) -> tuple[LogLine, ...]:
        """What the task wrote with `ctx.log`, oldest first. Read like `errors`."""
        return tuple(map(_read_line, self.record.logs))

    @property
    def conflict(self) -> bool:
        """Whether the same job was there already (`Unique`) when it was added once more, and this is that one."""
        return self._conflict

    @property
    def value(self) -> Any:
        """What the task returned, once it has completed, in its annotated type where the task is known here."""
        stored = self.record.result
        return None if stored is None else self._runtime.result_type(self.queue, self.name).read(stored)


def _record_of(new: NewJob) -> JobRecord:
    """The record of a job that was just added. Its id says when: UUIDv7 begins with the milliseconds."""
    created_ms = int.from_bytes(new.id[:6])
    run_ms = new.run_ms if new.run_ms is not None else created_ms + new.delay_ms
    waits = run_ms > created_ms
    state = State.BLOCKED if new.edges is not None else State.SCHEDULED if waits else State.PENDING
    return JobRecord(
        id=new.id,
        queue=new.queue,
        name=new.name,
        payload=new.payload,
        state=state,
        priority=new.priority,
        max_attempts=new.max_attempts,
        created_ms=created_ms,
        updated_ms=created_ms,
        details=new.details,
        run_ms=run_ms if waits else None,
        edges=new.edges,
    )


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else _sure_time(ms)


def _sure_time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
