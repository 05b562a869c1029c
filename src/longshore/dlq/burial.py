"""This module says what is kept of an attempt that went wrong, and writes the notice of a job that failed for good.

The exception is the user's and may be hostile: its `__str__` may raise, its text may be a megabyte, its traceback a
thousand frames of one recursion. What is kept is text of bounded size; no exception is ever rebuilt from it.
"""

import traceback
from pathlib import PurePath
from types import TracebackType
from typing import Any

import msgspec

from longshore.core.attempt_errors import AttemptError, TaskRaised
from longshore.core.ids import format_id, new_id
from longshore.core.job import AttemptFailure, JobRecord, NewJob

MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 16_384
"""Characters. The end of a traceback says what happened, its beginning where from: both ends are kept."""
LINE_LIMIT = 500
FRAMES_LIMIT = 60
"""Innermost frames; a RecursionError has a thousand."""

LETTER_NAME = "dead-letter"

_HERE = str(PurePath(__file__).parents[1])
_encode = msgspec.json.Encoder().encode


def describe(
    error: BaseException, job: JobRecord, worker: str, now_ms: int, *, provider: str | None = None
) -> tuple[bytes, str]:
    """What is stored of the error: an encoded `AttemptFailure`, and one line `Type: message`."""
    failure = failure_of(error, attempt=job.attempt, worker=worker, now_ms=now_ms)
    if provider is not None:
        failure = msgspec.structs.replace(failure, provider=_utf8(provider))
    return _encode(failure), line_of(failure)


def failure_of(error: BaseException, *, attempt: int, worker: str, now_ms: int) -> AttemptFailure:
    """The error as text."""
    if isinstance(error, TaskRaised):
        kind, text = error.type, _ends(_utf8(error.traceback))
    else:
        kind, text = _type_name(error), _traceback(error)
    return AttemptFailure(
        type=kind, message=_message(error), traceback=text, at_ms=now_ms, attempt=attempt, worker=worker
    )


def line_of(failure: AttemptFailure) -> str:
    """`Type: message`, in one line."""
    first = next(iter(failure.message.splitlines()), "")
    return f"{failure.type}: {first}"[:LINE_LIMIT] if first else failure.type


def unreadable(value: object, error: BaseException) -> AttemptError:
    """The error to keep instead of what a task returned or raised, when looking at that raised another one."""
    return AttemptError(
        f"What the task gave back ({_type_name(value)}) cannot be looked at: that raised {_type_name(error)}."
    )


def letter(job: JobRecord, error_text: str, now_ms: int, queue: str) -> NewJob:
    """The notice that goes to a dead letter queue, in the words of seed 003: a task or processor there reads it."""
    return NewJob(
        id=new_id(),
        queue=queue,
        name=LETTER_NAME,
        payload=_encode(
            {
                "originalQueue": job.queue,
                "originalName": job.name,
                "originalId": format_id(job.id),
                "originalData": _data(job.payload),
                "failureReason": error_text,
                "failedAt": now_ms,
            }
        ),
    )


def _data(payload: bytes) -> Any:
    try:
        msgspec.json.decode(payload)
        return msgspec.Raw(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):  # the very reason why it failed, perhaps
        return payload.decode("utf-8", "backslashreplace")


def _type_name(value: object) -> str:
    kind = type(value)
    name = str(kind.__qualname__)[:200]
    return name if kind.__module__ in ("builtins", "__main__") else name.rpartition(".")[2]


def _message(error: BaseException) -> str:
    try:
        return _utf8(str(error))[:MESSAGE_LIMIT]
    except BaseException as second:  # noqa: BLE001 - an exception's own __str__ may raise anything at all
        return f"<its text cannot be read: {_type_name(second)}>"


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException(
            type(error), error, _users(error.__traceback__), limit=-FRAMES_LIMIT, compact=True
        ).format()
        return _ends(_utf8("".join(lines)))
    except BaseException as second:  # noqa: BLE001 - __cause__, __notes__ and source lines may be hostile too
        return f"<its traceback cannot be read: {_type_name(second)}>"


def _users(found: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is not our own; ours are the same for every job."""
    inner = found
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(_HERE):
        inner = inner.tb_next
    return inner or found


def _ends(text: str) -> str:
    if len(text) <= TRACEBACK_LIMIT:
        return text
    half = TRACEBACK_LIMIT // 2
    return f"{text[:half]}\n  … {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def _utf8(text: str) -> str:
    """The text without what no store can hold: lone surrogates, and NUL, which PostgreSQL refuses."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
