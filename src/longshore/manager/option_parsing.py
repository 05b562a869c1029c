"""This module reads the options that users write: which exist, what the seeds call them, and what each may hold.

Whatever is written is checked once, where it is written. A word that does not exist is refused with the nearest one
that does.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from longshore.core.durability import check_durability
from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.ids import parse_id
from longshore.core.job import Details
from longshore.core.limits import Concurrency, Limit, Rate, limits_from
from longshore.core.names import check_name, check_tags
from longshore.core.priority import Priority, check_priority
from longshore.core.reference import Reference, check_reference
from longshore.core.retention import Retention
from longshore.core.retry import MOST_ATTEMPTS, Retry, Seconds, seconds
from longshore.core.unique import Unique
from longshore.dlq.policy import DeadLetterPolicy
from longshore.engine.plan import Plan
from longshore.engine.ruling import Ruling
from longshore.workflows.spec import Part


class JobWords(TypedDict, total=False):
    """What can be said about one job."""

    delay: Seconds
    """From now."""
    at: datetime
    """With a time zone; in the past: at once. `run_at` is the same."""
    run_at: datetime
    priority: int
    job_id: str | UUID
    """Of the caller's own; a job that is there already is not added again."""
    tags: Iterable[str]
    metadata: Mapping[str, Any]
    reference: Reference | tuple[str, str] | Mapping[str, str]
    correlation_id: str
    max_attempts: int
    retry: Retry | Mapping[str, Any] | int
    backoff: Retry | Mapping[str, Any] | Iterable[Seconds]
    timeout: Seconds
    max_crashes: int
    dead_letter: str
    durability: str
    """What the job outlives as soon as it was added: "memory", "os", "fsync" or "replicated"."""
    rate_limit: Rate | str | Mapping[str, Any] | Sequence[Rate]
    limit: Limit | Sequence[Limit]
    """Instead of the limits of its task; those of its queue hold all the same."""
    concurrency_key: str
    """No other job of the queue with the same key runs while this one does."""
    unique: Unique | bool
    """Instead of its task's; False: whether the same job is there or not."""
    chain_to: Part | Sequence[Part]
    """What runs after its success, one after the other: steps, or lists of steps that run side by side. Jobs that are
    added together with the same one share it: it runs once, after all of them."""
    connection: object
    """Of the caller's own: the job is there when its transaction commits, and not before."""


SEED_WORDS: Mapping[str, str] = {
    "attempts": "max_attempts",
    "chainTo": "chain_to",
    "correlationId": "correlation_id",
    "jobId": "job_id",
    "maxAttempts": "max_attempts",
    "scheduledAt": "run_at",
    "scheduledFor": "run_at",
    "scheduled_at": "run_at",
    "scheduled_for": "run_at",
}
"""What the seeds call a word of `JobWords`."""


def translate(words: Mapping[str, Any], known: Iterable[str], *, of: str) -> dict[str, Any]:
    """The words in their own spelling, without those that are None. Raises UnknownOption."""
    spelled = {SEED_WORDS.get(word, word): value for word, value in words.items() if value is not None}
    known = tuple(known)
    for word in spelled:
        if word not in known:
            raise UnknownOption(word, known, of=of)
    return spelled


def plan_job(queue: str, name: str, words: Mapping[str, Any], *, rules: Ruling = None) -> Plan:
    """The plan that these `JobWords` ask for, with the rules that `manager/planning.py` made of some of them.

    Raises UnknownOption, InvalidOption, InvalidId, InvalidName, PayloadNotEncodable (metadata).
    """
    told = translate(words, _PLANNED, of="a job")
    metadata = _metadata(told.get("metadata", {}))
    retry, max_attempts = _retry(told)
    run_ms = read_time("at", told["at"] if "at" in told else told["run_at"]) if _AT & told.keys() else None
    crashes = told.get("max_crashes")
    letter = told.get("dead_letter")
    reference = told.get("reference")
    details = Details(
        metadata=metadata,
        tags=check_tags(told.get("tags", metadata.get("tags") or ())),
        reference=None if reference is None else check_reference(reference),
        correlation_id=_text(
            "correlation_id",
            told.get("correlation_id", metadata.get("correlationId", metadata.get("correlation_id"))),
        ),
        retry=retry,
        timeout=read_timeout(told["timeout"]) if "timeout" in told else None,
        max_crashes=None if crashes is None else whole("max_crashes", crashes, least=1),
        dead_letter=None if letter is None else check_name("queue", letter),
    )
    return Plan(
        queue,
        name,
        priority=check_priority(told.get("priority", Priority.NORMAL)),
        max_attempts=max_attempts,
        delay_ms=round(seconds("delay", told["delay"]) * 1000) if "delay" in told else 0,
        run_ms=run_ms,
        job_id=parse_id(told["job_id"]) if "job_id" in told else None,
        details=details,
        durability=check_durability(told["durability"]) if "durability" in told else None,
        rules=rules,
    )


_PLANNED = tuple(word for word in JobWords.__annotations__ if word not in ("connection", "chain_to"))
"""What can be said ahead; a connection is given with the call, and what follows is no matter of one job."""
_AT = {"at", "run_at"}


def _retry(told: Mapping[str, Any]) -> tuple[dict[str, Any] | None, int | None]:
    """The job's own retry policy as plain values, and its own number of attempts."""
    attempts = told.get("max_attempts")
    policy = told.get("retry", told.get("backoff"))
    if attempts is not None:
        whole("max_attempts", attempts, least=0)
    if policy is None:
        return None, attempts
    if isinstance(policy, int) and not isinstance(policy, bool):
        return None, attempts if attempts is not None else whole("retry", policy, least=0)
    plain = read_retry(policy).to_dict()
    says = not isinstance(policy, Mapping) or bool({"max_attempts", "attempts", "maxRetries"} & policy.keys())
    if attempts is None and says:
        attempts = plain["max_attempts"]
    return plain, attempts


def read_retry(value: Any) -> Retry:
    """A Retry from itself, a number of attempts, a list of delays, or plain values (also those of the seeds)."""
    if isinstance(value, Retry):
        return value
    if isinstance(value, Mapping):
        return Retry.from_dict(dict(value))
    if isinstance(value, list | tuple):
        return Retry(max_attempts=len(value) + 1, delays=value)
    if isinstance(value, int):
        return Retry(value)
    raise InvalidOption("retry", value, "a Retry, a number of attempts, or a list of delays")


def read_retention(value: Any) -> Retention:
    """A Retention from itself, or from a time for all jobs that are over (0: keep nothing)."""
    if isinstance(value, Retention):
        return value
    plain = seconds("retention", value)
    return Retention(completed=plain, failed=plain)


def read_dead_letter(value: Any) -> DeadLetterPolicy:
    """A DeadLetterPolicy from itself, or from the name of the queue that is told of each death."""
    if isinstance(value, DeadLetterPolicy):
        if value.forward_to is not None:
            check_name("queue", value.forward_to)
        return value
    return DeadLetterPolicy(forward_to=check_name("queue", value))


def read_time(option: str, value: Any) -> int:
    """Milliseconds since 1970 of a datetime that has a time zone."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidOption(option, value, "a datetime with a time zone")
    return round(value.timestamp() * 1000)


def read_timeout(value: Any) -> float:
    """Seconds for one attempt."""
    plain = seconds("timeout", value)
    if plain == 0:
        raise InvalidOption("timeout", value, "more than 0 seconds, or None for no time-out")
    return plain


def limits_of(words: Mapping[str, Any]) -> list[Limit]:
    """The limits that `rate_limit` and `limit` say. Raises InvalidOption and UnknownOption."""
    return [
        limit
        for word in ("rate_limit", "limit")
        if words.get(word) is not None
        for limit in limits_from(word, words[word])
    ]


def same_key(key: Any) -> Limit | None:
    """The `concurrency_key` of one job, as a limit. Raises InvalidOption."""
    if key is None:
        return None
    if not isinstance(key, str) or not key:
        raise InvalidOption("concurrency_key", key, "a text: no two jobs with the same one run at once")
    return Concurrency(1, by=lambda _: key)


def read_unique(value: Any) -> Unique | None:
    """A Unique from itself, or from True; None from False. Raises InvalidOption."""
    if isinstance(value, Unique):
        return value
    if not isinstance(value, bool):
        raise InvalidOption("unique", value, "a Unique such as Unique(within=60), or True for Unique()")
    return Unique() if value else None


def whole(option: str, value: Any, *, least: int) -> int:
    """A whole number, not below `least` and not beyond what every store can count."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_ATTEMPTS:
        raise InvalidOption(option, value, f"a whole number, {least} to {MOST_ATTEMPTS:,}")
    return value


def callback(option: str, value: Any) -> Any:
    """The value, if it is a function."""
    if not callable(value):
        raise InvalidOption(option, value, "a function")
    return value


def _metadata(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidOption("metadata", value, "a dict")
    return dict(value)


def _text(option: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidOption(option, value, "a text")
    return value


def duration(value: timedelta | float | None) -> float | None:
    """Seconds of a duration that may be absent."""
    return None if value is None else seconds("timeout", value)
