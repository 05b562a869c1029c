"""This module carries out edits of jobs with limits or turns: under the locks of their queues, one statement for the
rows as for any other job, and then what follows for meters."""

from collections.abc import Awaitable, Callable

import msgspec

from longshore.backends.postgres.children import newly_blocked
from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dependents import Dependents
from longshore.backends.postgres.dialect import Dialect, Row
from longshore.backends.postgres.ledger import Ledger, lock, ruled
from longshore.backends.postgres.lines import Contender
from longshore.backends.postgres.rows import (
    BLOCKED,
    FIRST_TERMINAL,
    HELD,
    PENDING,
    RUNNING,
    Match,
    scanned_job,
)
from longshore.core.rules import Rules, unpack
from longshore.store.commands import Cancel, Delete, Retry, Update

SearchingEdit = Cancel | Retry | Delete | Update
Amendment = tuple[SearchingEdit, Row]
"""An edit, and a job that it touches as it was read."""


def needs_locks(edit: SearchingEdit, row: Row) -> bool:
    """Whether the job may give room back or ask for it."""
    if row[Match.RULES] is None or row[Match.STATE] == RUNNING or ruled(unpack(row[Match.RULES])) is None:
        return False
    return isinstance(edit, Retry) or row[Match.STATE] < FIRST_TERMINAL


async def amend(
    connection: Connection,
    dialect: Dialect,
    rows: list[Amendment],
    apply: Callable[[int], Awaitable[dict[bytes, bool]]],
    now_ms: int | None,
) -> dict[bytes, bool]:
    """What `apply` returns; it is given the time. It puts in line whoever wants to be pending, and who finds no room is
    taken out again before anybody else has seen it."""
    async with connection.transaction():
        queues = {row[Match.QUEUE] for edit, row in rows if needs_locks(edit, row)}
        locked = await lock(connection, dialect, now_ms, flows=queues)
        done = await apply(locked.now_ms)
        ledger = Ledger(connection, dialect, locked)
        changed = [
            (edit, row) for edit, row in rows if done.get(row[Match.ID]) is False and needs_locks(edit, row)
        ]
        asking = await _asking(connection, dialect, changed, locked.now_ms)
        await ledger.load((row[Match.QUEUE], 0, Rules(flow=_rules(row).flow)) for _, row in changed)
        await ledger.load((job.queue, job.priority, job.rules) for job in asking.values())
        ledger.set_tail(max((job.order for job in asking.values()), default=0))
        for edit, row in changed:
            _leave(ledger, edit, row, locked.now_ms)
            if (job := asking.get(row[Match.ID])) is not None:
                ledger.ask(job)
        await ledger.serve()
        await ledger.keep()
    return done


async def rejoin(
    connection: Connection, dialect: Dialect, rows: list[Row], now_ms: int | None
) -> dict[bytes, bool]:
    """Blocks jobs that are over; when all of them are, they look at their parents as new ones would."""
    jobs = [scanned_job(row) for row in rows]
    async with connection.transaction():
        flows = {job.queue for job in jobs if ruled(job.rules)}
        locked = await lock(connection, dialect, now_ms, flows=flows)
        children = [newly_blocked(job, run_ms=None) for job in jobs]
        done = await dialect.fetch(
            connection,
            "rejoin",
            locked.now_ms,
            [child.id for child in children],
            [row[Match.VERSION] for row in rows],
            [child.aside for child in children],
        )
        blocked: set[bytes] = {row[0] for row in done}
        dependents = Dependents(connection, dialect, locked.now_ms)
        for job, child in zip(jobs, children, strict=True):
            if job.id in blocked:
                dependents.come(child, job.edges)
        await dependents.finish(Ledger(connection, dialect, locked))
    return dict.fromkeys(blocked, False)


def _leave(ledger: Ledger, edit: SearchingEdit, row: Row, now_ms: int) -> None:
    queue, flow, state = row[Match.QUEUE], _rules(row).flow, row[Match.STATE]
    if isinstance(edit, Update) and not _waits(edit, now_ms):
        if state == HELD and edit.changes.priority not in {msgspec.UNSET, row[Match.PRIORITY]}:
            ledger.touch(queue, row[Match.HELD_BY])
    elif state == PENDING:
        ledger.leave(queue, flow, was_claimed=False)
    elif state == HELD:
        ledger.let_go(queue, flow, row[Match.HELD_BY])


def _waits(edit: Update, now_ms: int) -> bool:
    """Whether its jobs wait for a time from now on."""
    run_ms = edit.changes.run_ms
    return run_ms is not msgspec.UNSET and run_ms > now_ms


async def _asking(
    connection: Connection, dialect: Dialect, changed: list[Amendment], now_ms: int
) -> dict[bytes, Contender]:
    """Those that were put in line, by their ids."""
    came = {
        row[Match.ID]: row
        for edit, row in changed
        if isinstance(edit, Retry)
        or (
            isinstance(edit, Update)
            and row[Match.STATE] not in {BLOCKED, HELD, PENDING}
            and edit.changes.run_ms is not msgspec.UNSET
            and not _waits(edit, now_ms)
        )
    }
    if not came:
        return {}
    rows = await dialect.fetch(connection, "returned", [job_id.hex() for job_id in came])
    return {
        job_id: Contender(
            id=job_id.hex(),
            queue=came[job_id][Match.QUEUE],
            priority=priority,
            rules=_rules(came[job_id]),
            order=place,
        )
        for job_id, priority, place, _ in rows
    }


def _rules(row: Row) -> Rules:
    return unpack(row[Match.RULES]) or Rules()
