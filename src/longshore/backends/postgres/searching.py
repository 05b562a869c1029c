"""This module reads jobs: pages of a scan, and what an edit may touch.

A page looks at a bounded number of jobs, so that a search for the rare one pins no snapshot for long; it may come back
empty and still have a successor. Queries by id are the frequent ones, and any number of them is one statement.
"""

from collections.abc import Iterable, Sequence

import msgspec

from longshore.backends.postgres.candidates import read_cursor, way
from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.backends.postgres.rows import FIRST_TERMINAL, Match, scanned_job
from longshore.core.job import JobRecord
from longshore.core.states import CODES
from longshore.store.commands import SCAN_LIMIT, JobQuery, Order
from longshore.store.replies import Page

EXAMINED = 10_000
"""Jobs that one page looks at, at most."""
FIRST_CHUNK, LARGEST_CHUNK = 128, 2048
"""Candidates that are tested by one statement: few at first, because most pages are full soon."""
ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Found(msgspec.Struct):
    """Rows of `scan_filter.sql` that match, in order, and the cursor behind the last job that was looked at."""

    rows: list[Row]
    cursor: str | None


async def read_pages(
    connection: Runs, dialect: Dialect, queries: Sequence[JobQuery], now_ms: int | None
) -> list[Page]:
    """A page for each query."""
    by_ids = [query for query in queries if is_by_ids(query)]
    known = await read_ids(connection, dialect, by_ids, now_ms) if by_ids else {}
    pages = []
    for query in queries:
        limit = min(query.limit, SCAN_LIMIT)
        if is_by_ids(query):
            found = pick(known, query, limit)
        elif query.ids is not None:
            found = _cut(await test(connection, dialect, query, _hex(query.ids), now_ms), query, limit)
        else:
            found = await _read_page(connection, dialect, query, limit, now_ms)
        pages.append(Page([_job(row, full=query.full) for row in found.rows], found.cursor))
    return pages


def _job(row: Row, *, full: bool) -> JobRecord:
    job = scanned_job(row)
    if not full:
        job.errors = job.logs = ()
    return job


async def _read_page(
    connection: Runs, dialect: Dialect, query: JobQuery, limit: int, now_ms: int | None
) -> Found:
    """A page as of one moment; that there is nothing to look at, such as jobs without a worker, is one statement."""
    if not await way(dialect, query, read_cursor(query).key).next(connection, 1):
        return Found([], None)
    await connection.fetch(ONE_MOMENT)
    found = await read_matches(connection, dialect, query, limit, now_ms)
    await connection.fetch("COMMIT")
    return found


def is_by_ids(query: JobQuery) -> bool:
    """Whether the query says no more than ids, states, queues and names, so that it can share a statement."""
    plain = JobQuery(
        ids=query.ids,
        states=query.states,
        queues=query.queues,
        names=query.names,
        order=query.order,
        limit=query.limit,
        spare=query.spare,
        cursor=query.cursor,
        full=query.full,
    )
    return query.ids is not None and query == plain


async def read_ids(
    connection: Runs, dialect: Dialect, queries: Sequence[JobQuery], now_ms: int | None
) -> dict[bytes, Row]:
    """The jobs that these queries name."""
    ids = {job_id for query in queries for job_id in query.ids or ()}
    anything = JobQuery(full=any(query.full for query in queries))
    rows = await test(connection, dialect, anything, _hex(ids), now_ms) if ids else []
    return {row[Match.ID]: row for row in rows}


def pick(known: dict[bytes, Row], query: JobQuery, limit: int) -> Found:
    """The page of a query by ids, from jobs that were read for several."""
    states = None if query.states is None else {CODES[state] for state in query.states}
    rows = [
        row
        for job_id in set(query.ids or ())
        if (row := known.get(job_id)) is not None
        and (states is None or row[Match.STATE] in states)
        and (query.queues is None or row[Match.QUEUE] in query.queues)
        and (query.names is None or row[Match.NAME] in query.names)
    ]
    return _cut(rows, query, limit)


def _cut(rows: Iterable[Row], query: JobQuery, limit: int) -> Found:
    """The page of these matches, which are in no order."""
    spare, key = read_cursor(query)
    if query.order is Order.FINISHED:
        rows = [row for row in rows if row[Match.STATE] >= FIRST_TERMINAL]
    newest_first = query.order is not Order.OLDEST
    ordered = sorted(rows, key=lambda row: _place(row, query.order), reverse=newest_first)
    if key:
        finished_ms, _, job_id = key.rpartition(".")
        after = (int(finished_ms or 0), bytes.fromhex(job_id))
        places = ((row, _place(row, query.order)) for row in ordered)
        ordered = [row for row, place in places if (place < after if newest_first else place > after)]
    page = ordered[spare : spare + limit]
    if len(ordered) - spare <= limit or not page:
        return Found(page, None)
    return Found(page, f"0~{_key(page[-1], query.order)}")


def _place(row: Row, order: Order) -> tuple[int, bytes]:
    return (row[Match.FINISHED_MS] if order is Order.FINISHED else 0, row[Match.ID])


def _key(row: Row, order: Order) -> str:
    finished_ms, job_id = _place(row, order)
    return f"{finished_ms}.{job_id.hex()}" if order is Order.FINISHED else job_id.hex()


async def read_matches(
    connection: Runs, dialect: Dialect, query: JobQuery, limit: int, now_ms: int | None
) -> Found:
    """Up to `limit` rows that match a query without ids."""
    spare, key = read_cursor(query)
    going = way(dialect, query, key)
    found: list[Row] = []
    examined, size = 0, max(FIRST_CHUNK, min(limit + spare, LARGEST_CHUNK))
    while True:
        chunk = await going.next(connection, size)
        rows = await test(connection, dialect, query, [each.id for each in chunk], now_ms) if chunk else []
        matches = {row[Match.ID].hex(): row for row in rows}
        for candidate in chunk:
            row = matches.get(candidate.id)
            if row is not None and spare:
                spare -= 1
            elif row is not None:
                found.append(row)
                if len(found) >= limit:
                    return Found(found, f"{spare}~{candidate.key}")
        if len(chunk) < size:
            return Found(found, None)
        examined += len(chunk)
        if examined >= EXAMINED:
            return Found(found, f"{spare}~{chunk[-1].key}")
        size = min(size * 2, LARGEST_CHUNK)


async def test(
    connection: Runs, dialect: Dialect, query: JobQuery, ids: list[str], now_ms: int | None
) -> Sequence[Row]:
    """The rows of those jobs that match every field of the query but its ids, in no order."""
    return await dialect.fetch(
        connection,
        "scan_filter",
        now_ms,
        ids,
        query.full,
        None if query.states is None else [CODES[state] for state in query.states],
        query.queues,
        query.names,
        query.tags or None,
        query.reference,
        query.correlation_id,
        query.session,
        query.lost,
        None if query.text is None else query.text.encode().lower(),  # ASCII letters only, like SQL's
        query.error,
        query.finished_before_ms,
        query.payload,
    )


def _hex(ids: Iterable[bytes]) -> list[str]:
    return [job_id.hex() for job_id in dict.fromkeys(ids)]
