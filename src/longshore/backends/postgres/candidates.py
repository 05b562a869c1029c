"""This module finds the shortest way to the jobs among which a query's matches must be, in the query's order.

A way is an index. What it gives is a superset: `searching` reads the jobs and tests every field.
"""

from typing import NamedTuple, Protocol
from uuid import UUID

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.backends.postgres.rows import (
    BLOCKED,
    FIRST_TERMINAL,
    HELD,
    PENDING,
    RETRYING,
    RUNNING,
    SCHEDULED,
)
from longshore.core.errors import InvalidOption
from longshore.core.states import CODES, ORDER, State
from longshore.store.commands import JobQuery, Order

FOR_EVER = 1 << 62
FEW = 10_000
"""Jobs that may be sorted for one page."""
RARE_ENDS = frozenset(CODES[state] for state in (State.FAILED, State.CANCELLED, State.SKIPPED))
"""States in which there are mostly few jobs among many that ended well."""
FIRST_ID, LAST_ID = "0" * 32, "f" * 32


class Candidate(NamedTuple):
    """A job that may match, and its place in the order."""

    key: str
    """For the cursor."""
    id: str
    """In hexadecimal."""


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
    finished_ms, _, job_id = key.rpartition(".")
    try:
        if query.order is Order.FINISHED:
            int(finished_ms)
        return Cursor(int(spare), key[: -len(job_id)] + UUID(job_id).hex)
    except ValueError as error:
        raise InvalidOption("cursor", query.cursor, "the cursor of the page before") from error


class Way(Protocol):
    """Gives candidates in order, some at a time."""

    async def next(self, connection: Runs, count: int) -> list[Candidate]:
        """The next ones; fewer than asked for: these were the last."""


def way(dialect: Dialect, query: JobQuery, key: str) -> Way:
    """The way of a query that names no ids, from behind the cursor's key on."""
    if query.order is Order.FINISHED:
        return _ByEnd(dialect, query, key)
    by_id = _ById(dialect, query, key)
    states = states_of(query)
    if by_id.walks_all and states <= RARE_ENDS:
        return _Few(by_id, dialect, query, key)
    return by_id


class _ById:
    """By the ids, through the index that leaves out most."""

    def __init__(self, dialect: Dialect, query: JobQuery, key: str) -> None:
        direction = "newest" if query.order is Order.NEWEST else "oldest"
        subject, self._subject = _subject(query)
        self.walks_all = not subject
        """Whether it is the way past every job of a shelf."""
        self._dialect, self._statement, self._after = dialect, f"scan{subject}_{direction}", key or None

    async def next(self, connection: Runs, count: int) -> list[Candidate]:
        """See `Way`."""
        rows = await self._dialect.fetch(connection, self._statement, self._subject, self._after, count)
        found = [job_id.hex() for (job_id,) in rows]
        if found:
            self._after = found[-1]
        return [Candidate(job_id, job_id) for job_id in found]


class _Few:
    """All that ended in rare states, sorted here; by the ids where they are not few after all."""

    def __init__(self, by_id: _ById, dialect: Dialect, query: JobQuery, key: str) -> None:
        self._by_id, self._dialect, self._query, self._key = by_id, dialect, query, key
        self._found: list[str] | None = None
        self._are_few = True

    async def next(self, connection: Runs, count: int) -> list[Candidate]:
        """See `Way`."""
        if self._found is None:
            self._found = await self._read(connection)
        if not self._are_few:
            return await self._by_id.next(connection, count)
        page, self._found = self._found[:count], self._found[count:]
        return [Candidate(job_id, job_id) for job_id in page]

    async def _read(self, connection: Runs) -> list[str]:
        states = sorted(states_of(self._query))
        rows = await self._dialect.fetch(connection, "scan_ended", states, self._query.queues, FEW + 1)
        self._are_few = len(rows) <= FEW
        newest_first = self._query.order is Order.NEWEST
        ids = sorted((job_id.hex() for (job_id,) in rows), reverse=newest_first)
        return [
            job_id
            for job_id in ids
            if not self._key or (job_id < self._key if newest_first else job_id > self._key)
        ]


def _subject(query: JobQuery) -> tuple[str, object]:
    """The index of a query that is sorted by id: a part of the statement's name, and its first parameter."""
    if query.reference is not None:
        return "_reference", query.reference
    if query.correlation_id is not None:
        return "_correlation", query.correlation_id
    if query.tags:
        return "_tagged", None
    return "", sorted({shelf_of(state) for state in states_of(query)})


def states_of(query: JobQuery) -> set[int]:
    """The codes of the states that a match may have."""
    states = set(range(len(ORDER))) if query.states is None else {CODES[state] for state in query.states}
    if query.lost:
        states &= {RUNNING}
    if query.finished_before_ms is not None or query.order is Order.FINISHED:
        states = {state for state in states if state >= FIRST_TERMINAL}
    return states


_SHELVES = {state: state for state in (HELD, PENDING, RUNNING, SCHEDULED)} | {
    RETRYING: SCHEDULED,
    BLOCKED: HELD,
}


def shelf_of(state: int) -> int:
    """The shelf on which jobs of a state stand, as the view `standing` numbers them."""
    if state >= FIRST_TERMINAL:
        return FIRST_TERMINAL
    return _SHELVES.get(state, 0)


class _ByEnd:
    """By the time they ended, newest first."""

    def __init__(self, dialect: Dialect, query: JobQuery, key: str) -> None:
        self._dialect = dialect
        self._states = sorted(states_of(query))
        self._queues = query.queues
        self._before = (FOR_EVER, LAST_ID)
        if key:
            finished_ms, _, job_id = key.partition(".")
            self._before = (int(finished_ms), job_id)
        if query.finished_before_ms is not None:
            self._before = min(self._before, (query.finished_before_ms, FIRST_ID))

    async def next(self, connection: Runs, count: int) -> list[Candidate]:
        """See `Way`."""
        rows = await self._dialect.fetch(
            connection, "scan_finished", self._states, self._queues, *self._before, count
        )
        found = [(finished_ms, job_id.hex()) for finished_ms, job_id in rows]
        if found:
            self._before = found[-1]
        return [Candidate(f"{finished_ms}.{job_id}", job_id) for finished_ms, job_id in found]
