"""This module holds what a worker and its child processes say to each other, as msgpack; never pickle.

Down goes `Begin` once and then a `Run` per errand. Up come `Ready` once, and for each `Run` a `Begun`, any number of
`Progressed`, `Logged`, `Picked` and `Completing`, and one outcome inside an `Ended`.
"""

from typing import Any

import msgspec

from longshore.core.job import JobRecord


class Message(msgspec.Struct, frozen=True, tag=True, tag_field="says"):
    """One thing said."""


class Begin(Message, frozen=True, kw_only=True):
    """What the child must know before it can import anything."""

    parent_pid: int
    surroundings: dict[str, Any]
    """Search path, working folder, where `__main__` is: as `multiprocessing` hands them to its own children."""


class Run(Message, frozen=True, kw_only=True):
    """Call this task with this job's data."""

    target: str
    """The task: "module:qualname"."""
    record: JobRecord
    context: bytes
    """What was bound where the job was added, as the JSON it was stored as."""
    correlation_id: str | None
    result_limit_bytes: int


class Ready(Message, frozen=True):
    """The child has started and waits for errands."""


class Begun(Message, frozen=True):
    """The child has the errand: if it dies from now on, then with it."""


class Progressed(Message, frozen=True):
    """The task said how far it is."""

    value: float
    note: str


class Logged(Message, frozen=True):
    """The task wrote a line."""

    text: str


class Picked(Message, frozen=True):
    """The task has picked one of several providers."""

    provider: str
    candidates: tuple[str, ...]


class Completing(Message, frozen=True):
    """The task is about to complete its job, with this result, in a transaction of its own."""

    result: bytes | None


class Returned(Message, frozen=True):
    """The task returned; its result as JSON, None for None."""

    result: bytes | None


class Unencodable(Message, frozen=True):
    """The task returned something that has no JSON form, or is too long."""

    problem: str


class Unreadable(Message, frozen=True):
    """The job's data does not fit the task."""

    problem: str


class Raised(Message, frozen=True):
    """The task raised; the exception as text."""

    type: str
    message: str
    traceback: str
    retriable: bool
    """What the task's own `retry_if` says of the exception, which can only be asked where it still is one."""


class Signalled(Message, frozen=True):
    """The task raised one of Longshore's signals; a closed list, so these do become exceptions again."""

    code: str
    reason: str
    seconds: float | None = None
    """Of Snooze, RateLimited, and a task that sleeps or waits."""
    at: str | None = None
    """Of RetryAt: ISO 8601, with its zone."""
    provider: str | None = None
    """Of RateLimited."""
    was_found: bool = False
    """Of RateLimited: read from an answer."""


Outcome = Returned | Unencodable | Unreadable | Raised | Signalled


class Ended(Message, frozen=True):
    """What became of the call, and how much memory the child takes after it."""

    outcome: Outcome
    size_bytes: int


Downward = Begin | Run
Upward = Ready | Begun | Progressed | Logged | Picked | Completing | Ended

_encoder = msgspec.msgpack.Encoder()
_downward: "msgspec.msgpack.Decoder[Downward]" = msgspec.msgpack.Decoder(Downward)
_upward: "msgspec.msgpack.Decoder[Upward]" = msgspec.msgpack.Decoder(Upward)


def write(message: Downward | Upward) -> bytes:
    """The message as bytes."""
    return _encoder.encode(message)


def read_downward(data: bytes) -> Downward:
    """What the worker said. Raises msgspec.DecodeError."""
    return _downward.decode(data)


def read_upward(data: bytes) -> Upward:
    """What the child said. Raises msgspec.DecodeError."""
    return _upward.decode(data)
