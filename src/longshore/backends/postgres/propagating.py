"""This module tells children that their parents have ended, in a transaction of its own, and looks for parents that
were not there. One process does so at a time."""

from collections.abc import Iterable

from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dependents import Dependents
from longshore.backends.postgres.dialect import Dialect
from longshore.backends.postgres.ledger import Ledger, lock

ALONE = ""
"""No queue's name: its lock is that of whoever tells."""
MET_AT_ONCE = 5000
"""Edges and parents in one statement, which takes 8 µs for each."""


class _NeedsLocksError(Exception):
    """Jobs were freed that have limits, and whose queues are not locked yet."""

    def __init__(self, queues: set[str]) -> None:
        super().__init__(queues)
        self.queues = queues


async def propagate(
    connection: Connection,
    dialect: Dialect,
    now_ms: int | None,
    *,
    own: Iterable[str] = (),
    looks: bool = False,
) -> set[str]:
    """Tells all that is to be told, `own` parents last and in their order: the queues in which somebody became pending.

    Which queues it must lock is known only when it has read, and locks are taken in one order: then it begins again.
    """
    locks, own = {ALONE}, list(own)
    while True:
        try:
            async with connection.transaction():
                return await _propagate(connection, dialect, now_ms, locks, own, looks=looks)
        except _NeedsLocksError as needs:
            locks |= needs.queues


async def _propagate(
    connection: Connection,
    dialect: Dialect,
    now_ms: int | None,
    locks: set[str],
    own: list[str],
    *,
    looks: bool,
) -> set[str]:
    locked = await lock(connection, dialect, now_ms, flows=locks)
    if not looks:
        [(was_all, queues, _, _)] = await dialect.fetch(
            connection, "tell_met", locked.now_ms, dialect.channel, MET_AT_ONCE, own, locked.place
        )
        if was_all:
            return set(queues or ())
    dependents = Dependents(connection, dialect, locked.now_ms)
    if looks:
        await dependents.look_due()
    await dependents.read_tellers(own)
    await dependents.tell()
    if not dependents.locks <= locks:
        raise _NeedsLocksError(dependents.locks)
    ledger = Ledger(connection, dialect, locked)
    await dependents.keep(ledger)
    await ledger.serve()
    await ledger.keep()
    return ledger.arrived
