"""This module says what became of a call in a child: as a message there, as a result or an exception here.

A task's own exception comes over as text and stays text. Longshore's signals are a closed list and carry plain values:
they are made again, so that a task may snooze wherever it runs.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from longshore.core.attempt_errors import ResultNotEncodable, TaskRaised
from longshore.core.clock import SystemClock
from longshore.core.errors import PayloadUndecodable
from longshore.core.limit_errors import RateLimited
from longshore.core.suspension import Suspended, suspension_of
from longshore.core.task_signals import Cancel, Discard, RetryAt, Snooze, TaskSignal
from longshore.dlq.burial import failure_of
from longshore.engine.asked_later import asked_later
from longshore.engine.judge import signal_of
from longshore.worker.runners.messages import (
    Outcome,
    Raised,
    Returned,
    Signalled,
    Unencodable,
    Unreadable,
)

log = logging.getLogger("longshore.worker")


def outcome_of(error: BaseException, wanted: Callable[[BaseException], bool]) -> Outcome:
    """What a child says of an exception. `wanted` asks the task's `retry_if`."""
    if (suspended := suspension_of(error)) is not None:
        return Signalled(suspended.code, str(suspended), seconds=suspended.seconds)
    match signal_of(error):
        case Snooze() as signal:
            return Signalled(signal.code, str(signal), seconds=signal.seconds)
        case RetryAt() as signal:
            return Signalled(signal.code, str(signal), at=signal.at.isoformat())
        case RateLimited() as signal:
            return _asked_later(signal)
        case TaskSignal() as signal:
            return Signalled(signal.code, str(signal))
        case other:
            if (limited := asked_later(other, SystemClock().now_ms())) is not None:
                return _asked_later(limited)
            text = failure_of(other, attempt=0, worker="", now_ms=0)  # guarded: its __str__ may raise too
            return Raised(text.type, text.message, text.traceback, retriable=_is_wanted(other, wanted))


def _asked_later(signal: RateLimited) -> Signalled:
    return Signalled(
        signal.code, str(signal), seconds=signal.seconds, provider=signal.provider, was_found=signal.was_found
    )


def _is_wanted(error: BaseException, wanted: Callable[[BaseException], bool]) -> bool:
    try:
        return wanted(error)
    except BaseException:
        log.exception("A policy's retry_if raised; the job is tried again.")
        return True


def told(outcome: Outcome, task: str) -> tuple[bytes | None, BaseException | None]:
    """What a worker tells its executor: the result as JSON, or the exception to judge."""
    match outcome:
        case Returned(result=result):
            return result, None
        case Raised():
            error = TaskRaised(outcome.type, outcome.message, outcome.traceback, retriable=outcome.retriable)
            return None, error
        case Signalled():
            return None, signal_from(outcome)
        case Unencodable(problem=problem):
            return None, ResultNotEncodable(problem)
        case Unreadable(problem=problem):
            return None, PayloadUndecodable(task, problem)


def signal_from(said: Signalled) -> TaskSignal | Suspended:
    """The signal that a task raised over there."""
    if said.code == Suspended.code:
        return Suspended(said.seconds or 0.0)
    if said.code == Snooze.code:
        return Snooze(said.seconds or 0.0)
    if said.code == RetryAt.code and said.at is not None:
        return RetryAt(datetime.fromisoformat(said.at), said.reason)
    if said.code == RateLimited.code:
        limited = RateLimited(said.provider or "unknown", said.seconds or 0.0)
        limited.was_found = said.was_found
        return limited
    return Cancel(said.reason) if said.code == Cancel.code else Discard(said.reason)
