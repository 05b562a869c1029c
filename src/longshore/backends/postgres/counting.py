"""This module counts: how queues stand, and what happened to them minute by minute."""

from collections.abc import Sequence

from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.core.states import ORDER, State
from longshore.store.replies import Minute, QueueCounts

COUNTED = (
    State.SCHEDULED,
    State.PENDING,
    State.RUNNING,
    State.RETRYING,
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
    State.SKIPPED,
    State.HELD,
    State.BLOCKED,
)
"""In the order of the columns of `count.sql`, from the second on."""


async def count(
    connection: Runs, dialect: Dialect, queues: Sequence[str] | None, minutes: int, now_ms: int | None
) -> list[QueueCounts]:
    """Those asked for in their order; None: all, by name."""
    rows = await dialect.fetch(connection, "count", now_ms, queues, minutes)
    known = {row[0]: _counts(row) for row in rows}
    if queues is None:
        return list(known.values())
    return [known.get(queue) or _nothing(queue) for queue in queues]


def _counts(row: Row) -> QueueCounts:
    oldest_pending_ms, next_due_ms, minutes = row[11], row[12], row[13] or ()
    return QueueCounts(
        queue=row[0],
        states={**dict.fromkeys(ORDER, 0), **dict(zip(COUNTED, row[1:11], strict=True))},
        oldest_pending_ms=oldest_pending_ms,
        next_due_ms=next_due_ms,
        minutes=tuple(
            Minute(
                minute=minute,
                added=added,
                completed=completed,
                failed=failed,
                retried=retried,
                crashed=crashed,
                run_ms=run_ms,
            )
            for minute, added, completed, failed, retried, crashed, run_ms in minutes
        ),
    )


def _nothing(queue: str) -> QueueCounts:
    return QueueCounts(queue=queue, states=dict.fromkeys(ORDER, 0), oldest_pending_ms=None, next_due_ms=None)
