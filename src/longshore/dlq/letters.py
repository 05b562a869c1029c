"""This module holds the dead letters of a store: jobs in the state "failed", to be looked at, requeued or discarded.

A dead letter is a job that stays where it is; requeuing gives the same job a new life in its own queue. How often that
was done is counted in a small record of its own, because the job's counters begin anew with each life.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from longshore.core.ids import JobId, format_id
from longshore.core.job import AttemptFailure, Details, JobRecord
from longshore.core.payload import decode
from longshore.core.reference import Reference
from longshore.core.states import State
from longshore.store.commands import Delete, JobQuery, Put, RecordAsk, Retry
from longshore.store.contract import Store

REQUEUES = "requeues"
"""The kind of record whose version says how often the job that is its key was requeued."""
COUNT_KEPT_MS = 90 * 24 * 3600 * 1000
"""After so long without a requeue, the count begins anew."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A job that failed for good, with all that is known of it."""

    id: str
    queue: str
    name: str
    data: Any
    """As plain values; the text of it where it is no JSON."""
    metadata: dict[str, Any]
    context: dict[str, Any]
    """What was bound where the job was added."""
    tags: tuple[str, ...]
    reference: Reference | None
    correlation_id: str | None
    error_message: str | None
    """The last error in a line."""
    errors: tuple[AttemptFailure, ...]
    """Every error with its traceback, oldest first."""
    failures: int
    crashes: int
    requeues: int
    """How often it was given another life."""
    created_at: datetime
    failed_at: datetime


class DeadLetterQueue:
    """The dead letters of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, query: JobQuery) -> tuple[list[DeadLetter], str | None]:
        """A page of letters, and where the next one begins."""
        where = msgspec.structs.replace(query, states=(State.FAILED,), full=True)
        [page] = await self._store.scan([where])
        requeues = await self.requeues([job.id for job in page.jobs])
        return [_letter(job, requeues.get(job.id, 0)) for job in page.jobs], page.cursor

    async def requeue(self, ids: Sequence[JobId]) -> list[JobId]:
        """Gives letters another life, each in its own queue; says which."""
        if not ids:
            return []
        where = JobQuery(ids=tuple(ids), states=(State.FAILED,), limit=len(ids))
        await self._count(await self._dead(where))
        [changed] = await self._store.change([Retry(where=where)])
        return list(changed.ids)

    async def discard(self, ids: Sequence[JobId]) -> list[JobId]:
        """Forgets letters; says which."""
        if not ids:
            return []
        where = JobQuery(ids=tuple(ids), states=(State.FAILED,), limit=len(ids))
        [changed] = await self._store.change([Delete(where=where)])
        await self._store.put(
            [Put(kind=REQUEUES, key=format_id(job_id), value=None) for job_id in changed.ids]
        )
        return list(changed.ids)

    async def requeues(self, ids: Sequence[JobId]) -> dict[JobId, int]:
        """How often each was requeued; those that never were are left out."""
        if not ids:
            return {}
        keys = {format_id(job_id): job_id for job_id in ids}
        [records] = await self._store.get([RecordAsk(REQUEUES, tuple(keys))])
        return {keys[record.key]: record.version for record in records}

    async def _dead(self, where: JobQuery) -> list[JobId]:
        [page] = await self._store.scan([where])
        return [job.id for job in page.jobs]

    async def _count(self, ids: Sequence[JobId]) -> None:
        """Counts before the deed: after a crash in between, a life too few was given and none too many."""
        await self._store.put(
            [Put(kind=REQUEUES, key=format_id(job_id), value=b"{}", ttl_ms=COUNT_KEPT_MS) for job_id in ids]
        )


def _letter(job: JobRecord, requeues: int) -> DeadLetter:
    details = Details() if job.details is None else msgspec.json.decode(job.details, type=Details)
    return DeadLetter(
        id=format_id(job.id),
        queue=job.queue,
        name=job.name,
        data=_data(job.payload),
        metadata=details.metadata,
        context=details.context,
        tags=details.tags,
        reference=None if details.reference is None else Reference(*details.reference),
        correlation_id=details.correlation_id,
        error_message=job.error_text,
        errors=tuple(msgspec.json.decode(error, type=AttemptFailure) for error in job.errors),
        failures=job.failures,
        crashes=job.crashes,
        requeues=requeues,
        created_at=_time(job.created_ms),
        failed_at=_time(job.finished_ms or job.updated_ms),
    )


def _data(payload: bytes) -> Any:
    try:
        return decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):  # which may be why it is here
        return payload.decode("utf-8", "backslashreplace")


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
