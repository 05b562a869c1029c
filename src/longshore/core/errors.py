"""This module is the tree of everything that Longshore raises. Each class has a stable `code` for machines, and a
message that names the thing and the way out.

    LongshoreError
    ├── UsageError               the caller's mistake, found before anything happened
    │   ├── InvalidOption        InvalidName · InvalidId · UnknownOption
    │   ├── InvalidTask          a function that cannot be a task
    │   ├── InvalidSplit             a batching strategy that returned something else than its items
    │   ├── UnknownQueue · UnknownTask · UnknownLimit · UnknownSchedule · ScheduleExists
    │   ├── UnusableConnection   what was given as connection= cannot carry jobs
    │   ├── InvalidWorkflow      UnknownStep
    │   └── SettingsError
    ├── PayloadError
    │   ├── PayloadNotEncodable · PayloadTooLarge · PayloadMismatch     raised by enqueue; nothing is stored
    │   └── PayloadUndecodable                                          what a worker found in the store
    ├── StoreError
    │   ├── StoreUnavailable     unreachable, busy, locked, read-only, full, closed: `reason` says
    │   ├── NotDurable           stored, but not confirmed to be as safe as was asked
    │   ├── MoveRefused          jobs cannot be moved from this store, or to that one, now
    │   ├── SchemaMismatch       the store needs `longshore migrate`, or a newer Longshore
    │   ├── TransactionOver      `manager.transaction()` was rolled back, mostly because it took too long
    │   └── UnsafeStore          it may lose jobs by the way it is set up
    ├── JobError
    │   ├── NotUnique            the same job is there already
    │   ├── JobNotFound · JobConflict       no such job; not in a state for what was asked
    │   ├── JobFailed · JobCancelled        raised by `await job.result()`
    │   └── WorkflowFailed · WorkflowCancelled      raised by `await run.result()`
    ├── WorkflowNotFound · WorkflowConflict · UnknownPredicate
    ├── AttemptError             why an attempt ended other than by its task's own exception
    │   ├── AttemptTimeout · ResultNotEncodable · WorkerCrashed · TaskRaised
    │   ├── ClaimLost · NotCommitted        about `ctx.complete_in`
    │   ├── StepMismatch                    about `ctx.step`: what is recorded is something else
    │   └── InvalidAnswer · ItemFailed      about batches: what a processor answered
    ├── LockLost                 a lock was over before its block was
    ├── DrainTimeout             the queue was not empty in time; nothing is lost
    ├── QueueFull · QueueClosed  a queue takes no more, for now or for good
    └── TaskSignal               raised by a task to say how the attempt ended
        └── Snooze · RetryAt · RateLimited · Cancel · Discard · NotTaken

Why an attempt ended is in core/attempt_errors.py, and how a task says so in core/task_signals.py. Those about batches,
and of queues in this process, are in core/batch_errors.py, those about limits in core/limit_errors.py, those about what
somebody else has already in core/conflict_errors.py, those about schedules in core/schedule_errors.py, that about steps
in core/step_errors.py, those about workflows in core/workflow_errors.py.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import ClassVar

SHOWN = 300
"""Characters of a wrong value in a message: it may be somebody's megabyte."""


class LongshoreError(Exception):
    """The root: `except LongshoreError` catches all that Longshore raises."""

    code: ClassVar[str] = "error"


class UsageError(LongshoreError):
    """The caller's mistake; nothing has happened."""

    code = "usage"


class InvalidOption(UsageError):
    """An option has a value that it cannot have."""

    code = "invalid-option"

    def __init__(self, option: str, value: object, expected: str, *, of: str | None = None) -> None:
        shown = value.value if isinstance(value, Enum) else value
        whose = "" if of is None else f" of {of}"
        end = "" if expected.endswith("?") else "."
        super().__init__(f"Option '{option}'{whose} cannot be {shown!r:.{SHOWN}}. Expected: {expected}{end}")
        self.option = option


class UnknownOption(UsageError):
    """An option that does not exist."""

    code = "unknown-option"

    def __init__(self, option: str, known: Iterable[str], *, of: str) -> None:
        names = list(known)
        shown = {name for name in names if _snake(name) == name or _snake(name) not in names}
        super().__init__(f"No option '{option}' of {of}.{near(option, names)} Known: {listed(shown)}.")
        self.option = option


class InvalidName(UsageError):
    """A queue, task or tag with a name that is not allowed."""

    code = "invalid-name"

    def __init__(self, kind: str, name: object, length_limit: int) -> None:
        article = "an" if kind[0] in "aeiou" else "a"
        super().__init__(
            f"{name!r:.{SHOWN}} cannot name {article} {kind}. Use letters, digits and _ . : / @ + -, beginning with a "
            f"letter, a digit or _, and at most {length_limit} characters."
        )


class InvalidId(UsageError):
    """A text that is no job id."""

    code = "invalid-id"

    def __init__(self, value: object) -> None:
        super().__init__(
            f"{value!r} is not a job id. Ids are UUIDs; put a name of your own into reference= or metadata=."
        )


class InvalidTask(UsageError):
    """A function, or a class, that cannot be a task or a queue."""

    code = "invalid-task"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"'{name}' cannot be a task: {problem}.")


class UnknownQueue(UsageError):
    """A queue that the manager does not know, where it must."""

    code = "unknown-queue"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No queue '{name}'.{near(name, known)} Known: {listed(known)}.")


class UnknownTask(UsageError):
    """A task that the manager does not know, where it must."""

    code = "unknown-task"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No task '{name}'.{near(name, known)} Known: {listed(known)}.")


class SettingsError(UsageError):
    """A setting that cannot be read."""

    code = "settings"


class UnusableConnection(UsageError):
    """What was given as `connection=` cannot carry jobs; nothing was stored."""

    code = "unusable-connection"


class PayloadError(LongshoreError):
    """Something about a job's data."""

    code = "payload"


class PayloadNotEncodable(PayloadError):
    """Data, or a result, that has no JSON form."""

    code = "payload-not-encodable"

    def __init__(self, what: str, problem: str, *, word: str = "data") -> None:
        way, place = ("Pass", "job") if word == "data" else ("Return", word)
        super().__init__(
            f"The {word} of '{what}' cannot be stored as JSON: {problem}. {way} plain values, dataclasses, "
            "msgspec structs or pydantic models; large or live objects belong elsewhere, with their key in the "
            f"{place}."
        )


class PayloadTooLarge(PayloadError):
    """Data over the size limit."""

    code = "payload-too-large"

    def __init__(self, what: str, size_bytes: int, limit_bytes: int, *, word: str = "data") -> None:
        way = "pass" if word == "data" else "return"
        super().__init__(
            f"The {word} of '{what}' takes {size_bytes:,} bytes and the limit is {limit_bytes:,}. Store it elsewhere "
            f"and {way} its key, or raise the limit (LONGSHORE_PAYLOAD_LIMIT)."
        )
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes


class PayloadMismatch(PayloadError):
    """Data that does not fit the task's signature."""

    code = "payload-mismatch"

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"The data does not fit task '{what}': {problem}.")


class PayloadUndecodable(PayloadError):
    """Stored data that the task's signature cannot read; the bytes are kept."""

    code = "undecodable"

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(
            f"The stored data does not fit task '{what}': {problem}. Its bytes are kept with the job."
        )


class StoreError(LongshoreError):
    """Something about the store."""

    code = "store"


class StoreUnavailable(StoreError):
    """The store cannot do this now. Nothing was done, or the caller cannot tell and may repeat the same call.

    `reason` is one of "unreachable", "busy", "locked", "read-only", "full", "corrupt", "closed". `is_absent`: its
    server does not answer or is starting, so that it may be there later with nothing changed here.
    """

    code = "store-unavailable"

    def __init__(self, reason: str, detail: str, *, is_absent: bool = False) -> None:
        super().__init__(f"The store is {reason}: {detail}.")
        self.reason = reason
        self.is_absent = is_absent


class NotDurable(StoreError):
    """The jobs are stored, but the store did not confirm in time that they are as safe as was asked. Adding the same
    jobs (with their ids) again is safe, and asks for the confirmation again."""

    code = "not-durable"

    def __init__(self, asked: str, reached: str, detail: str) -> None:
        super().__init__(
            f"The jobs are stored, but not confirmed as '{asked}' (only '{reached}'): {detail}. "
            "Add them again with the same ids to ask once more; none is stored twice."
        )
        self.asked, self.reached = asked, reached


class SchemaMismatch(StoreError):
    """The store was made by another version of Longshore."""

    code = "schema-mismatch"


class TransactionOver(StoreError):
    """The transaction of `manager.transaction()` was rolled back by the store, with all that was done in it."""

    code = "transaction-over"


class MoveRefused(StoreError):
    """Jobs cannot be moved from this store, or to that one, now; none was touched since."""

    code = "move-refused"

    def __init__(self, problem: str) -> None:
        super().__init__(f"Nothing more was moved: {problem}.")


class UnsafeStore(StoreError):
    """The store may lose jobs by the way it is set up, so no worker starts, and nothing is moved there."""

    code = "unsafe-store"

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(
            f"This store may lose jobs, so no worker starts and nothing is moved there: {problem} {remedy} "
            "(LONGSHORE_UNSAFE_STORE=1 allows it all the same)"
        )


class JobError(LongshoreError):
    """Something about one job."""

    code = "job"


class JobNotFound(JobError):
    """There is no such job, or it was pruned."""

    code = "job-not-found"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job {job_id}. It was never added here, or its retention is over.")


class JobConflict(JobError):
    """The job is not in a state for what was asked."""

    code = "job-conflict"

    def __init__(self, job_id: str, asked: str, state: str, allowed: Sequence[str]) -> None:
        super().__init__(f"Job {job_id} is {state} and cannot be {asked}; that needs: {', '.join(allowed)}.")


class JobFailed(JobError):
    """Raised by `await job.result()` when the job failed for good."""

    code = "job-failed"

    def __init__(self, job_id: str, name: str, message: str) -> None:
        super().__init__(f"Job {job_id} ({name}) failed: {message}")
        self.message = message


class JobCancelled(JobError):
    """Raised by `await job.result()` when the job was cancelled or skipped."""

    code = "job-cancelled"

    def __init__(self, job_id: str, name: str) -> None:
        super().__init__(f"Job {job_id} ({name}) was cancelled.")


class DrainTimeout(LongshoreError):
    """Not everything was done in time. Nothing is lost: `left` says how many jobs remain, by queue."""

    code = "drain-timeout"

    def __init__(self, seconds: float, left: dict[str, int]) -> None:
        remains = ", ".join(f"{count} in '{queue}'" for queue, count in sorted(left.items()))
        super().__init__(f"Not drained after {seconds:g} s: {remains or 'work in flight'} left.")
        self.left = left


def _snake(name: str) -> str:
    """`scheduledAt` as Python spells it: both may be understood, and one is shown."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda capital: f"_{capital[0].lower()}", name)


def listed(names: Iterable[str]) -> str:
    """The names in a sentence."""
    return ", ".join(sorted(map(str, names))) or "none"


def near(name: str, known: Iterable[str]) -> str:
    """The sentence that asks whether another name was meant; empty where none is like it."""
    matches = get_close_matches(name, list(map(str, known)), n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""
