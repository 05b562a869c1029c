"""This module knows which function runs a job: a task's, a handler's, or a queue's processor."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from longshore.batch.gathering import BatchRule
from longshore.core.errors import InvalidTask
from longshore.core.signature import Signature
from longshore.engine.policy import Policy


class Kind(StrEnum):
    """Where a function runs."""

    ASYNC = "async"
    """A coroutine function, on the worker's event loop."""
    THREAD = "thread"
    PROCESS = "process"


class Handler(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A function that runs jobs, with what the worker must know of it."""

    name: str
    """Of the task; of the queue where it is a processor."""
    queue: str | None = None
    function: Callable[..., Any]
    kind: Kind = Kind.ASYNC
    signature: Signature | None = None
    """None: the function is called with the Job."""
    policy: Policy = Policy()
    target: str | None = None
    """Where a child process finds it: "module:qualname"."""
    batch: BatchRule | None = None
    """It runs many jobs at once: it is called with a list, and answers for each."""
    provider: str | None = None
    """The service that its jobs depend on: while that is parked, they wait."""
    on_complete: Callable[..., Any] | None = None
    """Called as (job) when a job is completed; sync or async."""
    on_failure: Callable[..., Any] | None = None
    """Called as (job, error) when a job fails for good."""


class Registry:
    """All handlers of one manager. They may be added while workers run.

    A handler takes the place of an older one of the same function: told another policy, or defined again by a
    notebook's cell. Any other one with a name that is taken is refused.
    """

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, str], Handler] = {}
        self._names: dict[str, Handler] = {}
        self._processors: dict[str, Handler] = {}
        self.has_batches: bool = False
        """Whether any handler runs many jobs at once."""

    def add_task(self, handler: Handler) -> None:
        """A task of one queue. Its name also serves jobs of that name in other queues, unless another task or handler
        has it. Raises InvalidTask when the queue has a task of this name."""
        queue = handler.queue
        if queue is None:
            raise InvalidTask(handler.name, "it has no queue")
        older = self._tasks.get((queue, handler.name))
        if not _replaces(handler, older):
            raise InvalidTask(handler.name, f"queue '{queue}' has a task of this name; pass name=")
        self._tasks[queue, handler.name] = handler
        self.has_batches = self.has_batches or handler.batch is not None
        if self._names.get(handler.name) in (None, older):
            self._names[handler.name] = handler

    def add_handler(self, handler: Handler) -> None:
        """For every job of this name, whatever its queue. Raises InvalidTask when the name is taken."""
        taken = self._names.get(handler.name)
        if taken is not None and taken.queue is None and not _replaces(handler, taken):
            raise InvalidTask(handler.name, "there is a handler of this name; register it once")
        self._names[handler.name] = handler

    def add_processor(self, handler: Handler) -> None:
        """For every job of one queue that nothing else handles. Raises InvalidTask when the queue has one."""
        queue = handler.queue
        if queue is None:
            raise InvalidTask(handler.name, "a processor needs a queue")
        if not _replaces(handler, self._processors.get(queue)):
            raise InvalidTask(handler.name, f"queue '{queue}' has a processor; register it once")
        self._processors[queue] = handler

    def find(self, queue: str, name: str) -> Handler | None:
        """Who runs such a job: the queue's task, any task or handler of the name, the queue's processor, nobody."""
        return self._tasks.get((queue, name)) or self._names.get(name) or self._processors.get(queue)

    def names(self) -> list[str]:
        """Of all tasks and handlers, sorted."""
        return sorted(self._names)

    def batched(self) -> list[Handler]:
        """Those that run many jobs at once."""
        return [handler for handler in self._tasks.values() if handler.batch is not None]

    def queues(self) -> list[str]:
        """Those that have a task or a processor, sorted."""
        return sorted({queue for queue, _ in self._tasks} | self._processors.keys())


def _replaces(newer: Handler, older: Handler | None) -> bool:
    """Whether the newer one may have the place of the older."""
    if older is None:
        return True
    is_defined_again = newer.target is not None and newer.target == older.target
    return newer is not older and (newer.function is older.function or is_defined_again)
