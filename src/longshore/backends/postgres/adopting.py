"""This module stores jobs of another store as they are."""

from collections.abc import Sequence
from typing import Any

from longshore.backends.postgres.children import Child, newly_blocked
from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dependents import Dependents
from longshore.backends.postgres.dialect import Dialect, sparse
from longshore.backends.postgres.ledger import Ledger, lock, ruled
from longshore.backends.postgres.lines import Contender
from longshore.backends.postgres.newcomers import mark
from longshore.backends.postgres.rows import PENDING
from longshore.core import edges
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord
from longshore.core.rules import pack
from longshore.core.states import CODES, State
from longshore.store.adopting import search_keys
from longshore.store.replies import Inserted

_ASKING = frozenset({State.PENDING, State.HELD})

Numbered = tuple[int, JobRecord]


async def adopt(
    connection: Connection, dialect: Dialect, jobs: Sequence[JobRecord], now_ms: int | None
) -> list[Inserted]:
    """Stores the jobs whose ids are not there yet, with one statement where none has rules. May raise what `insert`
    raises."""
    numbers: dict[bytes, int] = {}
    for number, job in enumerate(jobs):
        numbers.setdefault(job.id, number)
    asked = [(number, jobs[number]) for _, number in sorted(numbers.items())]
    if any(job.rules is not None or job.state is State.BLOCKED for job in jobs):
        created = await _adopt_ruled(connection, dialect, asked, now_ms)
    else:
        created = await _store(connection, dialect, asked, now_ms)
    return [Inserted.CREATED if number in created else Inserted.DUPLICATE for number in range(len(jobs))]


async def _adopt_ruled(
    connection: Connection, dialect: Dialect, asked: list[Numbered], now_ms: int | None
) -> dict[int, int]:
    """As `_store`, under locks. All who want to be pending are put in line, and taken out where there is no room."""
    marks = {
        mark(job.queue, job.rules.unique): job for _, job in sorted(asked) if job.rules and job.rules.unique
    }
    async with connection.transaction():
        if marks:
            await dialect.fetch(connection, "holders", sorted(marks))
        locked = await lock(
            connection, dialect, now_ms, flows=[job.queue for _, job in asked if ruled(job.rules)]
        )
        created = await _store(connection, dialect, asked, locked.now_ms)
        dependents = Dependents(connection, dialect, locked.now_ms)
        for number, job in sorted(asked):
            if number in created and (child := _blocked(job)) is not None:
                dependents.come(child, job.edges, set(job.waits_for))
        await _take_marks(connection, dialect, [job for number, job in sorted(asked) if number in created])
        ledger = Ledger(connection, dialect, locked)
        asking = [
            Contender(
                id=job.id.hex(),
                queue=job.queue,
                priority=job.priority,
                rules=job.rules,
                order=created[number],
            )
            for number, job in sorted(asked)
            if number in created and job.state in _ASKING and job.rules is not None and ruled(job.rules)
        ]
        ledger.set_tail(max(created.values(), default=0))
        await ledger.load((job.queue, job.priority, job.rules) for job in asking)
        for contender in asking:
            ledger.ask(contender)
        if not dependents.has_come:
            await ledger.serve()
        await ledger.keep()
        if dependents.has_come:
            await dependents.finish(await ledger.again())
    return created


def _blocked(job: JobRecord) -> Child | None:
    """One that waits for `waits_for` only."""
    if job.state is not State.BLOCKED:
        return None
    return newly_blocked(job, run_ms=job.run_ms, only=set(job.waits_for))


async def _take_marks(connection: Connection, dialect: Dialect, jobs: Sequence[JobRecord]) -> None:
    taken = {
        mark(job.queue, job.rules.unique): job.id.hex() for job in jobs if job.rules and job.rules.unique
    }
    if taken:
        await dialect.fetch(connection, "holders_take", list(taken), list(taken.values()))


async def _store(
    connection: Connection, dialect: Dialect, asked: list[Numbered], now_ms: int | None
) -> dict[int, int]:
    """The numbers of those that were not there yet, and their places."""
    errors = [body for place, (_, job) in enumerate(asked, start=1) for body in _errors(place, job)]
    logs = [(place, body) for place, (_, job) in enumerate(asked, start=1) for body in job.logs[-LOGS_KEPT:]]
    rows = await dialect.fetch(
        connection,
        "adopt",
        dialect.channel,
        *_columns(asked),
        *([error[column] for error in errors] for column in range(3)),
        *([line[column] for line in logs] for column in range(2)),
        sparse(pack(job.rules) for _, job in asked),
        sparse(ruled(job.rules) for _, job in asked),
        now_ms,
        sparse(edges.pack(job.edges) for _, job in asked),
        sparse(child and child.aside for child in (_blocked(job) for _, job in asked)),
    )
    return {asked[row[0] - 1][0]: row[1] for row in rows}


def _columns(asked: list[tuple[int, JobRecord]]) -> tuple[list[Any], ...]:
    """Jobs as `adopt.sql` takes them, from the places on."""
    jobs = [job for _, job in asked]
    keys = [search_keys(job.details) for job in jobs]
    return (
        [number + 1 for number, _ in asked],
        [job.id.hex() for job in jobs],
        [job.queue for job in jobs],
        [PENDING if job.state is State.HELD else CODES[job.state] for job in jobs],
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
