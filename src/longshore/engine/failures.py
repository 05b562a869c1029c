"""This module says in the log how an attempt failed: one line each, a warning while the job comes again, an error when
it does not. What the task said is shown without control characters; where it happened is for the level DEBUG."""

import logging
from datetime import UTC, datetime

import msgspec

from longshore.core.ids import format_id
from longshore.core.job import AttemptFailure, JobRecord
from longshore.core.printing import visible
from longshore.core.retry import UNLIMITED
from longshore.core.states import State
from longshore.core.verdict import Charge, Verdict
from longshore.engine.policy import Policy

log = logging.getLogger("longshore.worker")


def log_failure(job: JobRecord, verdict: Verdict, policy: Policy, line: str, kept: bytes) -> None:
    """Says how the attempt ended. `job`: as it was claimed; `line` and `kept`: what `dlq/burial.py` makes of an error.
    A verdict that charges neither a failure nor a crash is none, and is not said."""
    if verdict.charge is Charge.FAILURE:
        count, noun, verb = job.failures + 1, "attempt", "failed"
        limit = policy.retry.max_attempts if job.max_attempts is None else job.max_attempts
    elif verdict.charge is Charge.CRASH:
        count, noun, verb, limit = job.crashes + 1, "crash", "lost its worker", policy.max_crashes
    else:
        return
    subject, said = visible(f"Job {format_id(job.id)} ({job.name})"), visible(line)
    if verdict.state is State.FAILED:
        plural = "" if count == 1 else "es" if noun == "crash" else "s"
        log.error("%s failed for good after %d %s%s: %s", subject, count, noun, plural, said)
    else:
        of = "" if limit == UNLIMITED else f" of {limit}"
        log.warning("%s %s, %s %d%s; %s: %s", subject, verb, noun, count, of, _again(verdict), said)
    if log.isEnabledFor(logging.DEBUG):
        trace = msgspec.json.decode(kept, type=AttemptFailure).traceback
        log.debug("%s:\n%s", subject, "\n".join(visible(row) for row in trace.splitlines()))


def _again(verdict: Verdict) -> str:
    if verdict.run_ms is not None:
        return f"again at {datetime.fromtimestamp(verdict.run_ms / 1000, UTC).isoformat(timespec='seconds')}"
    return f"again in {verdict.delay_ms / 1000:.1f} s" if verdict.delay_ms else "again at once"
