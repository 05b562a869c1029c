"""This module changes jobs that somebody names by id, and says clearly why one cannot be changed."""

from collections.abc import Sequence

from longshore.core.errors import JobConflict, JobNotFound
from longshore.core.ids import JobId, format_id
from longshore.core.job import JobRecord
from longshore.core.states import LIVE, RETRIABLE, State
from longshore.engine.engine import Engine
from longshore.store.commands import Cancel, Changes, Delete, JobQuery, Retry, Update


async def read(engine: Engine, ids: Sequence[JobId]) -> list[JobRecord | None]:
    """The jobs in full, aligned with the ids; None where there is none."""
    [page] = await engine.store.scan([_named(*ids)])
    found = {record.id: record for record in page.jobs}
    return [found.get(job_id) for job_id in ids]


async def find(engine: Engine, job_id: JobId) -> JobRecord:
    """The job in full. Raises JobNotFound."""
    [record] = await read(engine, [job_id])
    if record is None:
        raise JobNotFound(format_id(job_id))
    return record


async def cancel(engine: Engine, job_id: JobId) -> bool:
    """Whether the job was cancelled, or its worker asked to stop it. Raises JobNotFound."""
    [changed] = await engine.change([Cancel(where=_named(job_id))])
    if changed.ids or changed.asked:
        return True
    await find(engine, job_id)
    return False


async def retry(engine: Engine, job_id: JobId) -> JobRecord:
    """The job as it is after it became pending. Raises JobNotFound, JobConflict."""
    [changed] = await engine.change([Retry(where=_named(job_id))])
    record = await find(engine, job_id)
    if not changed.ids:
        raise JobConflict(format_id(job_id), "retried", record.state, sorted(RETRIABLE))
    return record


async def delete(engine: Engine, job_id: JobId) -> bool:
    """Whether there was such a job. Raises JobConflict while it runs."""
    [changed] = await engine.change([Delete(where=_named(job_id))])
    if changed.ids:
        return True
    [record] = await read(engine, [job_id])
    if record is not None:
        raise JobConflict(format_id(job_id), "deleted", record.state, ["any state but running"])
    return False


async def update(engine: Engine, job_id: JobId, changes: Changes) -> JobRecord:
    """The job with new values. Raises JobNotFound, and JobConflict when it runs or is over."""
    [changed] = await engine.change([Update(where=_named(job_id), changes=changes)])
    record = await find(engine, job_id)
    if not changed.ids:
        waiting = sorted(LIVE - {State.RUNNING})
        raise JobConflict(format_id(job_id), "updated", record.state, waiting)
    return record


def _named(*ids: JobId) -> JobQuery:
    return JobQuery(ids=ids, limit=max(1, len(ids)), full=True)
