"""This module takes jobs of another store into the memory store, as they are."""

from collections.abc import Iterable

from longshore.backends.memory.rows import BLOCKED, Extras, Row
from longshore.backends.memory.tables import Tables
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord, NewJob
from longshore.core.states import CODES
from longshore.store.adopting import search_keys
from longshore.store.replies import Inserted


def adopt(tables: Tables, jobs: Iterable[JobRecord], now_ms: int) -> list[Inserted]:
    """Takes in those whose ids are not there yet."""
    return [_adopt(tables, job, now_ms) for job in jobs]


def _adopt(tables: Tables, job: JobRecord, now_ms: int) -> Inserted:
    if job.id in tables.rows:
        return Inserted.DUPLICATE
    row = _row_of(job)
    if row.state == BLOCKED:
        tables.dependents.come(job.id, job.edges, job.waits_for)
    tables.join(row, now_ms)
    return Inserted.CREATED


def _row_of(job: JobRecord) -> Row:
    keys = search_keys(job.details)
    new = NewJob(
        id=job.id,
        queue=job.queue,
        name=job.name,
        payload=job.payload,
        priority=job.priority,
        max_attempts=job.max_attempts,
        details=job.details,
        rules=job.rules,
        edges=job.edges,
        **keys._asdict(),
    )
    row = Row(new, CODES[job.state], 0, job.created_ms, job.updated_ms)
    row.run_ms = job.run_ms
    row.fence, row.failures, row.crashes, row.releases = job.fence, job.failures, job.crashes, job.releases
    row.session, row.started_ms, row.finished_ms = job.session, job.started_ms, job.finished_ms
    row.result = job.result
    extras = Extras(
        job.error_text, job.progress, job.progress_note, job.errors[-ERRORS_KEPT:], job.logs[-LOGS_KEPT:]
    )
    row.extras = None if extras == Extras() else extras
    return row
