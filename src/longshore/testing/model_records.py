"""This module makes the oracle's records: of new jobs, of those of another store, and those that leave with a claim."""

import msgspec

from longshore.core.job import Details, JobRecord, NewJob
from longshore.core.states import State
from longshore.testing.model_reading import Kept

CLAIM_TELLS = (
    *("id", "queue", "name", "payload", "state", "priority", "max_attempts", "fence"),
    *("failures", "crashes", "releases", "session", "created_ms", "details", "rules"),
)
"""The fields that `claim` fills."""


def as_new(new: NewJob, now_ms: int) -> Kept:
    """A job that was just inserted: scheduled, or pending without having asked for room."""
    due_ms = new.run_ms if new.run_ms is not None else now_ms + new.delay_ms
    is_scheduled = due_ms > now_ms
    job = JobRecord(
        id=new.id,
        queue=new.queue,
        name=new.name,
        payload=new.payload,
        state=State.SCHEDULED if is_scheduled else State.PENDING,
        priority=new.priority,
        max_attempts=new.max_attempts,
        details=new.details,
        rules=new.rules,
        edges=new.edges,
        run_ms=due_ms if is_scheduled else None,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    return Kept(job, new)


def as_adopted(job: JobRecord) -> Kept:
    """A job of another store. What holds it, and which parents it waits for, is found out here."""
    details = msgspec.json.decode(job.details or b"{}", type=Details)
    new = NewJob(
        id=job.id,
        queue=job.queue,
        name=job.name,
        payload=job.payload,
        priority=job.priority,
        details=job.details,
        tags=details.tags,
        reference=":".join(details.reference) if details.reference else None,
        correlation_id=details.correlation_id,
    )
    return Kept(msgspec.structs.replace(job, held_by=None, waits_for=()), new)


def as_claimed(job: JobRecord) -> JobRecord:
    """The record as `claim` gives it."""
    return JobRecord(**{name: getattr(job, name) for name in CLAIM_TELLS})
