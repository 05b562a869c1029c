"""This module tells the application what happened: named events, and the hooks that listen to them.

Hooks are plain functions or coroutine functions. One that raises is logged and never harms a job. Nothing is built
for an event that nobody listens to: ask `wants` first where it matters.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from longshore.core.errors import UnknownOption

log = logging.getLogger("longshore.hooks")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `job` is the manager's handle for events about one job; `data` holds the rest, by event."""

    name: str
    queue: str | None = None
    job: Any = None
    error: BaseException | None = None
    data: dict[str, Any] = {}


Hook = Callable[[Event], Any]

EVENTS = (
    "enqueued",
    "started",
    "completed",
    "failed",
    "retrying",
    "cancelled",
    "released",
    "batch_started",
    "batch_completed",
    "crashed",
    "stale",
    "dead_letter",
    "dropped",
    "unknown_task",
    "error",
    "worker_started",
    "worker_stopped",
    "unhealthy",
    "unsafe",
)
"""Every name that `manager.on` accepts; docs/reference/events.md says when each is told."""


class Bus:
    """The hooks of one manager, by event. They run in the order in which they were added, in the process where the
    event happened."""

    def __init__(self) -> None:
        self._hooks: dict[str, list[Hook]] = {}

    def on(self, name: str, hook: Hook) -> None:
        """Adds a hook. Raises UnknownOption for a name that no event has."""
        if name not in EVENTS:
            raise UnknownOption(name, EVENTS, of="manager.on (an event's name)")
        self._hooks.setdefault(name, []).append(hook)

    def wants(self, name: str) -> bool:
        """Whether anybody listens."""
        return name in self._hooks

    async def tell(self, event: Event) -> None:
        """Runs the event's hooks, each to its end."""
        for hook in self._hooks.get(event.name, ()):
            await call_hook(f"A hook of '{event.name}'", hook, event)


HOOK_SECONDS = 30.0
"""What a hook may take. One that never came back would hold up all that is told after it, and the end of its worker."""


async def call_hook(what: str, hook: Callable[..., Any], *arguments: object) -> None:
    """Runs somebody's hook to its end, or cancels it after `HOOK_SECONDS`. Whatever it raises is logged: not even
    SystemExit ends a worker. A plain function that blocks its thread cannot be ended."""
    limit = asyncio.timeout(HOOK_SECONDS)
    try:
        outcome = hook(*arguments)
        if inspect.isawaitable(outcome):
            async with limit:
                await outcome
    except GeneratorExit:  # the event loop is thrown away
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # it is we who were cancelled, not the hook that says so
        if limit.expired():
            log.exception(
                "%s took more than %g s and was cancelled; the job is not affected.", what, HOOK_SECONDS
            )
        else:
            log.exception("%s raised; the job is not affected.", what)
