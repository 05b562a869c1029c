"""This module tells the hooks of a batched queue what happens to it. One that raises is logged and breaks nothing."""

import logging
from collections.abc import Callable
from typing import Any

from longshore.core.events import call_hook

log = logging.getLogger("longshore.batched")


class BatchHooks:
    """The hooks of one queue, by name: enqueue, batch_start, batch_complete, processed, size_change, error."""

    def __init__(self, queue: str, hooks: dict[str, Callable[..., Any]]) -> None:
        self._queue = queue
        self._hooks = hooks

    def wants(self, name: str) -> bool:
        """Whether anybody listens."""
        return name in self._hooks

    async def tell(self, name: str, *arguments: object) -> None:
        """Runs the hook to its end, if there is one."""
        hook = self._hooks.get(name)
        if hook is not None:
            await call_hook(f"The hook on_{name} of queue '{self._queue}'", hook, *arguments)

    async def fail(self, what: str, error: BaseException) -> None:
        """Logs what went wrong and tells on_error."""
        log.error("Queue '%s': %s: %s", self._queue, what, error, exc_info=error)
        await self.tell("error", error)
