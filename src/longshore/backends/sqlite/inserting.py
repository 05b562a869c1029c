"""This module stores new jobs."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import count as count_up
from operator import itemgetter
from typing import TypeVar

from longshore.backends.sqlite.dependents import Dependents
from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.rows import SCHEDULED, Row, blobs, row_of
from longshore.backends.sqlite.ruled import RuledInsert
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.job import NewJob
from longshore.store.replies import Inserted, Insertion

Key = TypeVar("Key", bound=Hashable)
ID, QUEUE, STATE, RUN_MS = 0, 1, 2, 6
"""Columns of `insert.sql`."""
_queue_and_state = itemgetter(QUEUE, STATE)


def insert(tx: Transaction, jobs: Sequence[NewJob], now_ms: int) -> Sequence[Insertion]:
    """Stores the jobs whose ids are not there yet, and whose rules allow it."""
    if all(is_plain(job) for job in jobs):
        return insert_plain(tx, jobs, now_ms)
    flow = Flow(tx, now_ms)
    dependents = Dependents(tx, flow, now_ms)
    replies = RuledInsert(tx, flow, dependents, now_ms).insert(jobs)
    dependents.finish()
    flow.serve()
    return replies


def is_plain(job: NewJob) -> bool:
    """Whether it comes without rules and edges."""
    return job.rules is None and job.edges is None


def insert_plain(tx: Transaction, jobs: Sequence[NewJob], now_ms: int) -> list[Inserted]:
    """The same where all are plain."""
    places = {
        queue: count_up(tx.places(queue, count)) for queue, count in _counted([job.queue for job in jobs])
    }
    rows = [row_of(job, next(places[job.queue]), now_ms) for job in jobs]
    before = tx.connection.total_changes()
    tx.each("insert", rows)
    created = tx.connection.total_changes() - before
    if created == len(rows):
        _count(tx, rows, now_ms)
        return [Inserted.CREATED] * len(rows)
    return _insert_some(tx, rows, created, now_ms)


def _insert_some(tx: Transaction, rows: list[Row], created: int, now_ms: int) -> list[Inserted]:
    """Tells new jobs from duplicates, after the insert: the new ones have the last numbers in the table."""
    last_old = tx.connection.last_insert_rowid() - created
    ids = tx.rows("insert_created", (blobs([row[ID] for row in rows]), last_old)) if created else []
    new = {job_id for (job_id,) in ids}
    replies, kept = [], []
    for row in rows:
        is_new = row[ID] in new
        replies.append(Inserted.CREATED if is_new else Inserted.DUPLICATE)
        if is_new:
            kept.append(row)
            new.remove(row[ID])  # a second one in the list is a duplicate
    if kept:
        _count(tx, kept, now_ms)
    return replies


def _count(tx: Transaction, rows: list[Row], now_ms: int) -> None:
    for (queue, state), count in _counted([_queue_and_state(row) for row in rows]):
        tx.moved(queue, None, state, count)
        tx.added(queue, now_ms, count)
        if state == SCHEDULED:
            tx.waits(queue, min(row[RUN_MS] for row in rows if _queue_and_state(row) == (queue, state)))


def _counted(keys: list[Key]) -> Iterable[tuple[Key, int]]:
    """Each key with how often it occurs. Mostly all are the same, and a Counter costs 3 µs to make."""
    if keys.count(keys[0]) == len(keys):
        return [(keys[0], len(keys))]
    return Counter(keys).items()
