"""This module starts workflows and changes those that are there: cancel, another life for steps, more steps."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption
from longshore.core.ids import JobId, new_id
from longshore.core.job import Details, InWorkflow, JobRecord, NewJob
from longshore.core.reference import Reference
from longshore.core.states import TERMINAL
from longshore.core.workflow_errors import WorkflowConflict
from longshore.engine.engine import Engine
from longshore.manager import workflow_records as records
from longshore.manager.intake import insert
from longshore.manager.planning import is_news
from longshore.manager.runtime import Runtime
from longshore.manager.workflow_planning import Places, PlannedSteps, new_workflow_id, plan_steps, record_of
from longshore.store.commands import Cancel, Retry, by_ids
from longshore.workflows.laying import Laid, lay
from longshore.workflows.record import Entry, WorkflowRecord, edges_of
from longshore.workflows.restarting import MODES, Mode, forgotten, restart
from longshore.workflows.spec import Part, Workflow


class Started(msgspec.Struct, frozen=True):
    """A workflow that was started, or was there already."""

    record: WorkflowRecord
    jobs: list[NewJob]
    """Added now."""
    is_older: bool = False


async def start(
    runtime: Runtime,
    workflow: Workflow,
    *,
    durability: Durability | None = None,
    head: JobId | None = None,
) -> Started:
    """Stores a workflow with all its jobs. The record comes first: a crash in between leaves one without jobs, which
    the same call with the same id makes good. `head` is the job that the first step shall be. Raises InvalidWorkflow,
    WorkflowConflict, and what `add_job` raises."""
    steps = lay(workflow)
    await _hear_of_limits(runtime, steps)
    workflow_id = workflow.id or new_workflow_id()
    planned = plan_steps(
        runtime, workflow_id, steps, ids=None if head is None else {steps[0].waits.name: head}
    )
    record = record_of(workflow, workflow_id, planned, runtime.clock.now_ms())
    engine = await runtime.engines.here()
    older = await records.begin(engine, record)
    if older is not None:
        if older.print != record.print:
            raise WorkflowConflict(
                workflow_id,
                "is there already, with other steps or data; leave out id= for another run of its own, or give this "
                "one an id that no other has",
            )
        if await records.jobs_of(engine, [entry.job for entry in older.entries]):
            return Started(older, [], is_older=True)
        planned = plan_steps(
            runtime, workflow_id, steps, ids={entry.name: entry.job for entry in older.entries}
        )
        record = older
    await insert(runtime, planned.jobs, None, durability, together=True)
    return Started(record, planned.jobs)


async def cancel(engine: Engine, record: WorkflowRecord) -> int:
    """Cancels all that is not over, children before their parents; says how many."""
    ids = [entry.job for entry in reversed(record.entries)]
    replies = await engine.change([Cancel(where=where) for where in by_ids(ids)])
    return sum(len(changed.ids) + len(changed.asked) for changed in replies)


async def retry(engine: Engine, record: WorkflowRecord, mode: Mode) -> int:
    """Gives steps another life; says how many. Raises InvalidOption, and WorkflowConflict for "all" while some live and
    where a step would wait for one whose job is forgotten."""
    if mode not in MODES:
        raise InvalidOption("mode", mode, " or ".join(map(repr, MODES)))
    if mode == "all":
        return await _run_anew(engine, record)
    states = await records.states_of(engine, record)
    steps = [entry.waits for entry in record.entries]
    chosen = restart(steps, states, mode)
    if (found := forgotten(steps, states, chosen.rejoin)) is not None:
        step, parent = found
        raise WorkflowConflict(
            record.id,
            f"cannot go on: step '{step}' would wait for '{parent}', whose job is forgotten; start it again as a "
            "workflow of its own, or retry with mode 'failed' what needs nothing else",
        )
    jobs = {entry.name: entry.job for entry in record.entries}
    again = await _retry(engine, [jobs[name] for name in chosen.again])
    return again + await _retry(engine, [jobs[name] for name in chosen.rejoin], rejoin=True)


async def append(
    runtime: Runtime,
    workflow_id: str,
    parts: Sequence[Part],
    *,
    root: str | None = None,
    ids: "Ids | None" = None,
) -> list[NewJob]:
    """Adds steps to a workflow. Those that wait for nothing wait for `root`, where one is given. `ids` makes the jobs
    the same ones when the same attempt is run again; no parts are no change. Raises like `start`."""
    if all(isinstance(part, list | tuple) and not part for part in parts):
        return []
    engine = await runtime.engines.here()
    planned = PlannedSteps([], ())

    def with_more(record: WorkflowRecord) -> WorkflowRecord:
        nonlocal planned
        own = {entry.name for entry in record.entries if ids is not None and ids.is_own(entry)}
        there: Places = {
            entry.name: (entry.job, entry.queue) for entry in record.entries if entry.name not in own
        }
        steps = lay(Workflow(steps=parts, **_head(record)), known=there, root=root)
        planned = plan_steps(runtime, workflow_id, steps, ids=None if ids is None else ids.of, there=there)
        added = {entry.name for entry in planned.entries}
        kept = [entry for entry in record.entries if entry.name not in added]
        return msgspec.structs.replace(record, entries=(*kept, *planned.entries))

    await records.change(engine, workflow_id, with_more)
    await insert(runtime, planned.jobs, None, None, together=True)
    if ids is not None:
        ids.taken |= {entry.name for entry in planned.entries}
    return planned.jobs


class Ids:
    """The jobs that one running step appends: the same ones whichever attempt it is, so that none is there twice."""

    def __init__(self, job: JobId) -> None:
        self._job = job
        self.taken: set[str] = set()
        """Names that this attempt has given."""

    def of(self, name: str) -> JobId:
        """The job of the step of that name: as old as the one that appends it, and otherwise made of both."""
        digest = blake2b(self._job + name.encode(), digest_size=10).digest()
        version, variant = bytes([0x70 | digest[0] & 0x0F]), bytes([0x80 | digest[2] & 0x3F])
        return JobId(self._job[:6] + version + digest[1:2] + variant + digest[3:])

    def is_own(self, entry: Entry) -> bool:
        """Whether an earlier attempt has appended it, and this one has not."""
        return entry.name not in self.taken and entry.job == self.of(entry.name)


async def _hear_of_limits(runtime: Runtime, steps: Sequence[Laid]) -> None:
    if any(runtime.has_limits(queue) for queue in {laid.step.queue for laid in steps}):
        await is_news(runtime, None)


async def _retry(engine: Engine, ids: Sequence[JobId], *, rejoin: bool = False) -> int:
    replies = await engine.change([Retry(where=where, rejoin=rejoin) for where in by_ids(ids)])
    return sum(len(changed.ids) for changed in replies)


async def _run_anew(engine: Engine, record: WorkflowRecord) -> int:
    """Other jobs with the same data; those of the run before stay until their time is over."""
    jobs = await records.jobs_of(engine, [entry.job for entry in record.entries])
    gone = [entry.name for entry in record.entries if entry.job not in jobs]
    if gone:
        raise WorkflowConflict(record.id, f"cannot be run anew: the job of step '{gone[0]}' is forgotten")
    alive = [entry.name for entry in record.entries if jobs[entry.job].state not in TERMINAL]
    if alive:
        raise WorkflowConflict(
            record.id, f"cannot be run anew: step '{alive[0]}' is not over; cancel it first, or let it end"
        )
    entries = tuple(msgspec.structs.replace(entry, job=new_id()) for entry in record.entries)
    places = {entry.name: (entry.job, entry.queue) for entry in entries}
    new = [
        _again(jobs[before.job], after, places) for before, after in zip(record.entries, entries, strict=True)
    ]

    def next_run(now: WorkflowRecord) -> WorkflowRecord:
        if now.run != record.run:
            raise WorkflowConflict(record.id, "was run anew by somebody else just now")
        return msgspec.structs.replace(now, entries=entries, run=now.run + 1)

    await records.change(engine, record.id, next_run)
    await engine.add(new, together=True)
    return len(new)


def _again(job: JobRecord, entry: Entry, places: Places) -> NewJob:
    details = Details() if job.details is None else msgspec.json.decode(job.details, type=Details)
    return NewJob(
        id=entry.job,
        queue=job.queue,
        name=job.name,
        payload=job.payload,
        priority=job.priority,
        max_attempts=job.max_attempts,
        details=job.details,
        tags=details.tags,
        reference=None if details.reference is None else Reference(*details.reference).key,
        correlation_id=details.correlation_id,
        rules=job.rules,
        edges=edges_of(entry.waits, places),
    )


def _head(record: WorkflowRecord) -> dict[str, Any]:
    return {"metadata": record.metadata, "correlation_id": record.correlation_id, "tags": record.tags}


def place_of(job: JobRecord) -> InWorkflow | None:
    """Where a job stands in a workflow; None: it is not part of one."""
    return None if job.details is None else msgspec.json.decode(job.details, type=Details).workflow
