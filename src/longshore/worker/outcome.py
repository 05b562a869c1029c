"""This module turns what an attempt came to into what is kept of it: a result as JSON, a time-out with its cause."""

from asyncio import CancelledError
from typing import Any

from longshore.core.attempt_errors import AttemptTimeout, ResultNotEncodable, WorkerCrashed
from longshore.core.errors import PayloadError
from longshore.core.payload import encode
from longshore.worker.attempt import Attempt
from longshore.worker.registry import Kind


def encoded(attempt: Attempt, outcome: Any) -> bytes | None:
    """A result as it is stored. Raises ResultNotEncodable."""
    if outcome is None or attempt.handler.kind is Kind.PROCESS:
        return outcome  # type: ignore[no-any-return]  # a process sends its result as JSON
    try:
        return encode(
            outcome, what=attempt.record.name, limit_bytes=attempt.policy.result_limit_bytes, word="result"
        )
    except PayloadError as error:
        raise ResultNotEncodable(str(error)) from error
    except Exception as error:  # a value's own encoder may raise anything
        raise ResultNotEncodable(f"The result cannot be stored as JSON: {type(error).__name__}.") from error


def timed_out(attempt: Attempt, error: BaseException) -> BaseException:
    """The time-out, with what the task made of it behind it."""
    if isinstance(error, AttemptTimeout):
        return error
    timed_out = AttemptTimeout(attempt.policy.timeout or 0.0)
    timed_out.__cause__ = None if isinstance(error, CancelledError | WorkerCrashed) else error
    return timed_out
