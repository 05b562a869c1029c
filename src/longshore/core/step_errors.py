"""This module holds the errors about recorded steps. The tree of all errors is in core/errors.py."""

from longshore.core.attempt_errors import AttemptError


class StepMismatch(AttemptError):
    """What an earlier attempt recorded under a step's name is not what the task asks for now: its code was changed."""

    code = "step-mismatch"

    def __init__(self, step: str, problem: str) -> None:
        super().__init__(
            f"Step '{step}' {problem}. Give the changed step another name, and it runs anew; or undo the change for "
            "the jobs that are under way."
        )
        self.step = step
