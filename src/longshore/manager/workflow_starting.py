"""This module starts workflows, and registers the conditions of their steps."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, overload

from longshore.core.durability import check_durability
from longshore.core.errors import InvalidOption
from longshore.core.names import check_name
from longshore.manager import workflow_actions
from longshore.manager.blocking import blocking
from longshore.manager.job import AnyJob
from longshore.manager.part import Part
from longshore.manager.workflow import WorkflowRun
from longshore.workflows import conditions
from longshore.workflows.reading import read_workflow
from longshore.workflows.spec import Step, Workflow

F = TypeVar("F", bound=Callable[..., Any])


class WorkflowStarting(Part):
    """Starting workflows."""

    async def execute_workflow(
        self, workflow: Workflow | Step | Mapping[str, Any], *, durability: str | None = None
    ) -> WorkflowRun:
        """Stores a workflow with all its jobs, in one step, and gives the handle of this run.

        A dict is read as seed 003 writes it. The same workflow with the same `id` is started once: the handle has
        `conflict` then. Raises InvalidWorkflow, UnknownStep, UnknownOption, InvalidOption, WorkflowConflict, and what
        `add_job` raises; nothing is stored then.
        """
        asked = None if durability is None else check_durability(durability)
        started = await workflow_actions.start(self.runtime, read_workflow(workflow), durability=asked)
        jobs = {
            entry.name: AnyJob(self.runtime, new)
            for entry, new in zip(started.record.entries, started.jobs, strict=False)
        }
        run = WorkflowRun(self.runtime, started.record, jobs, conflict=started.is_older)
        if started.is_older:
            await run.refresh()
        return run

    @overload
    def predicate(self, function: F, /) -> F: ...
    @overload
    def predicate(self, function: None = None, /, *, name: str) -> Callable[[F], F]: ...
    def predicate(self, function: Any = None, /, *, name: str | None = None) -> Any:
        """Registers a condition for `Step(when=…)`, under the function's name unless given: `@manager.predicate`.

        It is called by the worker that would run the step, with what `ctx.previous` holds, and the JobContext where it
        has a second parameter; it may be a coroutine function. A plain one must not wait. Raises InvalidOption for a
        name that is taken or is none, and for a function that cannot be called so.
        """

        def register(condition: Any) -> Any:
            called = check_name("predicate", name or getattr(condition, "__name__", ""))
            _refuse_parameters(called, condition)
            if not conditions.is_name(called):
                raise InvalidOption(
                    "name", called, f"a Python name, and none of {', '.join(conditions.NAMES)}"
                )
            taken = self.runtime.predicates.get(called)
            if taken is not None and getattr(taken, "__qualname__", "") != getattr(
                condition, "__qualname__", ""
            ):
                raise InvalidOption("name", called, "a name that no other predicate has")
            self.runtime.predicates[called] = condition
            return condition

        return register if function is None else register(function)

    execute_workflow_sync: Final = blocking(execute_workflow)


def _refuse_parameters(name: str, condition: Callable[..., Any]) -> None:
    """Raises InvalidOption for a function that cannot be called with the result before it, and the context."""
    signature = inspect.signature(condition)
    try:
        signature.bind(*range(max(1, min(2, len(signature.parameters)))))
    except TypeError as error:
        expected = "a function of what the step before returned, and of the JobContext if it wants it"
        raise InvalidOption("predicate", name, f"{expected} ({error})") from None
