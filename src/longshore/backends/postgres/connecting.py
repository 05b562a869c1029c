"""This module makes connections: which host, with which settings, and whether a pooler stands in between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from longshore.backends.postgres.faults import SOON, is_fault, state_of
from longshore.backends.postgres.statements import statements
from longshore.backends.postgres.url import Dsn
from longshore.core.clock import Clock, system_random
from longshore.core.errors import SettingsError
from longshore.core.service import Patience

Row: TypeAlias = asyncpg.Record
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LARGEST_STATEMENT_BYTES = 64 * 1024
"""Larger ones would not be kept prepared; ours are far smaller."""


PATIENT_SHARE = 0.8
"""Of the deadline: for a server that says that it will be there soon. Then there is time left to say so."""


class Connection:
    """A session with the server, for one call at a time, that counts its journeys."""

    def __init__(self, driver: Driver, *, is_pooled: bool) -> None:
        self.driver = driver
        self.is_pooled = is_pooled
        """Whether a pooler stands in between, so that nothing set for the session can be relied upon."""
        self.count: Callable[[], None] = lambda: None
        """Told of every journey."""

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        """All rows."""
        self.count()
        return await self.driver.fetch(statement, *values)

    async def fetchrow(self, statement: str, *values: Any) -> Row | None:
        """The first row, or None."""
        self.count()
        return await self.driver.fetchrow(statement, *values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        self.count()
        return await self.driver.fetchval(statement, *values)

    async def execute(self, statement: str, *values: Any) -> str:
        """No rows. Without values it may be several statements, which PostgreSQL runs in one transaction."""
        self.count()
        return await self.driver.execute(statement, *values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Several statements as one: two journeys more. Each sees what others have committed by then, whatever the
        administrator of a pooler has set."""
        self.count()
        async with self.driver.transaction(isolation="read_committed"):
            yield
        self.count()

    @property
    def role(self) -> str:
        """Who we are to the server."""
        return str(self.driver.get_settings().session_authorization)

    @property
    def is_usable(self) -> bool:
        """Whether it is open and nobody left a transaction behind."""
        return not self.driver.is_closed() and not self.driver.is_in_transaction()

    def terminate(self) -> None:
        """Ends it at once; the server rolls back what was not committed."""
        self.driver.terminate()


class Connector:
    """Connects to whichever host of a URL takes writes, the last good one first."""

    def __init__(self, dsn: Dsn, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock
        self._random = system_random()
        self._good = 0
        self._pooled: dict[int, bool] = {}
        """Of each host, once it is known."""
        self._ask_pid = statements(dsn.names)["session_pid"]

    async def connect(self, purpose: str, count: Callable[[], None] = lambda: None) -> Connection:
        """A new connection, which pg_stat_activity shows with its purpose; `count` is told of its journeys.

        Waits for a server that is full or just starting, longer each time, for most of the deadline. Raises the
        driver's error.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._dsn.deadline_seconds * PATIENT_SHARE
        patience = Patience(self._random, first_seconds=0.05, last_seconds=1.0)
        while True:
            try:
                connection = await self._connect_anywhere(purpose)
            except asyncpg.PostgresError as error:
                seconds = patience.next_seconds()
                if state_of(error) not in SOON or loop.time() + seconds > until:
                    raise
            else:
                connection.count = count
                return connection
            await self._clock.sleep(seconds)

    async def _connect_anywhere(self, purpose: str) -> Connection:
        """To the first host that will have us; raises the most hopeful of their refusals."""
        count = max(1, len(self._dsn.hosts))
        failures: list[Exception] = []
        for place in [(self._good + step) % count for step in range(count)]:
            try:
                connection = await self._connect(place, purpose)
            except Exception as error:
                if not is_fault(error):
                    raise
                failures.append(error)
            else:
                self._good = place
                return connection
        raise next((failure for failure in failures if state_of(failure) in SOON), failures[0])

    async def _connect(self, place: int, purpose: str) -> Connection:
        """A session with one host; what kind of session it is, is found out once."""
        if place in self._pooled:
            return await self._open(place, purpose, is_pooled=self._pooled[place])
        try:
            connection = await self._open(place, purpose, is_pooled=False)
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" not in str(error):
                raise
        else:
            if await self._is_a_session(connection):
                self._pooled[place] = False
                return connection
            connection.terminate()
        connection = await self._open(place, purpose, is_pooled=True)
        self._pooled[place] = True
        return connection

    async def _is_a_session(self, connection: Connection) -> bool:
        """Whether the server's process that we talk to is the one that greeted us. A pooler greets in its own name."""
        try:
            pid = await connection.driver.fetchval(self._ask_pid)
        except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
            return False
        except BaseException:
            connection.terminate()
            raise
        return bool(pid == connection.driver.get_server_pid())

    async def _open(self, place: int, purpose: str, *, is_pooled: bool) -> Connection:
        """Session settings travel with the greeting; a pooler would refuse them, and they would not last there. Nor is
        the purpose named there: a pooler would set each name anew whenever a session changes hands."""
        host, port = self._dsn.hosts[place] if self._dsn.hosts else (None, None)
        settings = {} if is_pooled else session_settings(self._dsn)
        name = self._dsn.application_name or "longshore"
        is_prepared = not is_pooled if self._dsn.prepared is None else self._dsn.prepared
        try:
            driver = await asyncpg.connect(
                self._dsn.driver_url,
                host=host or None,
                port=port,
                timeout=self._dsn.connect_seconds,
                statement_cache_size=100 if is_prepared else 0,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=LARGEST_STATEMENT_BYTES,
                server_settings={**settings, "application_name": name if is_pooled else f"{name} {purpose}"},
            )
        except TimeoutError as error:
            where = host or "the server"
            raise ConnectionError(
                f"no connection to {where} within {self._dsn.connect_seconds:g} s"
            ) from error
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            if isinstance(error, OSError):  # a certificate that is refused is both
                raise
            raise SettingsError(
                f"{self._dsn.public} cannot be used: {' '.join(str(error).split())}"
            ) from error
        return Connection(driver, is_pooled=is_pooled)


def session_settings(dsn: Dsn) -> dict[str, str]:
    """What our sessions need of the server.

    `enable_seqscan=off`: one wrong guess about a table that was empty a moment ago cost 30 times the time.
    `jit=off`: compiling a claim took 355 ms. `plan_cache_mode`: planning a claim anew each time took twice as long as
    the claim. The time-outs end on the server what the client has given up. Keepalives come before the minutes after
    which routers forget a silent connection.
    """
    milliseconds = round(dsn.deadline_seconds * 1000)
    return {
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "default_transaction_isolation": "read committed",
        "lock_timeout": str(max(1, milliseconds * 3 // 4)),
        "statement_timeout": str(max(1, milliseconds * 9 // 10)),
        "idle_in_transaction_session_timeout": str(milliseconds * 2),
        "tcp_keepalives_idle": "60",
        "tcp_keepalives_interval": "10",
    }
