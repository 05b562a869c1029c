"""This module finds the shortest way to the jobs among which a query's matches must be, in the query's order.

A way is an index. What it gives is a superset: `searching` reads the jobs and tests every field. Ways that have no
order of their own are taken only where the exact counts say that the jobs are few, and sorted here.
"""

import heapq
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import apsw

from longshore.backends.sqlite.rows import FIRST_TERMINAL, HELD, PENDING, RETRYING, RUNNING, SCHEDULED
from longshore.backends.sqlite.statements import sql
from longshore.backends.sqlite.unsound import sound_id
from longshore.core.errors import InvalidOption
from longshore.core.states import CODES, ORDER
from longshore.store.commands import JobQuery, Order

FEW = 10_000
"""Jobs that may be sorted for one page."""
FOR_EVER = 1 << 62


class Candidate(NamedTuple):
    """A job that may match, and its place in the order."""

    key: str
    """For the cursor."""
    seq: int


class Cursor(NamedTuple):
    """Where a page begins."""

    spare: int
    """How many matches are still to be left out."""
    key: str
    """Of the last job that was looked at; empty: from the first."""


def read_cursor(query: JobQuery) -> Cursor:
    """The cursor of a query. Raises InvalidOption for a text that no page has given."""
    if query.cursor is None:
        return Cursor(query.spare, "")
    spare, _, key = query.cursor.partition("~")
    finished_ms, _, rest = key.rpartition(".")
    try:
        if query.order is Order.FINISHED:
            int(finished_ms), int(rest)
        else:
            bytes.fromhex(key)
        return Cursor(int(spare), key)
    except ValueError as error:
        raise InvalidOption("cursor", query.cursor, "the cursor of the page before") from error


def candidates(connection: apsw.Connection, query: JobQuery, key: str) -> Iterator[Candidate]:
    """Jobs among which all that match are, in order, from behind the cursor's key on."""
    if query.order is Order.FINISHED:
        return _finished(connection, query, key)
    few = _few(connection, query)
    rows = _sorted(few, query, key) if few is not None else _walk(connection, query, key)
    return (Candidate(sound_id(job_id).hex(), seq) for job_id, seq in rows)


def _few(connection: apsw.Connection, query: JobQuery) -> list[tuple[bytes, int]] | None:
    """The jobs behind an index that has not the wanted order; None where there is none, or where they are many."""
    if query.ids is not None:
        return _read(connection, "scan_ids", json.dumps([job_id.hex() for job_id in query.ids]))
    if query.reference is not None:
        return _read(connection, "scan_reference", query.reference)
    if query.correlation_id is not None:
        return _read(connection, "scan_correlation", query.correlation_id)
    states = _states(query)
    if states == {RUNNING}:
        if query.session is not None:
            return _read(connection, "scan_session", query.session)
        return _read(connection, "scan_running")
    if query.states is None:
        return None
    return _few_by_state(connection, query, states)


def _states(query: JobQuery) -> set[int]:
    if query.lost:
        return {RUNNING}
    return set(range(len(ORDER))) if query.states is None else {CODES[state] for state in query.states}


def _few_by_state(
    connection: apsw.Connection, query: JobQuery, states: set[int]
) -> list[tuple[bytes, int]] | None:
    places = _places(connection, query, states)
    waiting = states & {SCHEDULED, RETRYING}
    if sum(count for _, state, count in places if state not in waiting) > FEW:
        return None
    found: list[tuple[bytes, int]] = []
    for queue, state, _ in places:
        if state == PENDING:
            found += _read(connection, "scan_pending", queue)
        elif state == HELD:
            found += _read(connection, "scan_held", queue)
        elif state >= FIRST_TERMINAL:
            found += _read(connection, "scan_over", queue, state)
        elif state != RUNNING and state not in waiting:
            return None
    if any(state == RUNNING for _, state, _ in places):
        found += _read(connection, "scan_running")
    if any(state in waiting for _, state, _ in places):
        if _total(connection, waiting) > FEW:
            return None
        found += _read(connection, "scan_waiting")
    return found


def _places(connection: apsw.Connection, query: JobQuery, states: set[int]) -> list[tuple[str, int, int]]:
    """The queues and states that hold any jobs of the query, with how many."""
    queues = None if query.queues is None else set(query.queues)
    return [
        (queue, state, count)
        for queue, state, count in connection.execute(sql("tally_all"))
        if count > 0 and state in states and (queues is None or queue in queues)
    ]


def _total(connection: apsw.Connection, states: set[int]) -> int:
    return sum(count for _, state, count in connection.execute(sql("tally_all")) if state in states)


def _read(connection: apsw.Connection, statement: str, *parameters: object) -> list[tuple[bytes, int]]:
    rows: list[Any] = connection.execute(sql(statement), parameters).fetchall()
    return rows


def _sorted(rows: list[tuple[bytes, int]], query: JobQuery, key: str) -> list[tuple[bytes, int]]:
    newest_first = query.order is Order.NEWEST
    ordered = sorted(set(rows), reverse=newest_first)
    if not key:
        return ordered
    after = bytes.fromhex(key)
    return [row for row in ordered if (row[0] < after if newest_first else row[0] > after)]


def _walk(connection: apsw.Connection, query: JobQuery, key: str) -> Iterator[tuple[bytes, int]]:
    """Every job in the order of the ids; with tags, every job that has any."""
    subject = "scan_tagged" if query.tags else "scan"
    if query.order is Order.NEWEST:
        parameter = bytes.fromhex(key) if key else None
        return iter(connection.execute(sql(f"{subject}_newest"), (parameter,)))
    return iter(connection.execute(sql(f"{subject}_oldest"), (bytes.fromhex(key),)))


def _finished(connection: apsw.Connection, query: JobQuery, key: str) -> Iterator[Candidate]:
    """Jobs that have ended, newest end first: one stream per queue and state, merged as far as it is read."""
    before, seq = FOR_EVER, FOR_EVER
    if key:
        finished_ms, _, last_seq = key.partition(".")
        before, seq = int(finished_ms), int(last_seq)
    if query.finished_before_ms is not None and query.finished_before_ms <= before:
        before, seq = query.finished_before_ms, 0
    states = {state for state in _states(query) if state >= FIRST_TERMINAL}
    streams = [
        iter(connection.execute(sql("scan_finished"), (queue, state, before, seq)))
        for queue, state, _ in _places(connection, query, states)
    ]
    merged = heapq.merge(*streams, reverse=True)
    wanted = None
    if query.ids is not None:
        wanted = {row[1] for row in _few(connection, query) or ()}
    return (
        Candidate(f"{finished_ms}.{seq}", seq)
        for finished_ms, seq in merged
        if wanted is None or seq in wanted
    )
