"""This module is what a task sees of its own job while it runs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.retry import Seconds
from longshore.core.states import State
from longshore.manager.completing import complete
from longshore.manager.desk import Desk
from longshore.manager.durable import Durable
from longshore.manager.intake import on_the_spot
from longshore.manager.job import AnyJob
from longshore.manager.lock import LOCK_SECONDS, Lock
from longshore.manager.locks import held_in_thread
from longshore.manager.providing import pick_provider
from longshore.manager.workflow_context import Lazy, Results, WorkflowContext
from longshore.store.commands import Note
from longshore.worker.control import Control
from longshore.workflows.spec import Part


class JobContext(Durable):
    """Handed to a task's parameter of this type. Its async methods have twins with `_sync` for tasks in threads."""

    __slots__ = ("_desk", "_job", "_workflow_context")

    def __init__(self, desk: Desk, control: Control) -> None:
        super().__init__(desk.runtime, control)
        self._desk = desk
        self._job: AnyJob | None = None
        self._workflow_context: WorkflowContext | None = None

    @property
    def job(self) -> AnyJob:
        """The job that runs, as it was claimed."""
        if self._job is None:
            self._job = AnyJob(self._desk.runtime, self._control.record)
        return self._job

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._control.record.attempt

    @property
    def manager(self) -> Desk:
        """The manager of this worker: for adding further jobs by name."""
        return self._desk

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants this attempt stopped: by a cancel, its time-out or a shutdown. A task in a thread
        looks at this from time to time; a coroutine is cancelled anyway."""
        return self._control.cancelled or self._control.timed_out

    async def complete_in(self, connection: object, *, result: Any = None) -> None:
        """Completes the job in a transaction of the task's own: the job is completed, with this result, when that is
        committed, and not at all when it is not. Best as the last step before the commit.

        `connection` is what `options(connection=…)` takes. A task that returns without a commit has failed
        (NotCommitted); one that raises after the commit has completed all the same; what it returns is not kept.
        Raises ClaimLost when the job is not this attempt's any more: let it roll the transaction back. Also raises
        ResultNotEncodable, UnusableConnection, and what the connection's driver raises.
        """
        await complete(self._desk.runtime, self._control, connection, result)

    def complete_in_sync(self, connection: object, *, result: Any = None) -> None:
        """`complete_in` for tasks in threads, with a connection that blocks."""
        on_the_spot(self.complete_in(connection, result=result))

    def lock(self, key: str, *, ttl: Seconds = LOCK_SECONDS, timeout: Seconds | None = None) -> Lock:
        """`QueueManager.lock`, which is also free as soon as this worker's session is over."""
        session = self._control.record.session
        return Lock(self._desk.runtime, key, ttl=ttl, timeout=timeout, session=session)

    def lock_sync(
        self, key: str, *, ttl: Seconds = LOCK_SECONDS, timeout: Seconds | None = None
    ) -> AbstractContextManager[Lock]:
        """`lock` for tasks in threads and processes."""
        return held_in_thread(self._desk.portal, self.lock(key, ttl=ttl, timeout=timeout))

    async def provider(self, candidates: Sequence[str]) -> str:
        """The first of these providers that nobody has parked; the attempt depends on it from now on.

        When it wants to be asked later (a 429 or 503 with Retry-After that the task lets through, or `RateLimited`), it
        is parked for all, and this job runs again with the next one, at once, at the cost of no attempt. Raises
        RateLimited when all are parked: let it through, and the job waits for the first that is free again.
        """
        return await pick_provider(self._desk.runtime, self._control, candidates)

    def provider_sync(self, candidates: Sequence[str]) -> str:
        """`provider` for tasks in threads."""
        return self._desk.runtime.portal.call(self.provider(candidates))

    @property
    def previous(self) -> Lazy[Any]:
        """`await ctx.previous`: what the step before returned. After several, and after a list, a group or a chord's
        first part however many stand in it, a list of their results in their order, with None for one that did not
        complete. None: it waited for no other."""
        return Lazy(self._workflow().previous)

    @property
    def results(self) -> Results:
        """`await ctx.results`: what the steps of the workflow returned that have completed, by name;
        `await ctx.results["fetch"]`: of one, which raises UnknownStep, and WorkflowConflict where it has none."""
        workflow = self._workflow()
        return Results(workflow.results, workflow.result_of)

    @property
    def parents(self) -> Lazy[list[AnyJob]]:
        """`await ctx.parents`: the jobs that this one waited for, in their order, however they ended."""
        return Lazy(self._workflow().parents)

    async def append(self, *parts: Part) -> list[AnyJob]:
        """Adds steps to the workflow from inside: they run when this step has succeeded, unless `after=` says
        otherwise. An attempt that is run again adds none twice. Raises like `execute_workflow`."""
        return await self._workflow().append(parts)

    def previous_sync(self) -> Any:
        """`previous` for tasks in threads and processes."""
        return self._desk.portal.call(self._workflow().previous())

    def results_sync(self) -> dict[str, Any]:
        """`results` for tasks in threads and processes."""
        return self._desk.portal.call(self._workflow().results())

    def append_sync(self, *parts: Part) -> list[AnyJob]:
        """`append` for tasks in threads and processes."""
        return self._desk.portal.call(self.append(*parts))

    async def is_wanted(self, when: str) -> bool:
        """Asked by the worker before it runs a step: whether its condition holds."""
        return await self._workflow().holds(when, self)

    def _workflow(self) -> WorkflowContext:
        if self._workflow_context is None:
            self._workflow_context = WorkflowContext(self._desk.runtime, self._control.record)
        return self._workflow_context

    async def progress(self, value: float, note: str = "") -> None:
        """How far the attempt is, from 0 to 1. Does not wait for the store."""
        await self._control.progress(value, note)

    async def log(self, text: str) -> None:
        """A line for the job's log; the newest 200 are kept. Does not wait for the store."""
        await self._control.log(text)

    def progress_sync(self, value: float, note: str = "") -> None:
        """`progress` for tasks in threads."""
        self._control.progress_sync(value, note)

    def log_sync(self, text: str) -> None:
        """`log` for tasks in threads."""
        self._control.log_sync(text)


class NoScribe:
    """For a task that is called in place: nobody keeps what it says."""

    def progress(self, job: JobRecord, value: float, note: str) -> None:
        """Says it to nobody."""

    def log(self, job: JobRecord, text: str) -> None:
        """Says it to nobody."""

    def picked(self, job: JobRecord, provider: str, candidates: tuple[str, ...]) -> None:
        """Says it to nobody."""

    def completing(self, job: JobRecord, result: bytes | None) -> list[Note]:  # noqa: ARG002 - the scribe's
        """Says it to nobody."""
        return []


def context_in_place(desk: Desk, queue: str, name: str, payload: bytes) -> JobContext:
    """The context of a plain call: a job that is in no store."""
    now_ms = desk.runtime.clock.now_ms()
    record = JobRecord(
        id=new_id(),
        queue=queue,
        name=name,
        payload=payload,
        state=State.RUNNING,
        priority=0,
        fence=1,
        created_ms=now_ms,
        started_ms=now_ms,
        updated_ms=now_ms,
    )
    return JobContext(desk, Control(record, NoScribe()))
