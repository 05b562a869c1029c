"""This module makes due jobs pending and drops what is over."""

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.store.commands import SCAN_LIMIT
from longshore.store.replies import Promoted


async def promote(connection: Runs, dialect: Dialect, limit: int, now_ms: int | None) -> Promoted:
    """Works in chunks, each a transaction of its own."""
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
    [(next_due_ms, store_ms, _)] = await dialect.fetch(connection, "sweep", now_ms, dialect.channel)
    return Promoted(
        count=count,
        queues=tuple(sorted(queues)),
        next_due_ms=next_due_ms,
        more=next_due_ms is not None and next_due_ms <= store_ms,
    )
