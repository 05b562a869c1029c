"""This module pools the connections of one event loop. On each of them one call runs at a time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import Enum
from functools import partial
from typing import TypeVar

from longshore.backends.postgres.connecting import Connection, Connector
from longshore.backends.postgres.faults import (
    AGAIN,
    spoils_all_connections,
    spoils_the_connection,
    state_of,
)
from longshore.backends.postgres.url import Dsn
from longshore.core.errors import StoreUnavailable

Reply = TypeVar("Reply")
PARTING_SECONDS = 2.0
"""How long a connection may take to take its leave, before it is cut."""


class Lane(Enum):
    """What a call is for. Calls of different lanes overlap where the pool is large enough."""

    CLAIM = 0
    SETTLE = 1
    OTHER = 2
    """Whatever else writes."""
    READ = 3
    LEASE = 4
    """Keeps a connection of its own whatever the pool: a heartbeat that waits its turn behind a claim is late."""


CONNECTIONS_OF_LANES = {1: (0, 0, 0, 0, 4), 2: (0, 1, 1, 0, 4), 3: (0, 1, 2, 2, 4), 4: (0, 1, 2, 3, 4)}
"""For each size of the pool, the place of the connection that each lane uses."""


class Generation:
    """Which connections can be trusted: those opened under the newest number. Shared by all loops of a store."""

    def __init__(self) -> None:
        self.number = 0


class OutOfTime(Exception):
    """A call that was not done by its deadline."""

    def __init__(self, problem: str, *, in_the_queue: bool) -> None:
        super().__init__(problem)
        self.in_the_queue = in_the_queue
        """It was not begun."""


class PooledConnection:
    """A place in the pool: one connection, or none yet, and the calls that wait for it."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], generation: Generation) -> None:
        self._connect = connect
        self._generation = generation
        self._since = 0
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._is_closed = False
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self, work: Callable[[Connection], Awaitable[Reply]], until: float) -> Reply:
        """What `work` returns; raises what it raises. A transaction that lost a race is tried once more.

        Raises OutOfTime when the loop's clock has come to `until`. Whoever is cancelled takes the connection
        along: the server is asked to stop, and the next one in the queue gets a new connection and not a session in
        an unknown state.
        """
        try:
            async with asyncio.timeout_at(until):
                await self._turn.acquire()
        except TimeoutError as error:
            raise OutOfTime("no turn among the calls that wait", in_the_queue=True) from error
        try:
            async with asyncio.timeout_at(until):
                return await self._attempt_twice(work)
        except TimeoutError as error:
            self._generation.number += 1  # the other connections may lead into the same hole
            raise OutOfTime("no answer", in_the_queue=False) from error
        finally:
            self._turn.release()

    async def _attempt_twice(self, work: Callable[[Connection], Awaitable[Reply]]) -> Reply:
        try:
            return await self._attempt(work)
        except Exception as error:
            if state_of(error) not in AGAIN:
                raise
        return await self._attempt(work)

    async def _attempt(self, work: Callable[[Connection], Awaitable[Reply]]) -> Reply:
        connection = await self._ready()
        try:
            return await work(connection)
        except asyncio.CancelledError:
            self._part()
            raise
        except Exception as error:
            if spoils_all_connections(error):
                self._generation.number += 1
            if spoils_the_connection(error):
                self.cut()
            raise
        finally:
            if not connection.is_usable:
                self.cut()

    async def _ready(self) -> Connection:
        """The connection, made anew where there is none that can be trusted."""
        if self._connection is not None and (
            self._since != self._generation.number or not self._connection.is_usable
        ):
            self.cut()
        if self._connection is None and not self._is_closed:
            self._since = self._generation.number
            self._connection = await self._connect()
        if self._is_closed or self._connection is None:  # while we waited for our turn, or for the server
            self.cut()
            raise StoreUnavailable("closed", "it was closed while the call was under way")
        return self._connection

    def cut(self) -> None:
        """Ends the connection at once, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def cut_if_idle(self) -> None:
        """Ends the connection unless a call is under way; that one learns by itself."""
        if not self._turn.locked():
            self.cut()

    def _part(self) -> None:
        """Leaves the connection to a task that asks the server to stop what it does, and then ends it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            task = asyncio.ensure_future(_take_leave(connection))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Ends everything, whoever uses it. A server that is being asked to stop may hear that to the end first."""
        self._is_closed = True
        self.cut()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def abandon(self) -> None:
        """Ends everything at once, also what is being said to a server."""
        self._is_closed = True
        self.cut()
        for task in list(self._leaving):
            task.cancel()


class ConnectionPool:
    """The connections of one event loop."""

    def __init__(
        self, dsn: Dsn, connector: Connector, generation: Generation, count: Callable[[], None]
    ) -> None:
        self._dsn = dsn
        self._connections = [
            PooledConnection(partial(connector.connect, lane.name.lower(), count), generation)
            for lane in Lane
        ]
        self._of_lanes = [self._connections[place] for place in CONNECTIONS_OF_LANES[dsn.pool]]
        self._generation = generation
        self._end = self._until_the_loop_ends()

    async def end_with_loop(self) -> None:
        """Has every connection ended when the loop ends, if nobody closes the pool before."""
        await anext(self._end)

    async def run(self, lane: Lane, work: Callable[[Connection], Awaitable[Reply]]) -> Reply:
        """What `work` returns, in its turn. Raises StoreUnavailable where that takes longer than the deadline."""
        before, seconds = self._generation.number, self._dsn.deadline_seconds
        until = asyncio.get_running_loop().time() + seconds  # real time: no test's clock moves a server
        try:
            return await self._of_lanes[lane.value].run(work, until)
        except OutOfTime as late:
            where = f"{self._dsn.public}: {late} within {seconds:g} s"
            reason = "busy" if late.in_the_queue else "unreachable"
            raise StoreUnavailable(reason, where, is_absent=not late.in_the_queue) from late
        finally:
            if self._generation.number != before:
                for connection in self._connections:
                    connection.cut_if_idle()

    def distrust(self) -> None:
        """Every connection is made anew before its next use: one did not answer, and a way that has gone silent for
        one is silent for all. Else each of them would cost the next caller a deadline of its own."""
        self._generation.number += 1
        for connection in self._connections:
            connection.cut_if_idle()

    def end_with_store(self) -> None:
        """Begins to end every connection; in its loop."""
        for connection in self._connections:
            connection.abandon()

    async def close(self) -> None:
        """Ends every connection."""
        await asyncio.gather(*(connection.close() for connection in self._connections))
        await self._end.aclose()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        """`asyncio.run` closes what is left of generators, and that is how a loop says that it ends."""
        try:
            yield
        finally:
            self.end_with_store()


async def _take_leave(connection: Connection) -> None:
    try:
        await connection.driver.close(timeout=PARTING_SECONDS)
    except Exception:  # noqa: BLE001 - whatever it was, the connection is not needed any more
        connection.terminate()
    except asyncio.CancelledError:
        connection.terminate()
        raise
