"""This module has the errors that say why an attempt ended, where its task raised nothing."""

from longshore.core.errors import LongshoreError


class AttemptError(LongshoreError):
    """Why an attempt ended, where its task raised nothing."""

    code = "attempt"


class AttemptTimeout(AttemptError):
    """The attempt took longer than its task's time-out."""

    code = "timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The attempt took longer than its time-out of {seconds:g} s.")


class ResultNotEncodable(AttemptError):
    """The task returned something that has no JSON form, or is over the limit."""

    code = "result-not-encodable"


class WorkerCrashed(AttemptError):
    """The worker, or its child process, died or lost its lease while it held the job."""

    code = "crashed"


class ClaimLost(AttemptError):
    """The attempt wanted to complete its job, and the job is not its own any more: it was rescued, or has ended."""

    code = "claim-lost"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Job {job_id} is not this attempt's any more, so nothing may be done in its name: roll back."
        )


class NotCommitted(AttemptError):
    """The task returned, and the transaction that was to complete its job had not been committed."""

    code = "not-committed"

    def __init__(self) -> None:
        super().__init__(
            "The transaction given to ctx.complete_in was not committed by the time the task returned."
        )


class TaskRaised(AttemptError):
    """What a task raised in another process, as text: nothing that came over a pipe is made its class again.

    `type` is the name of the task's exception and `message` its text; `traceback` is as Python prints it, without
    locals; `retriable` is what the task's own `retry_if` said of the exception, where that was still one.
    """

    code = "task-raised"

    def __init__(self, type: str, message: str, traceback: str = "", *, retriable: bool = True) -> None:  # noqa: A002 - as AttemptFailure calls it
        super().__init__(message)
        self.type, self.message, self.traceback, self.retriable = type, message, traceback, retriable
