"""This module turns jobs into columns and rows into jobs. Ids go out as hexadecimal text and come back as bytes."""

from collections.abc import Sequence
from typing import Any

from longshore.backends.postgres.dialect import Row, sparse
from longshore.core import edges
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import unpack
from longshore.core.states import State, as_shown

BLOCKED = State.BLOCKED.code
SCHEDULED = State.SCHEDULED.code
HELD = State.HELD.code
PENDING = State.PENDING.code
RUNNING = State.RUNNING.code
RETRYING = State.RETRYING.code
FIRST_TERMINAL = State.COMPLETED.code
"""States are kept as their codes; asking the enum for them costs more than the rest of a row."""


def bodies_of(jobs: Sequence[NewJob]) -> tuple[list[Any], ...]:
    """New jobs as `insert.sql` and `insert_now.sql` take them: what every job has, from the ids on."""
    return (
        [job.id.hex() for job in jobs],
        [job.queue for job in jobs],
        [job.name for job in jobs],
        [job.payload for job in jobs],
        [job.priority for job in jobs],
    )


def extras_of(jobs: Sequence[NewJob]) -> tuple[list[Any], ...]:
    """What few jobs have, from `max_attempts` on."""
    return (
        sparse(job.max_attempts for job in jobs),
        sparse(job.details for job in jobs),
        sparse("\n".join(job.tags) if job.tags else None for job in jobs),
        sparse(job.reference for job in jobs),
        sparse(job.correlation_id for job in jobs),
    )


def claimed_job(row: Row, queue: str, session: str) -> JobRecord:
    """What `claim.sql` returned."""
    return JobRecord(
        id=JobId(row[1]),
        queue=queue,
        name=row[2],
        payload=row[3],
        state=State.RUNNING,
        priority=row[4],
        max_attempts=row[5],
        fence=row[6],
        failures=row[7],
        crashes=row[8],
        releases=row[9],
        session=session,
        created_ms=row[10],
        details=row[11],
        rules=unpack(row[13]),
    )


class Match:
    """Positions in a row of `scan_filter.sql`."""

    ID = 0
    QUEUE = 1
    NAME = 2
    STATE = 4
    PRIORITY = 5
    FINISHED_MS = 16
    CANCEL_REQUESTED = 22
    ERRORS = 23
    LOGS = 24
    VERSION = 25
    RULES = 26
    HELD_BY = 27
    EDGES = 28
    WAITS_FOR = 29


def scanned_job(row: Row) -> JobRecord:
    """What `scan_filter.sql` returned."""
    state, error_text = as_shown(row[Match.STATE], row[19])
    return JobRecord(
        id=JobId(row[0]),
        queue=row[1],
        name=row[2],
        payload=row[3],
        state=state,
        priority=row[5],
        max_attempts=row[6],
        fence=row[7],
        failures=row[8],
        crashes=row[9],
        releases=row[10],
        session=row[11],
        created_ms=row[12],
        details=row[13],
        run_ms=row[14],
        started_ms=row[15],
        finished_ms=row[16],
        updated_ms=row[17],
        result=row[18],
        error_text=error_text,
        progress=row[20],
        progress_note=row[21],
        cancel_requested=row[22],
        errors=tuple(row[23] or ()),
        logs=tuple(row[24] or ()),
        rules=unpack(row[Match.RULES]),
        held_by=row[Match.HELD_BY],
        edges=edges.unpack(row[Match.EDGES]),
        waits_for=tuple(JobId(parent) for parent in row[Match.WAITS_FOR] or ()),
    )
