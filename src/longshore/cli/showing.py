"""This module says what a job looks like in the terminal: as a row, as a page, and as JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from longshore.cli.tables import age, duration, moment, plain, printable
from longshore.core.job import AttemptFailure
from longshore.core.states import State
from longshore.manager.job import AnyJob
from longshore.manager.recorded_steps import RecordedStep

TITLES = ("ID", "QUEUE", "NAME", "STATE", "TRIES", "AGE", "WHAT")


def row(job: AnyJob, now_ms: int) -> list[object]:
    """The cells below `TITLES`."""
    age_shown = age(job.record.created_ms, now_ms)
    return [job.id, job.queue, job.name, job.state.value, tries(job), age_shown, remark(job, now_ms)]


def tries(job: AnyJob) -> str:
    """Attempts so far, `2/5` where the job has its own limit."""
    own = job.record.max_attempts
    return f"{job.attempt}/{own}" if own else f"{job.attempt}"


def remark(job: AnyJob, now_ms: int) -> str:
    """What one wants to know first about a job in its state."""
    record = job.record
    if job.state is State.FAILED:
        return job.error_message or "-"
    if job.state is State.RETRYING:
        return f"{_due(record.run_ms, now_ms)}: {job.error_message or '-'}"
    if job.state is State.SCHEDULED:
        return f"{_due(record.run_ms, now_ms)}: {plain(job.data)}"
    if job.state is State.RUNNING:
        share = f" {job.progress:.0%}" if job.progress is not None else ""
        return f"for {age(record.started_ms, now_ms)} on {job.worker}{share}"
    return plain(job.data)


def _due(run_ms: int | None, now_ms: int) -> str:
    """`in 5 min`; `due now`, also for a time that is past: the next worker takes it."""
    ahead = None if run_ms is None or run_ms <= now_ms else age(run_ms, now_ms)
    return ahead or "due now"


def facts(job: AnyJob, now_ms: int) -> Mapping[str, object]:
    """A job's page, without its errors and logs."""
    record = job.record
    return {
        "id": job.id,
        "queue": job.queue,
        "name": job.name,
        "state": job.state.value,
        "data": plain(job.data),
        "result": plain(job.value) if job.state is State.COMPLETED else None,
        "error": job.error_message,
        "priority": printable(job.priority),
        "attempts": tries(job),
        "failures": job.failures or None,
        "crashes": job.crashes or None,
        "releases": job.releases or None,
        "due": _when(record.run_ms, now_ms),
        "added": _when(record.created_ms, now_ms),
        "started": _when(record.started_ms, now_ms),
        "finished": _when(record.finished_ms, now_ms),
        "took": _took(record.started_ms, record.finished_ms),
        "worker": job.worker,
        "progress": None if job.progress is None else f"{job.progress:.0%} {job.progress_note or ''}".strip(),
        "tags": ", ".join(job.tags),
        "reference": "/".join(map(str, job.reference)) if job.reference else None,
        "correlation": job.correlation_id,
        "metadata": plain(job.metadata) if job.metadata else None,
    }


STEP_TITLES = ("STEP", "KIND", "ATTEMPT", "BEGAN", "TOOK", "WHAT")


def step_row(step: RecordedStep, now_ms: int) -> list[object]:
    """The cells below `STEP_TITLES`."""
    began_ms = _ms(step.started_at)
    took = None if step.ended_at is None else _took(began_ms, _ms(step.ended_at))
    return [step.name, step.kind, step.attempt, _when(began_ms, now_ms), took, _came_to(step, now_ms)]


def _came_to(step: RecordedStep, now_ms: int) -> str:
    if step.timed_out:
        return "timed out"
    if step.kind == "step" or (step.kind == "wait" and step.ended_at is not None):
        return plain(step.value)
    if step.until is None:
        return "waits"
    return f"until {_when(_ms(step.until), now_ms)}"


def step_as_plain(step: RecordedStep) -> dict[str, Any]:
    """A step as JSON prints it."""
    times = {key: value and moment(_ms(value)) for key, value in _times(step).items()}
    return msgspec.structs.asdict(step) | times


def _times(step: RecordedStep) -> dict[str, datetime | None]:
    return {"started_at": step.started_at, "ended_at": step.ended_at, "until": step.until}


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def as_listed(job: AnyJob) -> dict[str, Any]:
    """A job in a list of JSON: without its errors and logs, which lists do not read."""
    return {key: value for key, value in as_plain(job).items() if key not in {"errors", "logs"}}


def as_plain(job: AnyJob) -> dict[str, Any]:
    """A job as JSON prints it: the words of the manager, times as ISO 8601 in UTC."""
    record = job.record
    return {
        "id": job.id,
        "queue": job.queue,
        "name": job.name,
        "state": job.state.value,
        "data": job.data,
        "priority": job.priority,
        "attempt": job.attempt,
        "max_attempts": record.max_attempts,
        "failures": job.failures,
        "crashes": job.crashes,
        "releases": job.releases,
        "run_at": moment(record.run_ms),
        "created_at": moment(record.created_ms),
        "started_at": moment(record.started_ms),
        "finished_at": moment(record.finished_ms),
        "updated_at": moment(record.updated_ms),
        "worker": job.worker,
        "result": job.value,
        "error_message": job.error_message,
        "errors": [_failure(failure) for failure in job.errors],
        "progress": job.progress,
        "progress_note": job.progress_note,
        "logs": [{"at": moment(line.at_ms), "attempt": line.attempt, "text": line.text} for line in job.logs],
        "tags": list(job.tags),
        "reference": list(job.reference) if job.reference else None,
        "correlation_id": job.correlation_id,
        "metadata": job.metadata,
    }


def _failure(failure: AttemptFailure) -> dict[str, Any]:
    values = msgspec.structs.asdict(failure)
    return {**{key: value for key, value in values.items() if key != "at_ms"}, "at": moment(failure.at_ms)}


def _when(at_ms: int | None, now_ms: int) -> str | None:
    if at_ms is None:
        return None
    shown = age(at_ms, now_ms) or ""
    return f"{moment(at_ms)} ({shown if shown.startswith('in ') else shown + ' ago'})"


def _took(started_ms: int | None, finished_ms: int | None) -> str | None:
    if started_ms is None or finished_ms is None or finished_ms < started_ms:
        return None
    return duration((finished_ms - started_ms) / 1000)
