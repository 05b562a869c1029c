"""This module deletes what retention asks to delete: by queue, end state and age, with one statement for a thousand.

Any other edit reads its jobs before it changes them. A row of `done` never changes, so here nothing is read: 4 µs of
the server's time for a job instead of 13.
"""

from typing import TypeGuard

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.core.ids import JobId
from longshore.core.states import CODES, TERMINAL
from longshore.store.commands import SCAN_LIMIT, Delete, Edit, JobQuery, Order
from longshore.store.replies import Changed


def prunes(edit: Edit) -> TypeGuard[Delete]:
    """Whether the edit says no more than that."""
    if not isinstance(edit, Delete):
        return False
    where = edit.where
    if not where.queues or not where.states or not TERMINAL.issuperset(where.states):
        return False
    plain = JobQuery(
        queues=where.queues,
        states=where.states,
        finished_before_ms=where.finished_before_ms,
        order=Order.FINISHED,
        spare=where.spare,
        limit=where.limit,
    )
    return where == plain


async def prune(connection: Runs, dialect: Dialect, edit: Delete, now_ms: int | None) -> Changed:
    """Deletes up to the edit's limit."""
    where = edit.where
    rows = await dialect.fetch(
        connection,
        "prune",
        now_ms,
        sorted(set(where.queues or ())),
        sorted({CODES[state] for state in where.states or ()}),
        where.finished_before_ms,
        where.spare,
        min(where.limit, SCAN_LIMIT),
    )
    return Changed(tuple(JobId(row[0]) for row in rows), (), any(row[1] for row in rows))
