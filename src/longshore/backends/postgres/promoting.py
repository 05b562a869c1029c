"""This module makes due jobs pending and drops what is over."""

from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dialect import Dialect, Row
from longshore.backends.postgres.ledger import Ledger, lock
from longshore.backends.postgres.lines import Contender
from longshore.backends.postgres.propagating import propagate
from longshore.core.rules import Rules, unpack
from longshore.store.commands import SCAN_LIMIT
from longshore.store.replies import Promoted


async def promote(connection: Connection, dialect: Dialect, limit: int, now_ms: int | None) -> Promoted:
    """Works in chunks, each a transaction of its own. An idle promoter asks every few seconds: where nothing is due,
    that is one statement."""
    next_due_ms, is_due, is_ruled, is_tied = await _sweep(connection, dialect, now_ms)
    if not is_due and not is_tied:
        return Promoted(count=0, queues=(), next_due_ms=next_due_ms, more=False)
    count = 0
    queues: set[str] = set()
    while is_due and (count < limit or is_ruled):
        chunk = min(SCAN_LIMIT, limit - count)
        done = await _promote(connection, dialect, chunk, now_ms, is_ruled=is_ruled)
        if done is None:  # another process is at it; whoever looks again a moment later finds what it left
            return Promoted(count, tuple(sorted(queues)), next_due_ms, more=False)
        moved, arrived = done
        queues |= arrived
        count += moved
        if moved < chunk or count >= limit:
            break
    if is_tied:
        queues |= await propagate(connection, dialect, now_ms, looks=True)
    next_due_ms, is_due, _, is_tied = await _sweep(connection, dialect, now_ms)
    return Promoted(
        count=count, queues=tuple(sorted(queues)), next_due_ms=next_due_ms, more=is_due or is_tied
    )


async def _sweep(
    connection: Connection, dialect: Dialect, now_ms: int | None
) -> tuple[int | None, bool, bool, bool]:
    """Drops what is over; gives when the next job is due, whether there is anything to do now, whether that needs
    the locks of queues, and whether there are children to tell or parents to look for."""
    [row] = await dialect.fetch(connection, "sweep", now_ms, dialect.channel)
    next_due_ms, store_ms, _, is_ruled, is_tied = row
    return (
        next_due_ms,
        is_ruled or (next_due_ms is not None and next_due_ms <= store_ms),
        is_ruled,
        is_tied,
    )


async def _promote(
    connection: Connection, dialect: Dialect, chunk: int, now_ms: int | None, *, is_ruled: bool
) -> tuple[int, set[str]] | None:
    """How many were due, and the queues that got pending jobs; None where it needs the locks of queues, and another
    promoter has them: eight of them, one behind the other, would leave claims no time."""
    if not is_ruled:
        rows = await dialect.fetch(connection, "promote", now_ms, dialect.channel, chunk, [])
        return sum(row[1] for row in rows), {row[0] for row in rows}
    due = await dialect.fetch(connection, "queues_due", now_ms, chunk)
    locks = sorted({row[0] for row in due})
    has_left = any(row[1] == "left" for row in due)
    async with connection.transaction():
        [(is_alone,)] = await dialect.fetch(connection, "promote_alone")
        if not is_alone:
            return None
        locked = await lock(connection, dialect, now_ms, flows=locks)
        ledger = Ledger(connection, dialect, locked)
        if has_left:
            await _take_what_was_left(connection, dialect, ledger, locks)
        return await _promote_ruled(connection, dialect, chunk, ledger, locks)


async def _promote_ruled(
    connection: Connection, dialect: Dialect, chunk: int, ledger: Ledger, locks: list[str]
) -> tuple[int, set[str]]:
    rows = await dialect.fetch(connection, "promote", ledger.now_ms, dialect.channel, chunk, locks)
    jobs = [_contender(row) for row in rows if row[2] is not None]
    if jobs:
        ledger.set_tail(jobs[-1].order + chunk)
    await ledger.load((job.queue, job.priority, job.rules) for job in jobs)
    for job in jobs:
        ledger.ask(job)
    for meter in ledger.take(await dialect.fetch(connection, "meters_due", ledger.now_ms, locks)):
        ledger.touch(meter.queue, meter.name)
    await ledger.serve()
    await ledger.keep()
    counts = {row[0]: row[1] for row in rows if row[2] is None}
    for job in jobs:
        counts[job.queue] -= 1
    plain = {queue for queue, count in counts.items() if count > 0}
    return sum(row[1] for row in rows), plain | ledger.arrived


async def _take_what_was_left(
    connection: Connection, dialect: Dialect, ledger: Ledger, locks: list[str]
) -> None:
    """The room of claims that ended in transactions of applications."""
    rows = await dialect.fetch(connection, "left_behind", locks)
    left = [(row[0], 0, unpack(row[1]) or Rules()) for row in rows]
    await ledger.load((queue, priority, Rules(flow=rules.flow)) for queue, priority, rules in left)
    for queue, _, rules in left:
        ledger.leave(queue, rules.flow, was_claimed=True)


def _contender(row: Row) -> Contender:
    return Contender(
        id=row[2].hex(), queue=row[0], priority=row[3], rules=unpack(row[5]) or Rules(), order=row[4]
    )
