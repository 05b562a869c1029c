"""This module computes the rules of a job from its payload: each clause says its part, and the parts are put together.

A clause is what was said of a queue, a task or a job (a limit, a unique key, room), read once when the plan is made.
Clauses that say the same of every job cost nothing per job: their rules are put together once, too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from longshore.core.payload import decode
from longshore.core.rules import Rules

RulesOf = Callable[[bytes], Rules | None]
"""From a payload to the rules of its job."""
Ruling = RulesOf | Rules | None
"""What a `Plan` is told: how to compute rules, those of all its jobs, or that there are none."""
NOTHING: Mapping[str, Any] = {}


class Subject:
    """The job that rules are computed for."""

    __slots__ = ("_data", "_defaults", "_is_read", "name", "payload", "queue")

    def __init__(
        self, queue: str, name: str, payload: bytes, *, defaults: Mapping[str, Any] = NOTHING
    ) -> None:
        """`defaults`: of the task's parameters, as plain values, where the task is known."""
        self.queue = queue
        self.name = name
        self.payload = payload
        self._defaults = defaults
        self._data: Any = None
        self._is_read = False

    @property
    def data(self) -> Any:
        """The job's data as plain values, whoever produced it; of a task, all its arguments by name."""
        if not self._is_read:
            data = decode(self.payload)
            self._data = {**self._defaults, **data} if self._defaults and isinstance(data, dict) else data
            self._is_read = True
        return self._data


class Clause(Protocol):
    """Says one part of the rules."""

    @property
    def is_fixed(self) -> bool:
        """Whether it says the same of every job, without a look at the subject's data."""

    def rules(self, subject: Subject) -> Rules:
        """Its part: fields that are not its own stay as they are in `Rules()`. Raises what the caller who adds the
        job shall see; nothing is stored then."""


def ruling(
    queue: str, name: str, clauses: Sequence[Clause], *, defaults: Mapping[str, Any] = NOTHING
) -> Ruling:
    """What these clauses say of jobs of this queue and name, for `Plan(rules=…)`."""
    if not clauses:
        return None
    if all(clause.is_fixed for clause in clauses):
        return _joined([clause.rules(Subject(queue, name, b"null")) for clause in clauses])

    def rules_of(payload: bytes) -> Rules | None:
        subject = Subject(queue, name, payload, defaults=defaults)
        return _joined([clause.rules(subject) for clause in clauses])

    return rules_of


def _joined(parts: Sequence[Rules]) -> Rules | None:
    """All limits, and of the other rules the last that was said."""
    flow = tuple(key for part in parts for key in part.flow)
    joined = Rules(
        flow=flow,
        fair=_last(part.fair for part in parts),
        unique=_last(part.unique for part in parts),
        room=_last(part.room for part in parts),
    )
    return None if joined == _NO_RULES else joined


def _last(values: Any) -> Any:
    said = [value for value in values if value is not None]
    return said[-1] if said else None


_NO_RULES = Rules()
