"""This module reads and writes what is kept of workflows: their records, and the jobs of their steps."""

from collections.abc import Callable, Iterable, Sequence

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.core.workflow_errors import WorkflowConflict, WorkflowNotFound
from longshore.engine.engine import Engine
from longshore.store.commands import Put, RecordAsk, by_ids
from longshore.workflows.record import (
    KIND,
    MARK,
    MARK_KEY,
    Status,
    WorkflowRecord,
    pack,
    status_of,
    unpack,
)

TRIES = 20
"""Of a change that others' changes come before."""


async def find(engine: Engine, workflow_id: str) -> WorkflowRecord:
    """What is kept of a workflow. Raises WorkflowNotFound."""
    found = await look(engine, workflow_id)
    if found is None:
        raise WorkflowNotFound(workflow_id)
    return found[0]


async def look(engine: Engine, workflow_id: str) -> tuple[WorkflowRecord, int] | None:
    """What is kept of a workflow, and its version."""
    [records] = await engine.store.get([RecordAsk(KIND, (workflow_id,))])
    return (unpack(records[0].value), records[0].version) if records else None


async def all_of(engine: Engine) -> list[WorkflowRecord]:
    """All that are kept, newest first."""
    [records] = await engine.store.get([RecordAsk(KIND)])
    return sorted((unpack(record.value) for record in records), key=lambda each: -each.created_ms)


async def begin(engine: Engine, record: WorkflowRecord) -> WorkflowRecord | None:
    """Keeps a new workflow; the older one where there is one of its id."""
    mark = Put(kind=MARK, key=MARK_KEY, value=b"1")
    put = Put(kind=KIND, key=record.id, value=pack(record), expect=0)
    _, stored = await engine.store.put([mark, put])
    if stored.stored or stored.record is None:
        return None
    return unpack(stored.record.value)


async def change(
    engine: Engine, workflow_id: str, changed: Callable[[WorkflowRecord], WorkflowRecord]
) -> WorkflowRecord:
    """Changes what is kept, whoever else does so at the same time. Raises WorkflowNotFound, and WorkflowConflict where
    others are quicker again and again."""
    for _ in range(TRIES):
        found = await look(engine, workflow_id)
        if found is None:
            raise WorkflowNotFound(workflow_id)
        record = changed(found[0])
        put = Put(kind=KIND, key=workflow_id, value=pack(record), expect=found[1])
        [stored] = await engine.store.put([put])
        if stored.stored:
            return record
    raise WorkflowConflict(workflow_id, "is changed by others all the time; try again")


async def forget(engine: Engine, ids: Sequence[str]) -> None:
    """Forgets workflows whose jobs are gone."""
    if ids:
        await engine.store.put([Put(kind=KIND, key=workflow_id, value=None) for workflow_id in ids])


async def jobs_of(engine: Engine, ids: Iterable[JobId], *, full: bool = False) -> dict[JobId, JobRecord]:
    """The jobs that are there."""
    pages = await engine.store.scan(by_ids(ids, full=full))
    return {job.id: job for page in pages for job in page.jobs}


async def states_of(engine: Engine, record: WorkflowRecord) -> dict[str, State | None]:
    """How each step stands; None: its job is not there."""
    jobs = await jobs_of(engine, [entry.job for entry in record.entries])
    return {
        entry.name: None if (job := jobs.get(entry.job)) is None else job.state for entry in record.entries
    }


async def status(engine: Engine, record: WorkflowRecord) -> Status:
    """How it stands as a whole."""
    return status_of((await states_of(engine, record)).values())
