"""This module is a visit as the application holds it: statements of its own, and jobs that are stored with them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import apsw

from longshore.backends.sqlite import editing, inserting, settling
from longshore.backends.sqlite.commands import OTHER, Waiting
from longshore.backends.sqlite.faults import meaning
from longshore.backends.sqlite.transaction import Transaction
from longshore.backends.sqlite.visiting import Visit
from longshore.backends.sqlite.writer import Writer
from longshore.core.clock import Clock, SystemClock
from longshore.core.errors import UnusableConnection
from longshore.core.job import NewJob
from longshore.store.commands import Note, Settlement
from longshore.store.replies import Insertion, Settled
from longshore.store.within import Parameters, Rows

Reply = TypeVar("Reply")


class BlockingSqliteTransaction:
    """See `BlockingTransaction`."""

    is_async = False

    def __init__(self, visit: Visit, path: str) -> None:
        self.visit, self.path = visit, path

    def execute(self, statement: str, parameters: Parameters = ()) -> Rows:
        """See `Transaction.execute`."""
        return self.visit.execute(statement, parameters).result()


class SqliteTransaction:
    """See `Transaction`. The driver's errors are those of apsw."""

    is_async = True

    def __init__(self, visit: Visit, path: str) -> None:
        self.visit, self.path = visit, path

    async def execute(self, statement: str, parameters: Parameters = ()) -> Rows:
        """See `Transaction.execute`."""
        return await asyncio.wrap_future(self.visit.execute(statement, parameters))

    @property
    def blocking(self) -> BlockingSqliteTransaction:
        """See `Transaction.blocking`."""
        return BlockingSqliteTransaction(self.visit, self.path)


@asynccontextmanager
async def visit(writer: Writer, path: str, seconds: float) -> AsyncIterator[SqliteTransaction]:
    """See `Transacts.transaction`."""
    loop = asyncio.get_running_loop()
    entered = asyncio.Event()
    visit = Visit(path, seconds, SystemClock(), partial(_call, loop, entered.set))
    command = Waiting(OTHER, visit.serve, loop, is_visit=True)
    writer.submit(command)
    entering = loop.create_task(entered.wait())
    try:
        await asyncio.wait([entering, command.future], return_when=asyncio.FIRST_COMPLETED)
        if not entered.is_set():
            command.future.result()  # why it could not begin
        yield SqliteTransaction(visit, path)
    except BaseException:
        visit.end(commit=False)
        if not entered.is_set():
            command.future.cancel()
        await asyncio.wait([command.future])
        if not command.future.cancelled():
            command.future.exception()  # looked at, and no more: what the block raised counts
        raise
    else:
        visit.end(commit=True)
        await asyncio.shield(command.future)
    finally:
        entering.cancel()


class SqliteWithin:
    """See `Within`."""

    def __init__(self, transaction: SqliteTransaction | BlockingSqliteTransaction, clock: Clock) -> None:
        self._visit, self._path = transaction.visit, transaction.path
        self._clock = clock
        self.is_async = transaction.is_async

    async def insert(self, jobs: Sequence[NewJob], *, now_ms: int | None = None) -> Sequence[Insertion]:
        """See `Store.insert`."""
        now = self._clock.now_ms() if now_ms is None else now_ms
        return await self._run(lambda tx: inserting.insert(tx, jobs, now)) if jobs else []

    async def note(self, notes: Sequence[Note], *, now_ms: int | None = None) -> None:
        """See `Note`."""
        now = self._clock.now_ms() if now_ms is None else now_ms
        if notes:
            await self._run(lambda tx: editing.change_all(tx, now, notes))

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `Store.settle`."""
        now = self._clock.now_ms() if now_ms is None else now_ms
        return await self._run(lambda tx: settling.settle(tx, settlements, now)) if settlements else []

    async def _run(self, work: Callable[[Transaction], Reply]) -> Reply:
        under_way = self._visit.submit(work)
        try:
            return await asyncio.wrap_future(under_way) if self.is_async else under_way.result()
        except apsw.Error as error:
            raise meaning(error, self._path) from error


def within(connection: object, path: str, clock: Clock) -> SqliteWithin:
    """The jobs of a file inside a transaction. Raises UnusableConnection for what is none of this file's."""
    if not isinstance(connection, SqliteTransaction | BlockingSqliteTransaction):
        raise UnusableConnection(
            f"The jobs are in the file {path}, and a {_kind(connection)} cannot write into it in one transaction with "
            "the store (two SQLite libraries in one process may corrupt a file). Use the store's own: "
            "`async with manager.transaction() as tx:`, then connection=tx, and tx.execute(…) for your own tables."
        )
    if connection.path != path:
        raise UnusableConnection(
            f"The transaction is one of {connection.path}, and the jobs are in {path}; use the transaction of the "
            "manager that the jobs belong to."
        )
    return SqliteWithin(connection, clock)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(function)


def _kind(connection: object) -> str:
    return f"{type(connection).__module__}.{type(connection).__qualname__}"
