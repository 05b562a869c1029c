"""This module makes jobs of a workflow: each step is planned like any job that is added by name, and gets its edges.

All are checked before the first is stored. The order is that of the steps: parents before their children.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from longshore.core.errors import InvalidOption
from longshore.core.ids import JobId, format_id, new_id
from longshore.core.job import InWorkflow, NewJob
from longshore.core.names import check_tags
from longshore.core.rules import Rules
from longshore.core.workflow_errors import InvalidWorkflow, UnknownPredicate, UnknownStep
from longshore.engine.plan import Plan
from longshore.manager.planning import plan
from longshore.manager.runtime import Runtime
from longshore.workflows import conditions
from longshore.workflows.laying import Inherited, Laid
from longshore.workflows.record import Entry, WorkflowRecord, edges_of, fingerprint
from longshore.workflows.spec import Step, Workflow

Places = Mapping[str, tuple[JobId, str]]
"""The job and the queue of each step by name."""


class PlannedSteps(msgspec.Struct, frozen=True):
    """A workflow as it is stored: its jobs, and what is kept beside them."""

    jobs: list[NewJob]
    entries: tuple[Entry, ...]


def plan_steps(
    runtime: Runtime,
    workflow_id: str,
    steps: Sequence[Laid],
    *,
    ids: Mapping[str, JobId] | Callable[[str], JobId] | None = None,
    there: Places | None = None,
) -> PlannedSteps:
    """Jobs for the steps. `ids` says which job a step shall be, where that is known; `there` has the steps that are
    there already. Raises InvalidWorkflow, UnknownPredicate, and for each step what `add_job` raises."""
    _refuse_two_tiers(runtime, [laid.step.queue for laid in steps], there or {})
    planner = _Planner(runtime, workflow_id)
    places = dict(there or {})
    names = {*places, *(laid.waits.name for laid in steps)}
    jobs, entries = [], []
    for laid in steps:
        name, step = laid.waits.name, laid.step
        when = condition_of(runtime, name, step.when)
        _refuse_unknown_results(name, when, names)
        new = planner.job(laid, when)
        known = ids(name) if callable(ids) else (ids or {}).get(name)
        job_id = known or new.id
        places[name] = job_id, step.queue
        jobs.append(msgspec.structs.replace(new, id=job_id, edges=edges_of(laid.waits, places)))
        entries.append(Entry(name, job_id, step.queue, step.name, laid.waits.links, laid.waits.join, when))
    return PlannedSteps(jobs, tuple(entries))


def record_of(workflow: Workflow, workflow_id: str, planned: PlannedSteps, now_ms: int) -> WorkflowRecord:
    """What is kept of a workflow that starts now."""
    return WorkflowRecord(
        id=workflow_id,
        created_ms=now_ms,
        entries=planned.entries,
        name=workflow.name,
        metadata=workflow.metadata,
        correlation_id=workflow.correlation_id,
        tags=workflow.tags,
        print=fingerprint(
            part
            for job, entry in zip(planned.jobs, planned.entries, strict=True)
            for part in (entry.name.encode(), entry.queue.encode(), entry.task.encode(), job.payload)
        ),
    )


def condition_of(runtime: Runtime, step: str, when: Any) -> str | None:
    """A step's condition as text: an expression, or the name under which a function is registered. Raises
    InvalidOption and UnknownPredicate."""
    if when is None:
        return None
    if callable(when):
        for name, known in runtime.predicates.items():
            if known is when:
                return name
        raise UnknownPredicate(getattr(when, "__name__", repr(when)), runtime.predicates)
    if not isinstance(when, str):
        raise InvalidOption(
            "when", when, "an expression, a function, or a predicate's name", of=f"step '{step}'"
        )
    if not conditions.is_name(when):
        conditions.check(when)
    return when


def new_workflow_id() -> str:
    """For a workflow without an id of the caller's."""
    return format_id(new_id())


class _Planner:
    """Plans the jobs of one workflow; steps that are alike share a plan."""

    def __init__(self, runtime: Runtime, workflow_id: str) -> None:
        self._runtime = runtime
        self._workflow_id = workflow_id
        self._plans: dict[tuple[str, str, int], tuple[Inherited, Plan]] = {}

    def job(self, laid: Laid, when: str | None) -> NewJob:
        """A job for the step, as yet without edges."""
        step, name = laid.step, laid.waits.name
        planned = self._planned(laid)
        handler = self._runtime.registry.find(step.queue, step.name)
        if when is not None and handler is not None and handler.batch is not None:
            raise InvalidWorkflow(name, f"has when=, and task '{step.name}' runs many jobs at once")
        payload = self._runtime.payload(step.queue, step.name, step.data)
        new = planned.one(payload, InWorkflow(self._workflow_id, name, when, laid.gathers))
        return msgspec.structs.replace(new, rules=_rules(name, new.rules))

    def _planned(self, laid: Laid) -> Plan:
        step, inherited = laid.step, laid.inherited
        key = step.queue, step.name, id(inherited)
        if not step.words and key in self._plans:
            return self._plans[key][1]
        planned = plan(self._runtime, step.queue, step.name, _words(step, inherited))
        if not step.words:
            self._plans[key] = inherited, planned
        return planned


def _words(step: Step, inherited: Inherited) -> dict[str, Any]:
    """The options of a step's job, with what it has from its workflows."""
    words = dict(step.words)
    own = words.get("metadata") or {}
    metadata = {**inherited.metadata, **own} if isinstance(own, Mapping) else own
    if metadata:
        words["metadata"] = metadata
    said = words.get("tags") or (metadata.get("tags") if isinstance(metadata, Mapping) else None) or ()
    tags = (*inherited.tags, *(tag for tag in check_tags(said) if tag not in inherited.tags))
    if tags:
        words["tags"] = tags
    if inherited.correlation_id is not None and not {"correlation_id", "correlationId"} & words.keys():
        words["correlation_id"] = inherited.correlation_id
    return words


def _rules(step: str, rules: Rules | None) -> Rules | None:
    """A step's rules: it is never turned away for want of room, and may not be for another one like it."""
    if rules is None:
        return None
    if rules.unique is not None:
        raise InvalidWorkflow(
            step,
            "is unique, and a step that is turned away would leave the others waiting; give it unique=False, and the "
            "workflow an id=",
        )
    return msgspec.structs.replace(rules, room=None)


def _refuse_unknown_results(step: str, when: str | None, names: Collection[str]) -> None:
    """Raises UnknownStep for a condition on the result of a step that is not there: it could never hold."""
    if when is None or conditions.is_name(when):
        return
    for named in conditions.results_in(when):
        if named not in names:
            raise UnknownStep(step, named, names)


def _refuse_two_tiers(runtime: Runtime, queues: Sequence[str], there: Places) -> None:
    """Raises InvalidWorkflow for steps in memory and in the store: neither could wait for the other."""
    if not runtime.volatile:
        return
    named = [*queues, *(queue for _, queue in there.values())]
    quick = next((queue for queue in named if queue in runtime.volatile), None)
    lasting = next((queue for queue in named if queue not in runtime.volatile), None)
    if quick is not None and lasting is not None:
        raise InvalidWorkflow(
            None,
            f"has steps in queue '{quick}', which is in memory, and in queue '{lasting}', which is not: what ends "
            "with the process cannot be waited for. Put all of them into durable queues, or all into memory",
        )
