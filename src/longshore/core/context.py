"""This module carries the caller's context into jobs: captured where a job is added, restored around its task.

Whatever an application binds (who is signed in, which tenant, a trace) goes with every job that is added inside, and
with the jobs that those jobs add: a chain of work keeps its origin without a parameter on each function.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import msgspec


class Carried(msgspec.Struct, frozen=True):
    """What goes along with the work that is done now."""

    values: Mapping[str, Any] = MappingProxyType({})
    correlation_id: str | None = None
    """Of the running job; jobs that it adds get the same unless they are given their own."""


NOTHING = Carried()
carried: ContextVar[Carried] = ContextVar("longshore_carried", default=NOTHING)


def current_context() -> Mapping[str, Any]:
    """What is bound here, and inside a task: what was bound where its job was added."""
    return carried.get().values


@contextmanager
def bind_context(**values: Any) -> Iterator[None]:
    """More values in the context, for the length of a block.

    `with bind_context(user="7"): await task.enqueue(…)`. The values are stored with each job as JSON, so keep
    them few and small.
    """
    now = carried.get()
    token = carried.set(Carried(MappingProxyType({**now.values, **values}), now.correlation_id))
    try:
        yield
    finally:
        carried.reset(token)


def restore(values: Mapping[str, Any], correlation_id: str | None) -> None:
    """For a worker, inside the fresh `contextvars` context of one attempt: makes the job's context the current one."""
    carried.set(Carried(values, correlation_id) if values or correlation_id else NOTHING)
