"""This module hears the store's wake-ups for a service, and goes on listening whatever happens to the store."""

import asyncio
import logging
from collections.abc import Callable, Collection
from random import Random

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.service import Patience
from longshore.store.contract import Store
from longshore.store.replies import WakeKind

log = logging.getLogger("longshore.service")

LISTEN_SECONDS = 60.0


class Hearing:
    """Calls `heard` for wake-ups of these kinds, and whenever listening begins: what came before may be missed."""

    def __init__(
        self,
        store: Store,
        kinds: Collection[WakeKind],
        heard: Callable[[], None],
        *,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._heard = heard
        self._clock = clock
        self._patience = Patience(random)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="longshore hearing")

    async def stop(self) -> None:
        """Ends. Again, or before `start`: does nothing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except StoreUnavailable:
                await self._clock.sleep(self._patience.next_seconds())
            except Exception:
                log.exception("Listening for wake-ups failed; it is tried again, and polling goes on.")
                await self._clock.sleep(self._patience.next_seconds())

    async def _listen(self) -> None:
        listener = await self._store.listen(self._kinds)
        try:
            self._heard()
            while True:
                if await listener.wait(LISTEN_SECONDS):
                    self._heard()
                self._patience.reset()
        finally:
            await listener.close()
