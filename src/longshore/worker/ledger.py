"""This module writes down which jobs a worker runs together, before it begins and after it has ended (ADR 0018).

One small record beside the session. Batches that begin while it is being written share the next writing of it. What is
to be forgotten of jobs that have come through goes along.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random

from longshore.batch.halving import Begun, Task, announcement, healed
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import JobId
from longshore.core.service import Patience
from longshore.engine.engine import Engine

LAZY_SECONDS = 0.1
"""What has ended is taken back with the next batch that begins, or after so long: under load that halves the writes."""
STOP_SECONDS = 1.0

log = logging.getLogger("longshore.worker")


class Ledger:
    """The record of one worker."""

    def __init__(self, engine: Engine, session: Callable[[], str], *, clock: Clock, random: Random) -> None:
        self._store = engine.store
        self._session = session
        self._clock = clock
        self._patience = Patience(random)
        self._batches: dict[tuple[JobId, ...], Task] = {}
        self._healed: list[JobId] = []
        self._version = self._written = 0
        self._writing = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None

    async def begin(self, task: Task, ids: tuple[JobId, ...]) -> None:
        """Returns when it stands written that these jobs run together; waits for a store that is away."""
        self._batches[ids] = task
        self._version += 1
        await self._write(self._version)

    def end(self, ids: tuple[JobId, ...], *, heals: bool) -> None:
        """They do not run any more. `heals`: what was remembered of an older batch of theirs can be forgotten."""
        self._batches.pop(ids, None)
        self._version += 1
        if heals:
            self._healed += ids
        if self._ending is None or self._ending.done():
            self._ending = asyncio.get_running_loop().create_task(self._write_soon(), name="longshore ledger")

    async def stop(self) -> None:
        """Takes back what has ended, and writes no more. What a store that is away keeps of it names no job that
        anybody holds, and is gone in time."""
        if self._ending is not None:
            self._ending.cancel()
            last = asyncio.ensure_future(self._write(None))
            await asyncio.wait([last], timeout=STOP_SECONDS)
            last.cancel()
            await asyncio.gather(self._ending, last, return_exceptions=True)

    async def _write_soon(self) -> None:
        await self._clock.sleep(LAZY_SECONDS)
        await self._write(None)

    async def _write(self, wanted: int | None) -> None:
        """Until this version is written, or all that is new."""
        async with self._writing:
            while self._written < (self._version if wanted is None else wanted):
                version, forgotten = self._version, self._healed
                self._healed = []
                begun = Begun(tuple(dict.fromkeys(self._batches.values())), tuple(self._batches))
                try:
                    puts = [announcement(self._session(), begun), *map(healed, forgotten)]
                    await self._store.put(puts)
                except StoreUnavailable as error:
                    self._healed = forgotten + self._healed
                    if self._patience.failures == 0:
                        log.warning("Batches wait for the store: %s", error)
                    await self._clock.sleep(self._patience.next_seconds())
                except BaseException:
                    self._healed = forgotten + self._healed
                    raise
                else:
                    self._patience.reset()
                    self._written = version
