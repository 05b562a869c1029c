"""This module says which of the oracle's jobs an edit may touch, and gives one job new values."""

import msgspec

from longshore.core.job import LOGS_KEPT, JobRecord
from longshore.core.states import LIVE, REJOINABLE, RETRIABLE, State
from longshore.store.commands import Cancel, Changes, Delete, Edit, Note, Retry
from longshore.testing.model_reading import Kept


def may_edit(job: JobRecord, edit: Edit) -> bool:
    """Whether the job is in a state for this edit."""
    if isinstance(edit, Cancel):
        return job.state in LIVE and not job.cancel_requested
    if isinstance(edit, Retry):
        return job.edges is not None and job.state in REJOINABLE if edit.rejoin else job.state in RETRIABLE
    if isinstance(edit, Delete):
        return job.state is not State.RUNNING
    return job.state in LIVE - {State.RUNNING}


def overwrite(kept: Kept, changes: Changes) -> int | None:
    """Gives the job what is new, but for its time, which is returned where it is new."""
    values = {
        name: value for name, value in msgspec.structs.asdict(changes).items() if value is not msgspec.UNSET
    }
    run_ms: int | None = values.pop("run_ms", None)
    kept.new = msgspec.structs.replace(kept.new, **values)
    for name in values.keys() - {"tags", "reference", "correlation_id"}:
        setattr(kept.job, name, values[name])
    return run_ms


def annotate(job: JobRecord, note: Note, now_ms: int) -> bool:
    """Adds a note of the attempt that runs; whether it is the one that runs."""
    if job.state is not State.RUNNING or (job.session, job.fence) != (note.session, note.fence):
        return False
    job.progress = job.progress if note.progress is None else note.progress
    job.progress_note = job.progress_note if note.progress_note is None else note.progress_note
    job.logs = (*job.logs, *note.logs)[-LOGS_KEPT:]
    job.updated_ms = now_ms
    return True
