"""This module runs our statements on connections of callers, whatever driver they are of, in the caller's transaction.

A connection is known by the name of its class, or of one that it is derived from: no driver is imported to find out.
Our statements have their parameters as `$1`, as PostgreSQL has them; drivers in the manner of the DB-API get the same
statement with `%(p1)s`.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

from longshore.backends.postgres.dialect import Row
from longshore.core.errors import UnusableConnection

IDLE = 0
"""What libpq says where no transaction is open."""


class Caller(Protocol):
    """A connection of the caller's. Also what the verbs run their statements on (`Runs`)."""

    is_async: bool

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        """All rows. Raises UnusableConnection where no transaction is open, and what the driver raises."""


def caller(connection: Any) -> Caller:
    """The way to run statements on it. Raises UnusableConnection for what is no connection to PostgreSQL."""
    for kind in type(connection).__mro__:
        made = _KINDS.get(f"{kind.__module__}.{kind.__qualname__}")
        if made is not None:
            return made(connection)
    raise UnusableConnection(
        f"{describe(connection)} is none of the connections that jobs can join: an asyncpg Connection; a psycopg "
        "Connection or AsyncConnection; an SQLAlchemy Connection, Session, AsyncConnection or AsyncSession; Django's "
        "django.db.connection; a psycopg2 connection. A pool or an engine must be asked for one first."
    )


def describe(connection: object) -> str:
    """For people, and never its text, which may hold a password."""
    return f"A {type(connection).__module__}.{type(connection).__qualname__}"


def no_transaction(connection: object, way_out: str) -> UnusableConnection:
    """In autocommit a job would be there at once, whatever becomes of what the caller does next."""
    return UnusableConnection(
        f"{describe(connection)} has no transaction open, so the job would be there at once, whatever comes after it. "
        f"{way_out}, or leave connection= out."
    )


@lru_cache(maxsize=64)
def named(statement: str) -> str:
    """The statement as the DB-API's drivers take it, with a dict of parameters."""
    return re.sub(r"\$(\d+)", r"%(p\1)s", statement.replace("%", "%%"))


def parameters(values: Sequence[Any]) -> dict[str, Any]:
    """The values for a statement that is `named`. A tuple would be sent as a row, and is an array here."""
    return {
        f"p{number}": list(value) if isinstance(value, tuple) else value
        for number, value in enumerate(values, start=1)
    }


class _Asyncpg:
    is_async = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        if not self._connection.is_in_transaction():
            raise no_transaction(
                self._connection, "Put `async with connection.transaction():` around what belongs together"
            )
        rows: Sequence[Row] = await self._connection.fetch(statement, *values)
        return rows


class _Psycopg:
    """A cursor of psycopg's own class: the caller's may make dicts of rows, or know other parameters."""

    is_async = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        from psycopg import Cursor
        from psycopg.rows import tuple_row

        _check_psycopg(self._connection, "with connection.transaction():")
        with Cursor(self._connection, row_factory=tuple_row) as cursor:
            return cursor.execute(named(statement).encode(), parameters(values)).fetchall()


class _AsyncPsycopg:
    is_async = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        from psycopg import AsyncCursor
        from psycopg.rows import tuple_row

        _check_psycopg(self._connection, "async with connection.transaction():")
        async with AsyncCursor(self._connection, row_factory=tuple_row) as cursor:
            await cursor.execute(named(statement).encode(), parameters(values))
            return await cursor.fetchall()


def _check_psycopg(connection: Any, block: str) -> None:
    if connection.autocommit and connection.info.transaction_status == IDLE:
        raise no_transaction(connection, f"Put `{block}` around what belongs together")


class _Psycopg2:
    is_async = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        if self._connection.autocommit:
            raise no_transaction(self._connection, "Set connection.autocommit = False")
        with self._connection.cursor(cursor_factory=_psycopg2().cursor) as cursor:
            cursor.execute(named(statement), parameters(values))
            rows: Sequence[Row] = cursor.fetchall()
            return rows


def _psycopg2() -> Any:
    return import_module("psycopg2.extensions")


class _Django:
    is_async = False

    def __init__(self, connection: Any) -> None:
        if connection.vendor != "postgresql":
            raise UnusableConnection(
                f"The Django database '{connection.alias}' is {connection.vendor}, and the jobs are in PostgreSQL."
            )
        self._connection = connection

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        if not self._connection.in_atomic_block and self._connection.get_autocommit():
            raise no_transaction(
                self._connection, "Put `with transaction.atomic():` around what belongs together"
            )
        with self._connection.cursor() as cursor:
            cursor.execute(named(statement), parameters(values))
            rows: Sequence[Row] = cursor.fetchall()
            return rows


class _Alchemy:
    """A Connection, or a Session, which has one as soon as it is asked."""

    is_async = False

    def __init__(self, given: Any) -> None:
        self._given = given

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        connection = self._given.connection() if hasattr(self._given, "get_bind") else self._given
        return _run_in_alchemy(connection, statement, values)


class _AsyncAlchemy:
    is_async = True

    def __init__(self, given: Any) -> None:
        self._given = given

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        is_session = hasattr(self._given, "get_bind")
        connection = await self._given.connection() if is_session else self._given
        rows: Sequence[Row] = await connection.run_sync(_run_in_alchemy, statement, values)
        return rows


def _run_in_alchemy(connection: Any, statement: str, values: Sequence[Any]) -> Sequence[Row]:
    dialect = connection.dialect
    if dialect.name != "postgresql" or dialect.driver not in _ALCHEMY_DRIVERS:
        raise UnusableConnection(
            f"{describe(connection)} speaks {dialect.name}+{dialect.driver}. For jobs it must be "
            + ", ".join(f"postgresql+{driver}" for driver in sorted(_ALCHEMY_DRIVERS))
            + "."
        )
    if connection.connection.dbapi_connection.autocommit:
        raise no_transaction(connection, "Use one whose isolation level is not AUTOCOMMIT")
    if dialect.paramstyle == "numeric_dollar":
        result = connection.exec_driver_sql(statement, tuple(values))
    else:
        result = connection.exec_driver_sql(named(statement), parameters(values))
    rows: Sequence[Row] = result.fetchall()
    return rows


_ALCHEMY_DRIVERS = frozenset({"asyncpg", "psycopg", "psycopg_async", "psycopg2"})
_KINDS: dict[str, Callable[[Any], Caller]] = {
    "asyncpg.connection.Connection": _Asyncpg,
    "asyncpg.pool.PoolConnectionProxy": _Asyncpg,
    "django.db.backends.base.base.BaseDatabaseWrapper": _Django,
    "django.utils.connection.ConnectionProxy": _Django,
    "psycopg.Connection": _Psycopg,
    "psycopg.AsyncConnection": _AsyncPsycopg,
    "psycopg2.extensions.connection": _Psycopg2,
    "sqlalchemy.engine.base.Connection": _Alchemy,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": _AsyncAlchemy,
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": _AsyncAlchemy,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _AsyncAlchemy,
    "sqlalchemy.orm.scoping.scoped_session": _Alchemy,
    "sqlalchemy.orm.session.Session": _Alchemy,
}
