"""This module listens to two stores as if they were one."""

import asyncio
from collections.abc import Callable, Collection

from longshore.backends.mailbox import Mailbox
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.store.contract import Listener
from longshore.store.replies import Wake

ROUND_SECONDS = 3600.0


class TierListener:
    """The wake-ups of both listeners. It is over, and says why, when one of them is."""

    def __init__(self, one: Listener, other: Listener, clock: Clock) -> None:
        self._listeners = (one, other)
        self._mailbox = Mailbox(clock)
        self._loss: StoreUnavailable | None = None
        loop = asyncio.get_running_loop()
        self._hearing = [
            loop.create_task(self._hear(each), name="longshore listener") for each in self._listeners
        ]

    def tell(self, hear: Callable[[Collection[Wake]], None]) -> None:
        """See `Listener.tell`."""
        for each in self._listeners:
            each.tell(hear)
        self._mailbox.tell(hear)

    async def wait(self, seconds: float) -> list[Wake]:
        """See `Listener.wait`."""
        wakes = await self._mailbox.wait(seconds)
        if self._loss is not None and not wakes:
            raise self._loss
        return wakes

    async def close(self) -> None:
        """See `Listener.close`."""
        self._mailbox.end()
        for hearing in self._hearing:
            hearing.cancel()
        await asyncio.gather(*self._hearing, return_exceptions=True)
        for listener in self._listeners:
            await listener.close()

    async def _hear(self, listener: Listener) -> None:
        try:
            while True:
                self._mailbox.put(await listener.wait(ROUND_SECONDS))
        except StoreUnavailable as error:
            self._loss = error
            self._mailbox.end()
