"""This module decides what an attempt came to: an exception and a policy go in, a verdict comes out. Pure.

| the attempt | verdict | charged to |
|---|---|---|
| raised, and attempts are left | retrying, after the policy's delay | failures |
| raised, and it was the last | failed | failures |
| raised Discard, or could not be read | failed, whatever attempts are left | failures |
| raised RetryAt | retrying at that time, if attempts are left | failures |
| raised Snooze | scheduled | releases |
| sleeps, or waits for a signal | scheduled | releases |
| raised RateLimited, or heard 429 or 503 with a Retry-After | scheduled (`worker/providers.py`) | releases |
| raised Cancel | cancelled | nothing |
| is a step whose condition did not hold | skipped | releases |
| took its worker down | pending, later retrying, at last failed | crashes |
| is of a task that nobody here knows | scheduled, ever later | releases |
"""

import logging
from random import Random

from longshore.core.attempt_errors import TaskRaised, WorkerCrashed
from longshore.core.errors import PayloadUndecodable
from longshore.core.job import JobRecord
from longshore.core.limit_errors import RateLimited
from longshore.core.retry import Retry
from longshore.core.suspension import Suspended
from longshore.core.task_signals import Cancel, Discard, RetryAt, Snooze, TaskSignal
from longshore.core.verdict import (
    BURIED,
    CANCELLED,
    POISONED,
    SKIPPED,
    Verdict,
    crashed,
    released,
    retry_after,
    retry_at,
)
from longshore.core.workflow_errors import NotTaken
from longshore.engine.policy import Policy

log = logging.getLogger("longshore.engine")

CRASH_DELAY_CAP_SECONDS = 30.0
UNKNOWN_DELAY_CAP_SECONDS = 60.0


def judge_error(job: JobRecord, error: BaseException, policy: Policy, random: Random) -> Verdict:
    """The verdict on an attempt that raised."""
    match signal_of(error):
        case Snooze(seconds=seconds) | Suspended(seconds=seconds):
            return released(max(1, round(seconds * 1000)))  # never 0: it would come back to the head at once
        case RateLimited(seconds=seconds):
            return released(max(1, round(seconds * 1000)))
        case Cancel():
            return CANCELLED
        case NotTaken():
            return SKIPPED
        case Discard() | PayloadUndecodable():
            return BURIED
        case WorkerCrashed():
            return judge_crash(job, policy.max_crashes)
        case RetryAt(at=at):
            again = policy.retry.allows(job.failures + 1, max_attempts=job.max_attempts)
            return retry_at(round(at.timestamp() * 1000)) if again else BURIED
        case other:
            return _judge_failure(job, other, policy.retry, random)


def judge_crash(job: JobRecord, max_crashes: int) -> Verdict:
    """The verdict on a job whose worker is gone: the first time at once, at the tail; then ever later; then never."""
    crashes = job.crashes + 1
    if crashes >= max_crashes:
        return POISONED
    if crashes == 1:
        return crashed(0)
    return crashed(round(min(CRASH_DELAY_CAP_SECONDS, 2.0 ** min(crashes - 2, 10)) * 1000))


def judge_unknown(job: JobRecord, random: Random) -> Verdict:
    """The verdict on a job of a task that this worker does not know: some other worker may, now or after a deploy."""
    seconds = min(UNKNOWN_DELAY_CAP_SECONDS, 2.0 ** min(job.releases, 10))
    return released(round(seconds * random.uniform(0.5, 1.0) * 1000))


def signal_of(error: BaseException) -> BaseException:
    """The signal inside a group of one (a `TaskGroup` wraps what its only failing child raised), or the error."""
    inner = error
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner if isinstance(inner, TaskSignal) else error


def _judge_failure(job: JobRecord, error: BaseException, retry: Retry, random: Random) -> Verdict:
    failures = job.failures + 1
    if not retry.allows(failures, max_attempts=job.max_attempts) or not _is_worth_it(retry, error):
        return BURIED
    return retry_after(round(_delay(retry, failures, error, random) * 1000))


def _is_worth_it(retry: Retry, error: BaseException) -> bool:
    if isinstance(error, TaskRaised):
        return error.retriable  # the child process asked retry_if, where it was still an exception
    try:
        return retry.wants(error)
    except BaseException:  # SystemExit must not end the worker
        log.exception("A policy's retry_if raised; the job is tried again.")
        return True


def _delay(retry: Retry, failures: int, error: BaseException, random: Random) -> float:
    error_type = error.type if isinstance(error, TaskRaised) else type(error).__name__
    try:
        return retry.delay(failures, random, error_type=error_type)
    except BaseException:  # SystemExit must not end the worker
        log.exception("A policy's backoff raised; the default curve is used.")
        return Retry().delay(failures, random)
