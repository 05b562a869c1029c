"""This module says how queues stand."""

from collections.abc import Sequence
from typing import Any

import apsw

from longshore.backends.sqlite.rows import PENDING, RETRYING, SCHEDULED, Row
from longshore.backends.sqlite.statements import sql
from longshore.core.states import CODES, ORDER
from longshore.store.replies import Minute, QueueCounts


def count(
    connection: apsw.Connection, queues: Sequence[str] | None, minutes: int, now_ms: int
) -> list[QueueCounts]:
    """Each of the queues; None: every one that ever had a job."""
    if queues is None:
        queues = sorted({queue for queue, _, _ in connection.execute(sql("tally_all"))})
    return [_count(connection, queue, minutes, now_ms) for queue in queues]


def _count(connection: apsw.Connection, queue: str, minutes: int, now_ms: int) -> QueueCounts:
    rows: list[Any] = connection.execute(sql("tally_read"), (queue,)).fetchall()
    tally: dict[int, int] = dict(rows)
    waits = tally.get(SCHEDULED, 0) or tally.get(RETRYING, 0)
    first = now_ms // 60_000 - minutes
    return QueueCounts(
        queue=queue,
        states={state: tally.get(CODES[state], 0) for state in ORDER},
        oldest_pending_ms=_number(connection, "count_heads", queue) if tally.get(PENDING) else None,
        next_due_ms=_number(connection, "count_due", queue) if waits else None,
        minutes=tuple(_minute(row) for row in connection.execute(sql("count_minutes"), (queue, first)))
        if minutes > 0
        else (),
    )


def _number(connection: apsw.Connection, statement: str, queue: str) -> int | None:
    found = connection.execute(sql(statement), (queue,)).fetchone()
    return found[0] if found else None


def _minute(row: Row) -> Minute:
    minute, added, completed, failed, retried, crashed, run_ms = row
    return Minute(
        minute=minute,
        added=added,
        completed=completed,
        failed=failed,
        retried=retried,
        crashed=crashed,
        run_ms=run_ms,
    )
