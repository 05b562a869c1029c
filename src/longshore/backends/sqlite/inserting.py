"""This module stores new jobs."""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from longshore.backends.sqlite.rows import Row, row_of
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.job import NewJob
from longshore.store.replies import Inserted

ID, QUEUE, STATE, PLACE = 0, 1, 2, 4
"""Columns of `insert.sql`."""
_queue_and_state = itemgetter(QUEUE, STATE)


def insert(tx: Transaction, jobs: Sequence[NewJob], now_ms: int) -> list[Inserted]:
    """Stores the jobs whose ids are not there yet."""
    first = tx.places(len(jobs))
    rows = [row_of(job, place, now_ms) for place, job in enumerate(jobs, first)]
    before = tx.connection.total_changes()
    tx.each("insert", rows)
    if tx.connection.total_changes() - before == len(rows):
        _count(tx, rows, now_ms)
        return [Inserted.CREATED] * len(rows)
    created = _created(tx, rows)
    _count(tx, [row for row in rows if row[PLACE] in created], now_ms)
    return [Inserted.CREATED if row[PLACE] in created else Inserted.DUPLICATE for row in rows]


def _created(tx: Transaction, rows: list[Row]) -> set[int]:
    """The places of those that were created: a duplicate's id leads to a job in another place."""
    ids = "[" + ",".join(f'"{row[ID].hex()}"' for row in rows) + "]"
    found: dict[bytes, int] = dict(tx.rows("insert_created", (ids,)))
    return {row[PLACE] for row in rows if found.get(row[ID]) == row[PLACE]}


def _count(tx: Transaction, rows: list[Row], now_ms: int) -> None:
    for (queue, state), count in Counter(map(_queue_and_state, rows)).items():
        tx.moved(queue, None, state, count)
        tx.added(queue, now_ms, count)
