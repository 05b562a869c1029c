"""This module makes due jobs pending and drops what is over."""

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.store.commands import SCAN_LIMIT
from longshore.store.replies import Promoted


async def promote(connection: Runs, dialect: Dialect, limit: int, now_ms: int | None) -> Promoted:
    """Works in chunks, each a transaction of its own. An idle promoter asks every few seconds: where nothing is due,
    that is one statement."""
    next_due_ms, is_due = await _sweep(connection, dialect, now_ms)
    if not is_due:
        return Promoted(count=0, queues=(), next_due_ms=next_due_ms, more=False)
    count = 0
    queues: set[str] = set()
    while count < limit:
        chunk = min(SCAN_LIMIT, limit - count)
        rows = await dialect.fetch(connection, "promote", now_ms, dialect.channel, chunk)
        moved = sum(row[1] for row in rows)
        queues.update(row[0] for row in rows)
        count += moved
        if moved < chunk:
            break
    next_due_ms, is_due = await _sweep(connection, dialect, now_ms)
    return Promoted(count=count, queues=tuple(sorted(queues)), next_due_ms=next_due_ms, more=is_due)


async def _sweep(connection: Runs, dialect: Dialect, now_ms: int | None) -> tuple[int | None, bool]:
    """Drops what is over; gives when the next job is due, and whether it is by now."""
    [(next_due_ms, store_ms, _)] = await dialect.fetch(connection, "sweep", now_ms, dialect.channel)
    return next_due_ms, next_due_ms is not None and next_due_ms <= store_ms
