"""This module has the errors about workflows: jobs that wait for other jobs."""

from collections.abc import Iterable

from longshore.core.errors import JobError, LongshoreError, UsageError, listed, near
from longshore.core.task_signals import TaskSignal


class InvalidWorkflow(UsageError):
    """A workflow that cannot run as it is written; nothing was stored."""

    code = "invalid-workflow"

    def __init__(self, step: str | None, problem: str) -> None:
        whose = "The workflow" if step is None else f"Step '{step}' of the workflow"
        super().__init__(f"{whose} {problem}.")
        self.step = step


class UnknownStep(InvalidWorkflow):
    """A step that is referred to and is not there."""

    code = "unknown-step"

    def __init__(self, step: str, name: str, known: Iterable[str]) -> None:
        names = list(known)
        shown = names if len(names) <= _SHOWN else [*names[:_SHOWN], "…"]
        super().__init__(
            step, f"names a step '{name}', and there is none.{near(name, names)} Known: {listed(shown)}"
        )


class UnknownPredicate(LongshoreError):
    """A condition that this process does not know."""

    code = "unknown-predicate"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = list(known)
        super().__init__(
            f"No predicate '{name}'.{near(name, names)} Known: {listed(names)}. Register it where the step is added "
            "and where workers run it: @manager.predicate."
        )


class WorkflowNotFound(LongshoreError):
    """There is no such workflow, or all its jobs were forgotten."""

    code = "workflow-not-found"

    def __init__(self, workflow_id: str) -> None:
        super().__init__(
            f"No workflow '{workflow_id}'. It was never started here, or its jobs are forgotten."
        )


class WorkflowConflict(LongshoreError):
    """A workflow is not as it must be for what was asked."""

    code = "workflow-conflict"

    def __init__(self, workflow_id: str, problem: str) -> None:
        super().__init__(f"Workflow '{workflow_id}' {problem}.")
        self.workflow_id = workflow_id


class WorkflowFailed(JobError):
    """Raised by `await workflow.result()` when a step failed for good."""

    code = "workflow-failed"

    def __init__(self, workflow_id: str, step: str, message: str) -> None:
        super().__init__(f"Workflow '{workflow_id}' failed in step '{step}': {message}")
        self.step: str = step
        self.message: str = message


class WorkflowCancelled(JobError):
    """Raised by `await workflow.result()` when steps were cancelled and none failed."""

    code = "workflow-cancelled"

    def __init__(self, workflow_id: str, step: str) -> None:
        super().__init__(f"Workflow '{workflow_id}' was cancelled; step '{step}' did not run to its end.")
        self.step = step


class NotTaken(TaskSignal):
    """The condition of a step did not hold: the step is skipped."""

    code = "not-taken"


_SHOWN = 20
"""Names in a sentence, at most."""
