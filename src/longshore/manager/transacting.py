"""This module lends transactions of the store's own: for data that lives beside the jobs, as in one SQLite file."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

from longshore.core.errors import InvalidOption, UsageError
from longshore.core.retry import Seconds, seconds
from longshore.manager.part import Part
from longshore.store.within import BlockingTransaction, Transaction, Transacts

TRANSACTION_SECONDS = 1.0
LONGEST_SECONDS = 5.0
"""Well below the time after which other processes give up waiting for their turn."""


class Transacting(Part):
    """Transactions of the store's own."""

    @asynccontextmanager
    async def transaction(self, timeout: Seconds = TRANSACTION_SECONDS) -> AsyncIterator[Transaction]:  # noqa: ASYNC109 - a promise of the API
        """A write transaction on the store's own connection: `async with manager.transaction() as tx:`.

        `await tx.execute(sql, parameters)` works on your own tables in the store's file, and `connection=tx` adds and
        completes jobs in it. It commits at the end of the block, and rolls back when the block raises, or after
        `timeout` seconds (at most 5): while it lasts nobody else can write. Raises TransactionOver then, and
        UsageError for a store that has no such transactions.
        """
        store = (await self.runtime.engines.services()).durable
        async with self._begun(store, timeout) as transaction:
            yield transaction

    @contextmanager
    def transaction_sync(self, timeout: Seconds = TRANSACTION_SECONDS) -> Iterator[BlockingTransaction]:
        """`transaction` for code without an event loop."""
        store = self.portal.call(self.runtime.engines.services()).durable
        transaction = self._begun(store, timeout)
        begun = self.portal.call(_enter(transaction))
        try:
            yield begun.blocking
        except BaseException as error:
            self.portal.call(_leave(transaction, error))
            raise
        self.portal.call(_leave(transaction, None))

    def _begun(self, store: object, timeout: Seconds) -> AbstractAsyncContextManager[Transaction]:
        limit = seconds("timeout", timeout)
        if not 0 < limit <= LONGEST_SECONDS:
            raise InvalidOption("timeout", timeout, f"more than 0 and at most {LONGEST_SECONDS:g} seconds")
        if not isinstance(store, Transacts):
            raise UsageError(
                f"The store {self.runtime.url} lends no transactions of its own. Where the jobs are in PostgreSQL, "
                "open one with your own driver and pass connection=."
            )
        return store.transaction(limit)


async def _enter(transaction: AbstractAsyncContextManager[Transaction]) -> Transaction:
    return await transaction.__aenter__()


async def _leave(transaction: AbstractAsyncContextManager[Transaction], error: BaseException | None) -> None:
    if error is None:
        await transaction.__aexit__(None, None, None)
        return
    try:
        await transaction.__aexit__(type(error), error, error.__traceback__)
    except BaseException as raised:
        if raised is not error:
            raise
