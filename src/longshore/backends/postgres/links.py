"""This module is how the PostgreSQL store talks to its server: calls in lanes, each with a deadline."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import TypeVar

from longshore.backends.postgres.connecting import Connection, Connector
from longshore.backends.postgres.echoing import echoes
from longshore.backends.postgres.examining import find_facts
from longshore.backends.postgres.faults import meaning
from longshore.backends.postgres.findings import LONG_TRANSACTION_SECONDS, Facts, judge
from longshore.backends.postgres.listen_session import ListenSession
from longshore.backends.postgres.listening import PostgresListener
from longshore.backends.postgres.migrating import is_prepared, migrate
from longshore.backends.postgres.pooling import ConnectionPool, Generation, Lane
from longshore.backends.postgres.statements import statements
from longshore.backends.postgres.url import Dsn, elsewhere
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Finding, Migration, WakeKind

__all__ = ["Connection", "Lane", "Links"]

Reply = TypeVar("Reply")
OfLoop = TypeVar("OfLoop")


class Links:
    """The connections of one store handle, for any number of event loops."""

    def __init__(self, dsn: Dsn, clock: Clock, connector: Connector | None = None) -> None:
        """`connector` is one that knows the server already."""
        self.dsn = dsn
        self.journeys = 0
        """Round trips so far."""
        self._connector = connector or Connector(dsn, clock)
        self._statements = statements(dsn.names)
        self._clock = clock
        self._opening = asyncio.Lock()
        self._listen_sessions: dict[asyncio.AbstractEventLoop, ListenSession] = {}
        self._generation = Generation()
        self._of_loops: dict[asyncio.AbstractEventLoop, ConnectionPool] = {}
        self._lock = threading.Lock()
        self._process = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are taken."""
        return self._process != 0

    async def open(self) -> None:
        """Takes calls from now on. Makes the schema where there is none yet.

        Raises StoreUnavailable, and SchemaMismatch where the schema is not the one that this version needs.
        """
        async with self._opening:
            if self.is_open:
                return
            self._process = os.getpid()
            try:
                if not await self.run(Lane.READ, lambda connection: is_prepared(connection, self.dsn)):
                    await self._alone("migrate", lambda connection: migrate(connection, self.dsn, apply=True))
            except BaseException:
                await self.close()
                raise

    def twin(self) -> "Links":
        """Connections of its own to the same server; open without a journey. Raises StoreUnavailable("closed")."""
        if closed := self._closed():
            raise closed
        twin = Links(self.dsn, self._clock, self._connector)
        twin._process = self._process
        return twin

    async def migrate(self, *, apply: bool) -> Migration:
        """See `Store.migrate`. Takes as long as it takes."""
        return await self._alone("migrate", lambda connection: migrate(connection, self.dsn, apply=apply))

    async def run(self, lane: Lane, work: Callable[[Connection], Awaitable[Reply]]) -> Reply:
        """What `work` returns, given a connection that nobody else uses meanwhile.

        Raises StoreUnavailable where the store cannot be used, at the latest after the deadline of the URL; then the
        server may or may not have done the work. Other errors, of one statement, come as they are.
        """
        pool = await self._pool()
        try:
            return await pool.run(lane, work)
        except Exception as error:
            if type(error) is TimeoutError:
                pool.distrust()
            meant = self._closed() or self._meaning(error)
            if meant is error:
                raise
            raise meant from error

    async def examine(
        self, *, contents: bool, long_seconds: float = LONG_TRANSACTION_SECONDS
    ) -> list[Finding]:
        """See `Store.examine`. A transaction is long from `long_seconds` on."""
        hears = await self._hears()

        async def look(connection: Connection) -> Facts:
            return await find_facts(
                connection, self.dsn, self._clock, hears=hears, contents=contents, long_seconds=long_seconds
            )

        return judge(await self.run(Lane.READ, look))

    async def listen(self, kinds: Collection[WakeKind], queues: Collection[str] | None) -> PostgresListener:
        """See `Store.listen`."""
        if closed := self._closed():
            raise closed
        loop = asyncio.get_running_loop()
        if loop not in self._listen_sessions:
            with self._lock:
                self._listen_sessions = _of_living(self._listen_sessions)
                self._listen_sessions[loop] = self._new_listen_session()
        try:
            return await self._listen_sessions[loop].join(kinds, queues)
        except Exception as error:
            raise self._meaning(error) from error

    def claimed(self, queues: Collection[str]) -> None:
        """A claim of the running loop got jobs of these queues."""
        session = self._listen_sessions.get(asyncio.get_running_loop())
        if session is not None:
            session.claimed(queues)

    async def close(self) -> None:
        """Ends every connection; calls under way end with StoreUnavailable("closed"). Again: does nothing."""
        with self._lock:
            self._process = 0
            of_loops, self._of_loops = self._of_loops, {}
            sessions, self._listen_sessions = self._listen_sessions, {}
        here = asyncio.get_running_loop()
        ending = sessions[here].end_with_store() if here in sessions else []
        if here in of_loops:
            await of_loops[here].close()
        await asyncio.gather(*ending, return_exceptions=True)
        for loop, ending_there in [
            *((loop, session.end_with_store) for loop, session in sessions.items()),
            *((loop, pool.end_with_store) for loop, pool in of_loops.items()),
        ]:
            if loop is not here:
                with suppress(RuntimeError):  # it has ended, and its connections with it
                    loop.call_soon_threadsafe(ending_there)

    async def _pool(self) -> ConnectionPool:
        """Those of the running loop."""
        if closed := self._closed():
            raise closed
        loop = asyncio.get_running_loop()
        found = self._of_loops.get(loop)
        if found is None:
            found = ConnectionPool(self.dsn, self._connector, self._generation, self._count)
            with self._lock:
                self._of_loops = _of_living(self._of_loops)
                self._of_loops[loop] = found
            await found.end_with_loop()
        return found

    async def _alone(
        self, purpose: str, work: Callable[[Connection], Awaitable[Reply]], way: Connector | None = None
    ) -> Reply:
        """What `work` returns, given a connection of its own that is no longer needed afterwards. Has no deadline but
        that of connecting."""
        try:
            async with asyncio.timeout(self.dsn.deadline_seconds):
                connection = await (way or self._connector).connect(purpose, self._count)
        except Exception as error:
            raise self._meaning(error) from error
        try:
            return await work(connection)
        except Exception as error:
            meant = self._meaning(error)
            if meant is error:
                raise
            raise meant from error
        finally:
            connection.terminate()

    async def _hears(self) -> bool:
        """Whether what is notified can be heard."""

        async def listen(connection: Connection) -> bool:
            if not connection.is_pooled and self.dsn.notify is None:
                return True
            return await echoes(connection, self._ring, self.dsn.deadline_seconds)

        return await self._alone("examine", listen, self._way_to_listen())

    def _way_to_listen(self) -> Connector:
        if self.dsn.notify is None:
            return self._connector
        return Connector(elsewhere(self.dsn), self._clock)

    async def _ring(self, channel: str) -> None:
        """Notifies a channel as verbs do."""
        await self.run(Lane.OTHER, lambda connection: connection.fetch(self._statements["notify"], channel))

    def _new_listen_session(self) -> ListenSession:
        way = self._way_to_listen()
        announce = self._statements["announce"]
        return ListenSession(
            lambda: way.connect("listen", self._count),
            ring=self._ring,
            announce=lambda kind, seconds: self.run(
                Lane.OTHER, lambda c: c.execute(announce, kind.value, round(seconds * 1000))
            ),
            channel=self.dsn.names.channel,
            clock=self._clock,
            deadline_seconds=self.dsn.deadline_seconds,
            ping=self._statements["ping"],
            is_another_way=self.dsn.notify is not None,
        )

    def _meaning(self, error: Exception) -> Exception:
        """What to raise for it."""
        if type(error) is TimeoutError:
            detail = f"{self.dsn.public}: no answer within {self.dsn.deadline_seconds:g} s"
            return StoreUnavailable("unreachable", detail, is_absent=True)
        return meaning(error, self.dsn.public)

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


def _of_living(
    of_loops: Mapping[asyncio.AbstractEventLoop, OfLoop],
) -> dict[asyncio.AbstractEventLoop, OfLoop]:
    """Those whose loop has not ended."""
    return {loop: of for loop, of in of_loops.items() if not loop.is_closed()}
