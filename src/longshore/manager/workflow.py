"""This module is the handle on one workflow: its steps as they were last read, and what can be asked of it."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from longshore.core.ids import JobId, format_id
from longshore.core.job import JobRecord
from longshore.core.retry import Seconds
from longshore.core.states import TERMINAL, State
from longshore.core.workflow_errors import UnknownStep, WorkflowCancelled, WorkflowFailed
from longshore.manager import workflow_actions
from longshore.manager import workflow_records as records
from longshore.manager.blocking import blocking
from longshore.manager.job import AnyJob
from longshore.manager.option_parsing import duration
from longshore.manager.portal import Portal
from longshore.manager.runtime import Runtime
from longshore.workflows.drawing import Shown, after_plain, mermaid
from longshore.workflows.graph import last
from longshore.workflows.record import Entry, Status, WorkflowRecord, status_of
from longshore.workflows.restarting import Mode
from longshore.workflows.spec import Part


class WorkflowRun:
    """One run of a workflow. Its attributes are what was last read; `refresh` reads again."""

    def __init__(
        self,
        runtime: Runtime,
        record: WorkflowRecord,
        jobs: Mapping[str, AnyJob],
        *,
        conflict: bool = False,
    ) -> None:
        self._runtime = runtime
        self._record = record
        self._jobs = dict(jobs)
        self.conflict: bool = conflict
        """Whether the same workflow was there already when it was started once more, and this is that one."""

    def __repr__(self) -> str:
        return f"<WorkflowRun {self.name or self.id} {self.status}: {len(self._record.entries)} steps>"

    @property
    def portal(self) -> Portal:
        """Where the blocking twins run."""
        return self._runtime.portal

    @property
    def record(self) -> WorkflowRecord:
        """What is kept of it beside its jobs."""
        return self._record

    @property
    def id(self) -> str:
        """The caller's own, or a UUIDv7."""
        return self._record.id

    @property
    def name(self) -> str | None:
        """For people."""
        return self._record.name

    @property
    def metadata(self) -> dict[str, Any]:
        return self._record.metadata

    @property
    def correlation_id(self) -> str | None:
        return self._record.correlation_id

    @property
    def tags(self) -> tuple[str, ...]:
        return self._record.tags

    @property
    def created_at(self) -> datetime:
        """When it was started."""
        return datetime.fromtimestamp(self._record.created_ms / 1000, UTC)

    @property
    def steps(self) -> dict[str, AnyJob]:
        """The job of each step by name, parents before their children; those that are forgotten are left out."""
        return {
            entry.name: self._jobs[entry.name] for entry in self._record.entries if entry.name in self._jobs
        }

    @property
    def states(self) -> dict[str, State | None]:
        """How each step stands; None: its job is not there."""
        return {entry.name: self._state(entry) for entry in self._record.entries}

    @property
    def counts(self) -> dict[State, int]:
        """How many steps are in which state."""
        return dict(Counter(job.state for job in self._jobs.values()))

    @property
    def status(self) -> Status:
        """How it stands as a whole: running, completed, failed, cancelled, or absent."""
        return status_of(self.states.values())

    @property
    def is_over(self) -> bool:
        """Whether no step is to come any more."""
        return self.status is not Status.RUNNING

    async def refresh(self) -> None:
        """Reads it again. Raises WorkflowNotFound."""
        engine = await self._runtime.engines.here()
        self._record = await records.find(engine, self.id)
        await self._read()

    async def result(self, timeout: Seconds | None = None) -> Any:  # noqa: ASYNC109 - a promise of the API
        """Waits until all steps are over, and gives what the last one returned; where several are last, an object of
        their results by step.

        Raises WorkflowFailed for the first step that failed, WorkflowCancelled, JobNotFound where a job is gone, and
        TimeoutError after `timeout` seconds; the workflow goes on then.
        """
        await self.wait(timeout)
        self._refuse_ended_badly()
        ends = last([entry.waits for entry in self._record.entries])
        results = {name: self._jobs[name].value for name in ends if name in self._jobs}
        return next(iter(results.values())) if len(ends) == 1 and results else results

    async def results(self) -> dict[str, Any]:
        """What the steps returned that have completed, by name, as of now."""
        await self.refresh()
        return {name: job.value for name, job in self.steps.items() if job.state is State.COMPLETED}

    async def wait(self, timeout: Seconds | None = None) -> None:  # noqa: ASYNC109 - a promise of the API
        """Waits until all steps are over, however they end. Raises JobNotFound and TimeoutError."""
        limit = duration(timeout)
        waiter = (await self._runtime.engines.services()).waiter
        try:
            async with asyncio.timeout(limit):
                await self.refresh()
                while waiting := self._last_alive():
                    await waiter.wait(waiting.key)
                    await self.refresh()
        except TimeoutError:
            raise TimeoutError(f"Workflow '{self.id}' has not ended after {limit:g} s.") from None

    def job(self, step: str) -> AnyJob:
        """The job of a step. Raises UnknownStep."""
        found = self._jobs.get(step)
        if found is None:
            raise UnknownStep(self.name or self.id, step, self._jobs)
        return found

    async def cancel(self) -> int:
        """Cancels all that is not over; says how many steps. No path of failure is taken, and what runs is asked to
        stop."""
        engine = await self._runtime.engines.here()
        count = await workflow_actions.cancel(engine, await records.find(engine, self.id))
        await self.refresh()
        return count

    async def retry(self, mode: Mode = "failed_and_downstream") -> int:
        """Gives steps another life; says how many: "failed" those that failed, "failed_and_downstream" those that
        failed or were cancelled with all that waits for them, "all" a new run of the whole. Raises WorkflowConflict
        and InvalidOption."""
        engine = await self._runtime.engines.here()
        count = await workflow_actions.retry(engine, await records.find(engine, self.id), mode)
        await self.refresh()
        return count

    async def append(self, *parts: Part) -> list[AnyJob]:
        """Adds steps; `after=` may name those that are there. Raises like `execute_workflow`."""
        added = await workflow_actions.append(self._runtime, self.id, parts)
        await self.refresh()
        return [AnyJob(self._runtime, new) for new in added]

    def to_mermaid(self) -> str:
        """A Mermaid flowchart, coloured by how the steps stand."""
        return mermaid(
            Shown(each.name, each.queue, each.task, each.links, each.join, each.when, self._state(each))
            for each in self._record.entries
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data: how it stands, and its steps with their jobs."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status.value,
            "created_at": self.created_at.isoformat(),
            "metadata": self.metadata,
            "correlation_id": self.correlation_id,
            "tags": list(self.tags),
            "run": self._record.run,
            "counts": {state.value: count for state, count in self.counts.items()},
            "steps": [self._plain(entry) for entry in self._record.entries],
        }

    refresh_sync: Final = blocking(refresh)
    result_sync: Final = blocking(result)
    results_sync: Final = blocking(results)
    wait_sync: Final = blocking(wait)
    cancel_sync: Final = blocking(cancel)
    retry_sync: Final = blocking(retry)
    append_sync: Final = blocking(append)

    async def _read(self) -> None:
        engine = await self._runtime.engines.here()
        found = await records.jobs_of(engine, [entry.job for entry in self._record.entries])
        self._jobs = shown_jobs(self._runtime, self._record, found)

    def _state(self, entry: Entry) -> State | None:
        job = self._jobs.get(entry.name)
        return None if job is None else job.state

    def _last_alive(self) -> AnyJob | None:
        alive = (job for job in reversed(self.steps.values()) if job.state not in TERMINAL)
        return next(alive, None)

    def _refuse_ended_badly(self) -> None:
        for name, job in self.steps.items():
            if job.state is State.FAILED:
                raise WorkflowFailed(self.id, name, job.error_message or "no reason was kept")
        for name, job in self.steps.items():
            if job.state is State.CANCELLED:
                raise WorkflowCancelled(self.id, name)

    def _plain(self, entry: Entry) -> dict[str, Any]:
        job = self._jobs.get(entry.name)
        return {
            "id": entry.name,
            "job": format_id(entry.job),
            "queue": entry.queue,
            "name": entry.task,
            "after": after_plain(entry.links),
            "join": entry.join.name.lower(),
            "when": entry.when,
            "state": None if job is None else job.state.value,
            "error": None if job is None else job.error_message,
        }


def shown_jobs(
    runtime: Runtime, record: WorkflowRecord, jobs: Mapping[JobId, JobRecord]
) -> dict[str, AnyJob]:
    """The handles of the jobs that are there, by step."""
    return {entry.name: AnyJob(runtime, jobs[entry.job]) for entry in record.entries if entry.job in jobs}
