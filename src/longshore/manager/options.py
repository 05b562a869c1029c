"""This module holds what a queue and a task are told when they are defined, and what follows for an attempt."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

import msgspec

from longshore.core.errors import InvalidOption
from longshore.core.fairness import Turns, Weights, check_weights
from longshore.core.limits import Concurrency, Limit, Rate, limits_from
from longshore.core.names import check_name
from longshore.core.picking import By, Pick
from longshore.core.priority import check_priority
from longshore.core.retention import Retention
from longshore.core.retry import Retry, Seconds
from longshore.core.unique import Unique
from longshore.cron.schedule import Schedule
from longshore.dlq.policy import DeadLetterPolicy
from longshore.manager.option_parsing import (
    JobWords,
    callback,
    limits_of,
    plan_job,
    read_dead_letter,
    read_retention,
    read_retry,
    read_timeout,
    read_unique,
    same_key,
    translate,
    whole,
)

OnBadResult = Literal["fail", "complete"]
WhenFull = Literal["reject", "drop_oldest", "wait"]


class QueueWords(TypedDict, total=False):
    """What can be said about a queue."""

    concurrency: int
    """Jobs of the queue that one worker process runs at once."""
    retry: Retry | Mapping[str, Any] | int
    timeout: Seconds
    """For one attempt."""
    retention: Retention | Seconds | Literal["default"]
    """How long jobs that are over are kept. Workers of every application heed what was stated last; the settings hold
    where nobody has stated anything, and again where "default" withdraws it."""
    dead_letter: str | DeadLetterPolicy
    """Who is told of a job that fails for good, or what becomes of it."""
    rate_limit: Rate | str | Mapping[str, Any] | Sequence[Rate]
    """How many jobs of the queue may start in how much time, in all processes together: `Rate(100, per=60)`."""
    limit: Limit | Sequence[Limit]
    """What else all its jobs are under: `Concurrency(5)`, `Concurrency(2, by="tenant")`, a Rate, or several."""
    max_size: int | None
    """How many jobs may wait in the queue: pending, held, scheduled, retrying or blocked. Heeded by those who add jobs
    and were told; None withdraws it."""
    when_full: WhenFull
    """What becomes of one more: "reject" (QueueFull), "drop_oldest" (the oldest are cancelled), or "wait"."""
    fair_by: By
    """Jobs of one priority take turns by this: an argument's name, a path into the data, a function of it."""
    fair_weights: Weights
    """Who gets how many turns: {"acme": 3}, or a function of the key; 1 for all others."""
    durable: bool
    """False: the jobs are in the memory of this process and end with it; its own workers run them."""


class TaskWords(TypedDict, total=False):
    """What can be said about a task. What is not said comes from its queue."""

    name: str
    queue: str
    process: bool
    """Run in a process of its own instead of a thread."""
    retry: Retry | Mapping[str, Any] | int
    timeout: Seconds
    priority: int
    max_crashes: int
    on_failure: Callable[..., Any]
    """Called as (job, error) when the job has failed for good."""
    on_complete: Callable[..., Any]
    """Called as (job) when the job has completed."""
    retention: Retention | Seconds
    """0, or a Retention with 0: its jobs are forgotten at once. How long others are kept is said by the queue."""
    on_bad_result: OnBadResult
    """What becomes of a job whose result has no JSON form."""
    rate_limit: Rate | str | Mapping[str, Any] | Sequence[Rate]
    limit: Limit | Sequence[Limit]
    """What its jobs are under besides the limits of their queue."""
    unique: Unique | bool
    """Of jobs that are the same, only one is added; True: `Unique()`."""
    concurrency_key: By
    """Two jobs of the queue with the same key never run at once; read like `by` of a limit."""
    fair_by: By
    fair_weights: Weights
    """As of a queue, for the jobs of this task."""
    provider: str
    """The service that its jobs depend on: while that is parked (`RateLimited`), they wait."""
    schedule: Schedule | str | Seconds | datetime
    """When a job without arguments is added by itself: "0 3 * * *", 300, or a Schedule with more words."""


class FlowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What queues and tasks are told alike of limits and turns, checked."""

    rate_limit: tuple[Limit, ...] = ()
    limit: tuple[Limit, ...] = ()
    fair_by: By | None = None
    fair_weights: Weights | None = None

    @property
    def limits(self) -> tuple[Limit, ...]:
        """All of them, but for a task's `concurrency_key`."""
        return self.rate_limit + self.limit

    @property
    def turns(self) -> Turns | None:
        """Whose turn the jobs take, where anything was said of it. Raises InvalidOption."""
        return turns_of(self.fair_by, self.fair_weights)


class QueueOptions(FlowOptions, frozen=True, kw_only=True):
    """`QueueWords`, checked."""

    concurrency: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    retention: Retention | None = None
    withdraws_retention: bool = False
    """Whether the settings' retention counts again, whatever was stated before."""
    dead_letter: DeadLetterPolicy | None = None
    defaults: Mapping[str, Any] = {}
    """`JobWords` for each job that is added here."""
    max_size: int | None = None
    when_full: WhenFull | None = None
    durable: bool | None = None


class TaskOptions(FlowOptions, frozen=True, kw_only=True):
    """`TaskWords`, checked, but for name and queue."""

    process: bool = False
    retry: Retry | None = None
    timeout: float | None = None
    priority: int | None = None
    max_crashes: int | None = None
    on_failure: Callable[..., Any] | None = None
    on_complete: Callable[..., Any] | None = None
    retention: Retention | None = None
    on_bad_result: OnBadResult | None = None
    concurrency_key: Limit | None = None
    unique: Unique | None = None
    provider: str | None = None


def turns_of(by: By | None, weights: Weights | None) -> Turns | None:
    """The turns that these two options ask for. Raises InvalidOption for weights of nothing."""
    if by is None and weights is not None:
        raise InvalidOption("fair_weights", weights, "fair_by= beside it, which says whose weights they are")
    return None if by is None else Turns(by, weights)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "concurrency": lambda value: whole("concurrency", value, least=1),
    "concurrency_key": lambda value: Concurrency(1, by=Pick("concurrency_key", value).by),
    "dead_letter": read_dead_letter,
    "fair_by": lambda value: Turns(value).pick.by,
    "fair_weights": check_weights,
    "limit": lambda value: limits_from("limit", value),
    "durable": lambda value: _yes_or_no("durable", value),
    "max_crashes": lambda value: whole("max_crashes", value, least=1),
    "max_size": lambda value: whole("max_size", value, least=1),
    "name": lambda value: check_name("task", value),
    "on_bad_result": lambda value: _one_of("on_bad_result", value, ("fail", "complete")),
    "on_complete": lambda value: callback("on_complete", value),
    "on_failure": lambda value: callback("on_failure", value),
    "priority": check_priority,
    "process": bool,
    "provider": lambda value: check_name("provider", value),
    "queue": lambda value: check_name("queue", value),
    "rate_limit": lambda value: limits_from("rate_limit", value),
    "retention": read_retention,
    "retry": read_retry,
    "schedule": Schedule.of,
    "timeout": read_timeout,
    "unique": read_unique,
    "when_full": lambda value: _one_of("when_full", value, ("reject", "drop_oldest", "wait")),
}


def read_queue(words: Mapping[str, Any]) -> dict[str, Any]:
    """`QueueWords`, checked. Raises UnknownOption, InvalidOption, InvalidName."""
    told = translate(words, QueueWords.__annotations__, of="a queue")
    withdrawn = {"retention": None, "withdraws_retention": True}
    if told.get("retention") == "default":
        told.pop("retention")
    elif "retention" in told:
        withdrawn = {"withdraws_retention": False}
    else:
        withdrawn = {}
    if "max_size" in words and words["max_size"] is None:
        withdrawn |= {"max_size": None} if "when_full" in told else {"max_size": None, "when_full": None}
    return {word: _READ[word](value) for word, value in told.items()} | withdrawn


def read_task(words: Mapping[str, Any]) -> dict[str, Any]:
    """`TaskWords`, checked. Raises UnknownOption, InvalidOption, InvalidName."""
    told = translate(words, TaskWords.__annotations__, of="a task")
    read = {word: _READ[word](value) for word, value in told.items()}
    if "retention" in read and not _is_all_or_nothing(read["retention"]):
        raise InvalidOption("retention", words["retention"], "0 for a task; ages and counts are its queue's")
    return read


def read_defaults(queue: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """Queue options from the `default_job_options` of seed 003: `JobWords`, and how long jobs are kept.

    `removeOnComplete` and `removeOnFail` are True, a number of jobs, or {"age": seconds, "count": jobs}.
    """
    jobs = dict(words)
    age, count = _removal(jobs, "removeOnComplete", "remove_on_complete")
    failed, _ = _removal(jobs, "removeOnFail", "remove_on_fail")
    told: dict[str, Any] = {}
    if len(jobs) < len(words):
        told["retention"] = Retention(completed=age, failed=failed, max_count=count)
    plan_job(queue, "any", jobs)
    limits_of(jobs)
    same_key(jobs.get("concurrency_key"))
    read_unique(jobs.get("unique", False))
    if jobs:
        told["defaults"] = jobs
    return told


def _is_all_or_nothing(retention: Retention) -> bool:
    """Whether it says no more than what is forgotten at once: jobs are pruned queue by queue, not task by task."""
    default = Retention()
    is_plain = retention.completed_seconds in (0, default.completed_seconds)
    return is_plain and retention.failed_seconds in (0, default.failed_seconds) and not retention.max_count


def _removal(words: dict[str, Any], *names: str) -> tuple[float | None, int | None]:
    age: float | None = None
    count: int | None = None
    for name in names:
        rule = words.pop(name, None)
        if rule is True:
            age = 0.0
        elif isinstance(rule, int) and not isinstance(rule, bool):
            count = rule
        elif isinstance(rule, Mapping):
            age, count = rule.get("age"), rule.get("count")
        elif rule:
            raise InvalidOption(name, rule, 'True, a number, or {"age": seconds, "count": jobs}')
    return age, count


def _yes_or_no(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(option, value, "True or False")
    return value


def _one_of(option: str, value: Any, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise InvalidOption(option, value, " or ".join(map(repr, allowed)))
    return value


JOB_WORDS = frozenset(JobWords.__annotations__)
