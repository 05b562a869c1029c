"""This module finds jobs in the memory store, in the order that was asked for."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from longshore.backends.memory.rows import FIRST_TERMINAL, RUNNING, Row, scanned_record
from longshore.backends.memory.tables import Tables
from longshore.core.errors import InvalidOption
from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.states import CODES
from longshore.store.commands import SCAN_LIMIT, JobQuery, Order
from longshore.store.replies import Page

EXAMINED = 10_000
"""Jobs that one page looks at, at most: a search for the rare one must not hold the store for a second."""

Test = Callable[[Row], bool]


def read_page(tables: Tables, query: JobQuery, now_ms: int) -> Page:
    """One page of a scan."""
    limit = min(query.limit, SCAN_LIMIT)
    test = _test(tables, query, now_ms)
    rows = _candidates(tables, query)
    if query.spare and query.cursor is None:
        rows = islice(filter(test, rows), query.spare, None)
    found: list[Row] = []
    for examined, row in enumerate(rows, start=1):
        if test(row):
            found.append(row)
        if len(found) >= limit or examined >= EXAMINED:
            return Page([_record(tables, row, query) for row in found], _cursor(row, query.order))
    return Page([_record(tables, row, query) for row in found], None)


def _record(tables: Tables, row: Row, query: JobQuery) -> JobRecord:
    return scanned_record(row, tables.dependents.of(row.job.id), full=query.full)


def find(tables: Tables, query: JobQuery, now_ms: int, may: Test) -> tuple[list[Row], bool]:
    """Up to a limit of jobs that an edit may touch, and whether there are more."""
    limit = min(query.limit, SCAN_LIMIT)
    rows: Iterator[Row] = filter(_test(tables, query, now_ms), _candidates(tables, query))
    found = list(islice(filter(may, islice(rows, query.spare, None)), limit + 1))
    return found[:limit], len(found) > limit


def _candidates(tables: Tables, query: JobQuery) -> Iterator[Row]:
    """Jobs among which all that match are, in order, from the cursor on."""
    cursor = _after(query)
    if query.order is Order.FINISHED:
        return _finished(tables, query, cursor)
    newest_first = query.order is Order.NEWEST
    key = None if cursor is None else cursor[1]
    if query.ids is not None:
        return _few(tables, query.ids, key, newest_first=newest_first)
    if query.lost or (query.states is not None and all(CODES[state] == RUNNING for state in query.states)):
        return _few(tables, tables.running, key, newest_first=newest_first)
    keys = tables.by_id.descending(key) if newest_first else tables.by_id.ascending(key)
    return _rows(tables, keys)


def _few(tables: Tables, ids: Iterable[JobId], after: bytes | None, *, newest_first: bool) -> Iterator[Row]:
    ordered = sorted(set(ids), reverse=newest_first)
    if after is not None:
        ordered = [key for key in ordered if (key < after if newest_first else key > after)]
    return _rows(tables, ordered)


def _rows(tables: Tables, keys: Iterable[bytes]) -> Iterator[Row]:
    rows = tables.rows
    return (row for key in keys if (row := rows.get(JobId(key))) is not None)


def _finished(tables: Tables, query: JobQuery, cursor: tuple[int, bytes] | None) -> Iterator[Row]:
    before = cursor
    if query.finished_before_ms is not None:
        cut = (query.finished_before_ms, b"")
        before = cut if before is None else min(cut, before)
    wanted = None if query.ids is None else set(query.ids)
    for finished_ms, job_id in tables.by_finish.descending(before):
        row = tables.rows.get(JobId(job_id))
        if row is not None and row.finished_ms == finished_ms and (wanted is None or job_id in wanted):
            yield row


def _cursor(row: Row, order: Order) -> str:
    if order is Order.FINISHED:
        return f"{row.finished_ms}.{row.job.id.hex()}"
    return f"0.{row.job.id.hex()}"


def _after(query: JobQuery) -> tuple[int, bytes] | None:
    if query.cursor is None:
        return None
    try:
        finished_ms, _, job_id = query.cursor.partition(".")
        return int(finished_ms), bytes.fromhex(job_id)
    except ValueError as error:
        raise InvalidOption("cursor", query.cursor, "the cursor of the page before") from error


def _test(tables: Tables, query: JobQuery, now_ms: int) -> Test:
    """One test for all fields that are given."""
    tests = [*_tests_of_place(tables, query, now_ms), *_tests_of_words(query)]
    return lambda row: all(test(row) for test in tests)


def _tests_of_place(tables: Tables, query: JobQuery, now_ms: int) -> Iterator[Test]:
    if query.states is not None:
        states = {CODES[state] for state in query.states}
        yield lambda row: row.state in states
    if query.queues is not None:
        queues = set(query.queues)
        yield lambda row: row.job.queue in queues
    if query.session is not None:
        yield lambda row: row.session == query.session
    if query.lost:
        is_live = tables.sessions.is_live
        yield lambda row: row.state == RUNNING and not is_live(row.session, now_ms)
    cut_ms = query.finished_before_ms
    if cut_ms is not None:
        yield lambda row: row.state >= FIRST_TERMINAL and (row.finished_ms or 0) < cut_ms


def _tests_of_words(query: JobQuery) -> Iterator[Test]:
    if query.names is not None:
        names = set(query.names)
        yield lambda row: row.job.name in names
    if query.tags:
        tags = set(query.tags)
        yield lambda row: tags.issubset(row.job.tags)
    if query.reference is not None:
        yield lambda row: row.job.reference == query.reference
    if query.correlation_id is not None:
        yield lambda row: row.job.correlation_id == query.correlation_id
    if query.payload is not None:
        yield lambda row: row.job.payload == query.payload
    if query.text is not None:
        needle = query.text.encode().lower()
        yield lambda row: any(needle in text for text in _texts(row))
    wanted = query.error
    if wanted is not None:
        yield lambda row: wanted in (_error_text(row) or "")


def _texts(row: Row) -> Iterator[bytes]:
    """What a text is looked for in. `bytes.lower` changes ASCII letters only, as SQL's LIKE does."""
    yield row.job.name.encode().lower()
    yield row.job.payload.lower()
    yield (row.job.details or b"").lower()
    yield (_error_text(row) or "").encode().lower()


def _error_text(row: Row) -> str | None:
    return row.extras.error_text if row.extras is not None else None
