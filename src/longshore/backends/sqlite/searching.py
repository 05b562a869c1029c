"""This module reads jobs: pages of a scan, and what an edit by query may touch.

A page looks at a bounded number of jobs, so that a search for the rare one holds nobody up and pins no snapshot for
longer than some milliseconds; it may come back empty and still have a successor.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import apsw

from longshore.backends.sqlite import unsound
from longshore.backends.sqlite.candidates import Candidate, candidates, read_cursor
from longshore.backends.sqlite.rows import Match, Row, scanned_job
from longshore.backends.sqlite.statements import sql
from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.states import CODES, State
from longshore.store.commands import SCAN_LIMIT, JobQuery
from longshore.store.replies import Page

EXAMINED = 10_000
"""Jobs that one page looks at, at most."""
FIRST_CHUNK, LARGEST_CHUNK = 128, 1024
"""Candidates that are tested by one statement: few at first, because most pages are full soon."""


def read_pages(connection: apsw.Connection, queries: Iterable[JobQuery], now_ms: int) -> list[Page]:
    """A page for each query."""
    return [_read_page(connection, query, now_ms) for query in queries]


def _read_page(connection: apsw.Connection, query: JobQuery, now_ms: int) -> Page:
    limit = min(query.limit, SCAN_LIMIT)
    rows, cursor = read_matches(connection, query, limit, now_ms)
    jobs = [scanned_job(row if unsound.is_sound(row) else unsound.mended(row)) for row in rows]
    blocked = {row[Match.SEQ]: job for row, job in zip(rows, jobs, strict=True) if job.state is State.BLOCKED}
    if blocked:
        _add_open_edges(connection, blocked)
    if query.full and jobs:
        _add_errors_and_logs(connection, [row[Match.SEQ] for row in rows], jobs)
    return Page(jobs, cursor)


def read_matches(
    connection: apsw.Connection, query: JobQuery, limit: int, now_ms: int
) -> tuple[list[Row], str | None]:
    """Up to `limit` rows that match, and the cursor behind the last job that was looked at."""
    spare, key = read_cursor(query)
    found: list[Row] = []
    examined = 0
    for chunk in _chunks(candidates(connection, query, key)):
        matches = {
            row[Match.SEQ]: row for row in test(connection, query, [each.seq for each in chunk], now_ms)
        }
        for candidate in chunk:
            row = matches.get(candidate.seq)
            if row is not None and spare:
                spare -= 1
            elif row is not None:
                found.append(row)
                if len(found) >= limit:
                    return found, f"{spare}~{candidate.key}"
        examined += len(chunk)
        if examined >= EXAMINED:
            return found, f"{spare}~{chunk[-1].key}"
    return found, None


def _chunks(found: Iterator[Candidate]) -> Iterator[list[Candidate]]:
    size = FIRST_CHUNK
    while chunk := list(islice(found, size)):
        yield chunk
        size = min(size * 2, LARGEST_CHUNK)


def test(connection: apsw.Connection, query: JobQuery, seqs: list[int], now_ms: int) -> list[Row]:
    """The rows of those jobs that match every field of the query, in no order."""
    lowered = (
        None if query.text is None else query.text.encode().lower().decode()
    )  # ASCII letters only, like SQL's
    parameters = {
        "states": None if query.states is None else json.dumps([CODES[state] for state in query.states]),
        "queues": _list(query.queues),
        "names": _list(query.names),
        "tags": _list(query.tags or None),
        "reference": query.reference,
        "correlation_id": query.correlation_id,
        "session": query.session,
        "lost": 1 if query.lost else None,
        "now_ms": now_ms,
        "text": lowered,
        "error": query.error,
        "finished_before_ms": query.finished_before_ms,
        "payload": query.payload,
    }
    return _readable(connection, parameters, seqs)


def _readable(connection: apsw.Connection, parameters: dict[str, Any], seqs: list[int]) -> list[Row]:
    """The rows; where one is not to be read as text, by halves, down to that one."""
    try:
        return connection.execute(sql("scan_filter"), {**parameters, "seqs": json.dumps(seqs)}).fetchall()
    except UnicodeDecodeError:
        if len(seqs) == 1:
            return unsound.read(connection, seqs[0])
    middle = len(seqs) // 2
    return _readable(connection, parameters, seqs[:middle]) + _readable(connection, parameters, seqs[middle:])


def _list(words: tuple[str, ...] | None) -> str | None:
    return None if words is None else json.dumps(words)


def _add_open_edges(connection: apsw.Connection, jobs: dict[int, JobRecord]) -> None:
    for child, _, parent in sorted(connection.execute(sql("edge_open"), (json.dumps(list(jobs)),))):
        jobs[child].waits_for += (JobId(parent),)


def _add_errors_and_logs(connection: apsw.Connection, seqs: list[int], jobs: list[JobRecord]) -> None:
    by_seq = dict(zip(seqs, jobs, strict=True))
    wanted = (json.dumps(seqs),)
    for seq, body in connection.execute(sql("failures_read"), wanted):
        by_seq[seq].errors += (body,)
    for seq, body in connection.execute(sql("logs_read"), wanted):
        by_seq[seq].logs += (body,)
