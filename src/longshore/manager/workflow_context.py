"""This module is what a step of a workflow sees of the others: results of those before it, and how it adds more.

Nothing is read until it is asked for: a step that needs no other's result costs what any job costs.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from longshore.core.errors import UsageError
from longshore.core.job import InWorkflow, JobRecord
from longshore.core.states import State
from longshore.core.task_signals import Snooze
from longshore.core.workflow_errors import UnknownPredicate, UnknownStep, WorkflowConflict
from longshore.manager import workflow_records as records
from longshore.manager.job import AnyJob
from longshore.manager.runtime import Runtime
from longshore.manager.workflow_actions import Ids, append, place_of
from longshore.workflows import conditions
from longshore.workflows.spec import Part

T = TypeVar("T")

UNKNOWN_SECONDS = 5.0
"""How long a step waits for a worker that knows its predicate."""


class Lazy(Generic[T]):
    """Something that is read when it is awaited: `await ctx.previous`."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._ask = ask

    def __await__(self) -> Generator[Any, Any, T]:
        return self._ask().__await__()


class Results(Lazy[dict[str, Any]]):
    """The results of a workflow: `await ctx.results` gives all by step, `await ctx.results["fetch"]` one."""

    __slots__ = ("_of",)

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
        of: Callable[[str], Coroutine[Any, Any, Any]],
    ) -> None:
        super().__init__(ask)
        self._of = of

    def __getitem__(self, step: str) -> Lazy[Any]:
        """The result of one step. When awaited raises UnknownStep, and WorkflowConflict where it has none."""
        return Lazy(lambda: self._of(step))


class WorkflowContext:
    """The workflow around one running job."""

    __slots__ = ("_ids", "_record", "_runtime")

    def __init__(self, runtime: Runtime, record: JobRecord) -> None:
        self._runtime = runtime
        self._record = record
        self._ids = Ids(record.id)

    async def parents(self) -> list[AnyJob]:
        """The jobs that this one waited for, in their order; those that are forgotten are left out."""
        engine = await self._runtime.engines.here()
        own = (await records.jobs_of(engine, [self._record.id])).get(self._record.id)
        edges = None if own is None else own.edges
        if edges is None:
            return []
        ids = [edge.parent for edge in edges.parents]
        found = await records.jobs_of(engine, ids)
        return [AnyJob(self._runtime, found[job_id]) for job_id in ids if job_id in found]

    async def previous(self) -> Any:
        """What the step before returned; where there are several, or a list was written, a list in their order, with
        None for one that did not complete."""
        place = place_of(self._record)
        values = [job.value if job.state is State.COMPLETED else None for job in await self.parents()]
        if place is not None and place.gathers:
            return values
        return values[0] if len(values) == 1 else values or None

    async def results(self) -> dict[str, Any]:
        """What the steps returned that have completed, by name."""
        record = await records.find(await self._runtime.engines.here(), self._place("results").id)
        engine = await self._runtime.engines.here()
        jobs = await records.jobs_of(engine, [entry.job for entry in record.entries])
        return {
            entry.name: AnyJob(self._runtime, job).value
            for entry in record.entries
            if (job := jobs.get(entry.job)) is not None and job.state is State.COMPLETED
        }

    async def result_of(self, step: str) -> Any:
        """What one step returned. Raises UnknownStep and WorkflowConflict."""
        place = self._place("results")
        engine = await self._runtime.engines.here()
        record = await records.find(engine, place.id)
        entry = record.entry(step)
        if entry is None:
            raise UnknownStep(place.step, step, (each.name for each in record.entries))
        job = (await records.jobs_of(engine, [entry.job])).get(entry.job)
        if job is None or job.state is not State.COMPLETED:
            stands = "forgotten" if job is None else job.state.value
            raise WorkflowConflict(place.id, f"has no result of step '{step}': it is {stands}")
        return AnyJob(self._runtime, job).value

    async def append(self, parts: tuple[Part, ...]) -> list[AnyJob]:
        """Adds steps that wait for this one, unless they wait for others."""
        place = self._place("append")
        added = await append(self._runtime, place.id, parts, root=place.step, ids=self._ids)
        return [AnyJob(self._runtime, new) for new in added]

    async def holds(self, when: str, context: object) -> bool:
        """Whether a condition is true. Raises Snooze where it is a predicate that is not known here."""
        if not conditions.is_name(when):
            return await self._is_true(when)
        predicate = self._runtime.predicates.get(when)
        if predicate is None:
            raise Snooze(UNKNOWN_SECONDS) from UnknownPredicate(when, self._runtime.predicates)
        values = (await self.previous(), context)[: max(1, len(inspect.signature(predicate).parameters))]
        answer = predicate(*values)
        return bool(await answer if isinstance(answer, Awaitable) else answer)

    async def _is_true(self, when: str) -> bool:
        wanted = conditions.names_in(when)
        job = AnyJob(self._runtime, self._record)
        names: dict[str, Any] = {"data": job.data, "metadata": job.metadata}
        if "previous" in wanted:
            names["previous"] = await self.previous()
        if "results" in wanted:
            names["results"] = await self.results()
        return conditions.holds(when, names)

    def _place(self, asked: str) -> InWorkflow:
        place = place_of(self._record)
        if place is None:
            raise UsageError(
                f"ctx.{asked} is for steps of a workflow, and this job is none: add it with execute_workflow or "
                "chain_to."
            )
        return place
