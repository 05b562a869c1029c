"""This module stores jobs of another store as they are."""

from collections.abc import Sequence
from typing import Any

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord
from longshore.core.states import CODES
from longshore.store.adopting import search_keys
from longshore.store.replies import Inserted


async def adopt(connection: Runs, dialect: Dialect, jobs: Sequence[JobRecord]) -> list[Inserted]:
    """Stores the jobs whose ids are not there yet, with one statement. May raise what `insert` raises."""
    numbers: dict[bytes, int] = {}
    for number, job in enumerate(jobs):
        numbers.setdefault(job.id, number)
    asked = [(number, jobs[number]) for _, number in sorted(numbers.items())]
    errors = [body for place, (_, job) in enumerate(asked, start=1) for body in _errors(place, job)]
    logs = [(place, body) for place, (_, job) in enumerate(asked, start=1) for body in job.logs[-LOGS_KEPT:]]
    rows = await dialect.fetch(
        connection,
        "adopt",
        dialect.channel,
        *_columns(asked),
        *([error[column] for error in errors] for column in range(3)),
        *([line[column] for line in logs] for column in range(2)),
    )
    created = {asked[row[0] - 1][0] for row in rows}
    return [Inserted.CREATED if number in created else Inserted.DUPLICATE for number in range(len(jobs))]


def _columns(asked: list[tuple[int, JobRecord]]) -> tuple[list[Any], ...]:
    """Jobs as `adopt.sql` takes them, from the places on."""
    jobs = [job for _, job in asked]
    keys = [search_keys(job.details) for job in jobs]
    return (
        [number + 1 for number, _ in asked],
        [job.id.hex() for job in jobs],
        [job.queue for job in jobs],
        [CODES[job.state] for job in jobs],
        [job.priority for job in jobs],
        [job.fence for job in jobs],
        [job.failures for job in jobs],
        [job.crashes for job in jobs],
        [job.releases for job in jobs],
        [job.session for job in jobs],
        [job.started_ms for job in jobs],
        [job.run_ms for job in jobs],
        [job.finished_ms for job in jobs],
        [job.updated_ms for job in jobs],
        [job.progress for job in jobs],
        [job.progress_note for job in jobs],
        [job.error_text for job in jobs],
        [job.result for job in jobs],
        [job.created_ms for job in jobs],
        [job.max_attempts for job in jobs],
        [job.name for job in jobs],
        [job.payload for job in jobs],
        [job.details for job in jobs],
        ["\n".join(key.tags) if key.tags else None for key in keys],
        [key.reference for key in keys],
        [key.correlation_id for key in keys],
    )


def _errors(place: int, job: JobRecord) -> list[tuple[int, int, bytes]]:
    """Which claim an error was of is not told, only that there were no more claims than `fence`."""
    kept = job.errors[-ERRORS_KEPT:]
    return [(place, fence, body) for fence, body in enumerate(kept, job.fence - len(kept) + 1)]
