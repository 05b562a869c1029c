"""This module turns jobs into rows and rows into jobs."""

from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import apsw
import msgspec

from longshore.core.edges import Edges
from longshore.core.edges import unpack as unpack_edges
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import Rules, unpack
from longshore.core.states import ORDER, State
from longshore.store.commands import ClaimAsk

BLOCKED = State.BLOCKED.code
SCHEDULED = State.SCHEDULED.code
HELD = State.HELD.code
PENDING = State.PENDING.code
RUNNING = State.RUNNING.code
RETRYING = State.RETRYING.code
COMPLETED = State.COMPLETED.code
FAILED = State.FAILED.code
CANCELLED = State.CANCELLED.code
SKIPPED = State.SKIPPED.code
FIRST_TERMINAL = COMPLETED
"""States are kept as their codes; asking the enum for them costs more than the rest of a row."""

Row = tuple[Any, ...]
"""What the database gives or takes. Its columns are those that the statement's header names."""


RULES_KEPT = 4096
"""Most jobs of a key have the same bytes, so what they say is remembered."""


@lru_cache(maxsize=RULES_KEPT)
def rules_of(packed: bytes) -> Rules | None:
    """The rules that were packed; None where a hand has spoilt them: the job runs without, and stops nobody."""
    try:
        return unpack(packed)
    except msgspec.MsgspecError:
        return None


@lru_cache(maxsize=1024)
def edges_of(packed: bytes | None) -> Edges | None:
    """The edges that were packed; None where somebody's hand has spoilt them."""
    try:
        return unpack_edges(packed)
    except msgspec.MsgspecError:
        return None


def numbers(values: Iterable[int]) -> Any:
    """Numbers as one parameter, for `IN (SELECT value FROM carray(?))`: half the cost of a statement for each."""
    return apsw.carray(array("q", values))


def blobs(values: Iterable[bytes]) -> Any:
    """Ids as one parameter."""
    return apsw.carray(tuple(values))


def row_of(job: NewJob, place: int, now_ms: int) -> Row:
    """A new job as `insert.sql` takes it, with `place` as its place in line."""
    due_ms = due_of(job, now_ms)
    return (
        job.id,
        job.queue,
        PENDING if due_ms is None else SCHEDULED,
        int(job.priority),
        place,
        job.max_attempts,
        due_ms,
        now_ms,
        job.name,
        job.payload,
        job.details,
        joined_tags(job.tags) if job.tags else None,
        job.reference,
        job.correlation_id,
    )


def due_of(job: NewJob, now_ms: int) -> int | None:
    """When a new job is due; None where it need not wait."""
    due_ms = job.run_ms
    if due_ms is None:
        if job.delay_ms <= 0:
            return None
        due_ms = now_ms + job.delay_ms
    return due_ms if due_ms > now_ms else None


def joined_tags(tags: Iterable[str]) -> str | None:
    """Tags as one text in which each stands between line feeds, so that one can be found and none inside another."""
    text = "\n".join(tags)
    return f"\n{text}\n" if text else None


def claimed_jobs(rows: list[Row], ask: ClaimAsk) -> list[JobRecord]:
    """What `claim_next.sql` read before the jobs were taken. Called in the caller's event loop: see `store.py`."""
    queue, session, running = ask.queue, ask.session, State.RUNNING
    return [
        JobRecord(
            id=JobId(job_id),
            queue=queue,
            name=name,
            payload=payload,
            state=running,
            priority=priority,
            max_attempts=max_attempts,
            fence=fence + 1,
            failures=failures,
            crashes=crashes,
            releases=releases,
            session=session,
            created_ms=created_ms,
            details=details,
            rules=None if rules is None else rules_of(rules),
        )
        for (
            _,
            job_id,
            name,
            payload,
            priority,
            max_attempts,
            fence,
            failures,
            crashes,
            releases,
            created_ms,
            details,
            rules,
        ) in rows
    ]


def scanned_job(row: Row) -> JobRecord:
    """What `scan_filter.sql` returned, without errors and logs."""
    return JobRecord(
        id=JobId(row[1]),
        queue=row[2],
        name=row[3],
        payload=row[4],
        state=ORDER[row[5]],
        priority=row[6],
        max_attempts=row[7],
        fence=row[8],
        failures=row[9],
        crashes=row[10],
        releases=row[11],
        session=row[12],
        created_ms=row[13],
        details=row[14],
        run_ms=row[15],
        started_ms=row[16],
        finished_ms=row[17],
        updated_ms=row[18],
        result=row[19],
        error_text=row[20],
        progress=row[21],
        progress_note=row[22],
        cancel_requested=bool(row[23]),
        rules=None if row[24] is None else rules_of(row[24]),
        held_by=row[25],
        edges=None if row[27] is None else edges_of(row[27]),
    )


class Match:
    """Positions in a row of `scan_filter.sql`."""

    SEQ = 0
    ID = 1
    QUEUE = 2
    STATE = 5
    PRIORITY = 6
    ERROR_TEXT = 20
    CANCEL_REQUESTED = 23
    RULES = 24
    HELD_BY = 25
    TURN = 26
    EDGES = 27
    AWAITED = 28
