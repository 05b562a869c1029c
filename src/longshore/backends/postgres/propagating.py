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
"""Edges in one statement, which takes 8 µs for each."""
PARENTS_AT_ONCE = (256, 32, 4, 1)
"""Parents in one statement: fewer where they have more edges than that."""


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

    With `looks` it also looks for parents that were not there.
    """
    own = list(own)
    arrived, is_all = await _tell_met(connection, dialect, now_ms, own)
    if looks or not is_all:
        arrived |= await _decide(connection, dialect, now_ms, own, looks=looks)
    return arrived


async def _tell_met(
    connection: Connection, dialect: Dialect, now_ms: int | None, own: list[str]
) -> tuple[set[str], bool]:
    """Tells as long as every edge is met, and says whether that was all."""
    arrived: set[str] = set()
    sizes = iter(PARENTS_AT_ONCE)
    size = next(sizes)
    while True:
        async with connection.transaction():
            locked = await lock(connection, dialect, now_ms, flows={ALONE})
            [(is_done, is_cut, has_more, queues, _, _)] = await dialect.fetch(
                connection, "tell_met", locked.now_ms, dialect.channel, MET_AT_ONCE, own, locked.place, size
            )
        arrived.update(queues or ())
        if is_done and not has_more:
            return arrived, True
        if not is_done and not (is_cut and (size := next(sizes, 0))):
            return arrived, False


async def _decide(
    connection: Connection, dialect: Dialect, now_ms: int | None, own: list[str], *, looks: bool
) -> set[str]:
    """Tells whatever the edges say. Which queues it must lock is known only when it has read, and locks are taken in
    one order: then it begins again."""
    locks = {ALONE}
    while True:
        try:
            async with connection.transaction():
                return await _decide_under(connection, dialect, now_ms, locks, own, looks=looks)
        except _NeedsLocksError as needs:
            locks |= needs.queues


async def _decide_under(
    connection: Connection,
    dialect: Dialect,
    now_ms: int | None,
    locks: set[str],
    own: list[str],
    *,
    looks: bool,
) -> set[str]:
    locked = await lock(connection, dialect, now_ms, flows=locks)
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
