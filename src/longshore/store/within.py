"""This module is what a store may offer beside the contract: work inside a transaction that somebody else ends.

A store on SQL offers it, and one without tables of the application's beside its own has nothing to offer it for. What
is not there is refused by the manager, in one place, with the way out.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

from longshore.core.job import NewJob
from longshore.store.commands import Note, Settlement
from longshore.store.replies import Insertion, Settled

Parameters = Sequence[Any] | Mapping[str, Any]
Rows = list[tuple[Any, ...]]


class Within(Protocol):
    """Some verbs of the contract, inside a transaction of the caller's: others see what was done when it commits, and
    nothing of it when it does not.

    Errors of the connection come as its driver raises them: the code around the transaction knows those.
    """

    @property
    def is_async(self) -> bool:
        """Whether the connection belongs to an event loop. If not, the verbs never suspend: they do their work in the
        caller's thread."""

    async def insert(self, jobs: Sequence[NewJob], *, now_ms: int | None = None) -> Sequence[Insertion]:
        """See `Store.insert`. Raises SchemaMismatch where the connection leads to no store's tables."""

    async def note(self, notes: Sequence[Note], *, now_ms: int | None = None) -> None:
        """See `Note`."""

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `Store.settle`. An uncommitted settlement keeps others from ending the same claim."""


@runtime_checkable
class WorksWithin(Protocol):
    """A store whose jobs can be reached on a connection of the caller's."""

    def within(self, connection: object) -> Within:
        """Needs no `open` before. Raises UnusableConnection."""

    async def prepare(self) -> None:
        """Sees to it, before the first use, that the store is there, and learns to know it. No connection stays open.
        Raises what `Store.open` raises."""


class BlockingTransaction(Protocol):
    """A transaction of the store's own, for code without an event loop."""

    def execute(self, statement: str, parameters: Parameters = ()) -> Rows:
        """See `Transaction.execute`."""


class Transaction(Protocol):
    """A write transaction of the store's own. What is given as `connection=` inside joins it."""

    async def execute(self, statement: str, parameters: Parameters = ()) -> Rows:
        """Runs a statement of the application's, and gives its rows. A statement that fails leaves the transaction as
        it was before. Raises the driver's errors, UsageError, and TransactionOver."""

    @property
    def blocking(self) -> BlockingTransaction:
        """The same for code without an event loop, in another thread than the loop's."""


@runtime_checkable
class Transacts(Protocol):
    """A store that lends its own connection for a transaction."""

    def transaction(self, seconds: float) -> AbstractAsyncContextManager[Transaction]:
        """Commits at the end of the block, and rolls back when the block raises, or after so many seconds."""
