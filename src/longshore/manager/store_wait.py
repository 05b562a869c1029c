"""This module waits for a server that is away when a worker starts, as a running worker waits in an outage.

Only an absence is waited for: a refused password, another schema or an unsafe store is for people to mend.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.service import Alarm, Patience

log = logging.getLogger("longshore.worker")

Opened = TypeVar("Opened")


class StoreWait:
    """Waits until something opens, or until it is told to end: `drain` and `stop` may be called from a signal handler
    and from any thread."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(random)
        self._alarm = Alarm(clock)
        self.is_over = False
        """Whether somebody wants the worker to end before it began."""

    def drain(self) -> None:
        """End the waiting at once."""
        self.is_over = True
        self._loop.call_soon_threadsafe(self._alarm.ring)

    def stop(self) -> None:
        """The same: nothing runs yet."""
        self.drain()

    async def opened(self, opening: Callable[[], Awaitable[Opened]]) -> Opened | None:
        """What `opening` gives once the store is there; None when the waiting was ended. Raises what `opening` does,
        but for a StoreUnavailable that is an absence."""
        while not self.is_over:
            attempt = asyncio.ensure_future(opening())
            attempt.add_done_callback(lambda _: self._alarm.ring())
            try:
                while not (attempt.done() or self.is_over):
                    await self._alarm.wait()
            finally:
                attempt.cancel()
                await asyncio.wait([attempt])
            if attempt.cancelled():
                break
            try:
                opened = attempt.result()
            except StoreUnavailable as error:
                if not error.is_absent:
                    raise
                await self._pause(error)
            else:
                if self._patience.failures:
                    log.info("The store is there; the worker goes on.")
                return opened
        log.info("stopped before the store was there")
        return None

    async def _pause(self, error: StoreUnavailable) -> None:
        if self._patience.failures == 0:
            log.warning("The worker waits for the store, and starts when it is there: %s", error)
        if not self.is_over:
            await self._alarm.wait(self._patience.next_seconds())
