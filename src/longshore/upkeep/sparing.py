"""This module prunes where there are workflows: jobs of those that are not over are spared, for others may still ask
for their results; and a workflow is forgotten with the last of its jobs.

Only stores that have or had workflows pay for it: there a sweep looks at what it forgets.
"""

from collections.abc import Collection, Sequence

import msgspec

from longshore.core.job import Details, JobRecord
from longshore.core.states import LIVE, State
from longshore.store.commands import Delete, JobQuery, Put, RecordAsk, by_ids
from longshore.store.contract import Store
from longshore.workflows.record import KIND, MARK, MARK_KEY, WorkflowRecord, unpack

PAGES = 10
"""Of jobs that one edit looks at in a sweep, at most: those that are spared must not hold up the others."""
ALIVE: tuple[State, ...] = tuple(sorted(LIVE))
_read_details = msgspec.json.Decoder(Details).decode


async def has_workflows(store: Store) -> bool:
    """Whether the store has or had any."""
    [found] = await store.get([RecordAsk(MARK, (MARK_KEY,))])
    return bool(found)


async def prune(store: Store, edits: Sequence[Delete]) -> bool:
    """Does these edits, but for jobs of workflows that are not over; whether there is more to do."""
    return any([await _prune(store, edit.where) for edit in edits])


async def _prune(store: Store, query: JobQuery) -> bool:
    cursor: str | None = None
    forgotten = 0
    for _ in range(PAGES):
        [page] = await store.scan([msgspec.structs.replace(query, cursor=cursor)])
        forgotten += await _forget(store, page.jobs, query)
        cursor = page.cursor
        if cursor is None:
            return False
    return forgotten > 0  # where all are spared, the next look is that of the next sweep


async def _forget(store: Store, jobs: Sequence[JobRecord], query: JobQuery) -> int:
    """Forgets those that are not spared; says how many."""
    of = {job.id: workflow_of(job) for job in jobs}
    records = await _records(store, {each for each in of.values() if each is not None})
    spared = await _with_jobs(store, records, ALIVE)
    doomed = tuple(job_id for job_id, workflow in of.items() if workflow not in spared)
    if not doomed:
        return 0
    await store.change([Delete(where=JobQuery(ids=doomed, states=query.states, limit=len(doomed)))])
    over = [record for record in records if record.id not in spared]
    left = await _with_jobs(store, over, None)
    puts = [Put(kind=KIND, key=record.id, value=None) for record in over if record.id not in left]
    if puts:
        await store.put(puts)
    return len(doomed)


async def _records(store: Store, ids: Collection[str]) -> list[WorkflowRecord]:
    if not ids:
        return []
    [found] = await store.get([RecordAsk(KIND, tuple(ids))])
    return [unpack(record.value) for record in found]


async def _with_jobs(
    store: Store, records: Sequence[WorkflowRecord], states: tuple[State, ...] | None
) -> set[str]:
    """Those that have a job in one of the states."""
    asked = [
        (record.id, msgspec.structs.replace(query, limit=1))
        for record in records
        for query in by_ids((entry.job for entry in record.entries), states=states)
    ]
    pages = await store.scan([query for _, query in asked])
    return {workflow for (workflow, _), page in zip(asked, pages, strict=True) if page.jobs}


def workflow_of(job: JobRecord) -> str | None:
    """The workflow that the job is part of."""
    if job.details is None or b'"workflow":' not in job.details:
        return None
    place = _read_details(job.details).workflow
    return None if place is None else place.id
