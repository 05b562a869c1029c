"""This module is how the PostgreSQL store talks to its server: calls in lanes, each with a deadline."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from longshore.backends.postgres.berths import Berths, Lane, Tide
from longshore.backends.postgres.connecting import Connection, Connector
from longshore.backends.postgres.faults import meaning
from longshore.backends.postgres.url import Dsn
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable

__all__ = ["Connection", "Lane", "Links"]

Reply = TypeVar("Reply")


class Links:
    """The connections of one store handle, for any number of event loops."""

    def __init__(self, dsn: Dsn, clock: Clock) -> None:
        self.dsn = dsn
        self.journeys = 0
        """Round trips so far."""
        self._connector = Connector(dsn, clock, self._count)
        self._tide = Tide()
        self._of_loops: dict[asyncio.AbstractEventLoop, Berths] = {}
        self._lock = threading.Lock()
        self._process = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are taken."""
        return self._process != 0

    async def open(self) -> None:
        """Takes calls from now on; connects with the first."""
        self._process = os.getpid()

    async def run(self, lane: Lane, work: Callable[[Connection], Awaitable[Reply]]) -> Reply:
        """What `work` returns, given a connection that nobody else uses meanwhile.

        Raises StoreUnavailable where the store cannot be used, at the latest after the deadline of the URL; then the
        server may or may not have done the work. Other errors, of one statement, come as they are.
        """
        berths = await self._berths()
        try:
            async with asyncio.timeout(
                self.dsn.deadline_seconds
            ):  # real time: no test's clock moves a server
                return await berths.run(lane, work)
        except TimeoutError as error:
            raise self._closed() or StoreUnavailable(
                "unreachable", f"{self.dsn.public}: no answer within {self.dsn.deadline_seconds:g} s"
            ) from error
        except Exception as error:
            meant = self._closed() or meaning(error, self.dsn.public)
            if meant is error:
                raise
            raise meant from error

    async def close(self) -> None:
        """Ends every connection; calls under way end with StoreUnavailable("closed"). Again: does nothing."""
        with self._lock:
            self._process = 0
            of_loops, self._of_loops = self._of_loops, {}
        here = asyncio.get_running_loop()
        for loop, berths in of_loops.items():
            if loop is not here and not loop.is_closed():
                with suppress(RuntimeError):  # it was closed just now, and its connections with it
                    loop.call_soon_threadsafe(berths.abandon)
        if here in of_loops:
            await of_loops[here].close()

    async def _berths(self) -> Berths:
        """Those of the running loop."""
        if closed := self._closed():
            raise closed
        loop = asyncio.get_running_loop()
        found = self._of_loops.get(loop)
        if found is None:
            found = Berths(self.dsn.pool, self._connector, self._tide)
            with self._lock:
                self._of_loops = {loop: of for loop, of in self._of_loops.items() if not loop.is_closed()}
                self._of_loops[loop] = found
            await found.moor()
        return found

    def _closed(self) -> StoreUnavailable | None:
        if self._process == os.getpid():
            return None
        if self._process == 0:
            return StoreUnavailable("closed", f"open() the store at {self.dsn.public} first")
        detail = (
            f"{self.dsn.public} was opened in process {self._process}; open a store of its own in this one"
        )
        return StoreUnavailable("closed", detail)

    def _count(self) -> None:
        self.journeys += 1
