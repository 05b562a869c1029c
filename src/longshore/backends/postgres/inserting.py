"""This module stores new jobs."""

from collections.abc import Sequence
from itertools import pairwise

from longshore.backends.postgres.dialect import Dialect, Runs, sparse
from longshore.backends.postgres.rows import bodies_of, extras_of
from longshore.core.job import NewJob
from longshore.store.replies import Inserted


async def insert(
    connection: Runs,
    dialect: Dialect,
    jobs: Sequence[NewJob],
    now_ms: int | None,
    *,
    place: int | None = None,
    steps: Sequence[int] = (),
) -> list[Inserted]:
    """Stores the jobs whose ids are not there yet, with one statement.

    `place` and `steps` give each job its place in line; without them it is the tail, in the order of the list. Raises
    the driver's unique violation where another session stores one of the ids in this very moment: then nothing was
    stored, and the same call will find it a duplicate.
    """
    if len(jobs) == 1 and place is None and not jobs[0].delay_ms and jobs[0].run_ms is None:
        return [await _insert_one(connection, dialect, jobs[0], now_ms)]
    order, asked, steps = _in_order(jobs, steps)
    bodies, extras, times = bodies_of(asked), extras_of(asked), _times(asked)
    if place is None and not any(times):
        rows = await dialect.fetch(connection, "insert_now", now_ms, dialect.channel, *bodies, *extras, steps)
    else:
        rows = await dialect.fetch(
            connection, "insert", now_ms, dialect.channel, *bodies, *times, *extras, place, steps
        )
    [(created, which, _)] = rows
    return _replies(len(jobs), order, created, which)


async def _insert_one(connection: Runs, dialect: Dialect, job: NewJob, now_ms: int | None) -> Inserted:
    """A lone job, as its own parameters: a fifth of the server's time goes into lists where there is one of each."""
    rows = await dialect.fetch(
        connection,
        "insert_one",
        now_ms,
        dialect.channel,
        job.id.hex(),
        job.queue,
        job.name,
        job.payload,
        job.priority,
        job.max_attempts,
        job.details,
        job.tags or None,
        job.reference,
        job.correlation_id,
    )
    return Inserted.CREATED if rows else Inserted.DUPLICATE


async def join(
    connection: Runs, dialect: Dialect, jobs: Sequence[NewJob], now_ms: int | None
) -> tuple[list[Inserted], str]:
    """`insert` in a transaction of somebody else's, which a unique violation would break; with the identity of the
    store that the connection has led to."""
    order, asked, steps = _in_order(jobs, ())
    bodies, extras, times = bodies_of(asked), extras_of(asked), _times(asked)
    [(created, which, _, identity)] = await dialect.fetch(
        connection, "insert_joining", now_ms, dialect.channel, *bodies, *times, *extras, None, steps
    )
    return _replies(len(jobs), order, created, which), identity


def _in_order(
    jobs: Sequence[NewJob], steps: Sequence[int]
) -> tuple[list[int] | None, Sequence[NewJob], Sequence[int]]:
    """The jobs and their steps in the order of their ids, and their numbers in it; see `_by_id`."""
    order = _by_id(jobs)
    if order is None:
        return None, jobs, steps
    asked = [jobs[number] for number in order]
    return order, asked, [steps[number] if steps else number + 1 for number in order]


def _times(jobs: Sequence[NewJob]) -> tuple[list[int | None], list[int | None]]:
    return sparse(job.run_ms for job in jobs), sparse(job.delay_ms or None for job in jobs)


def _replies(
    count: int, order: list[int] | None, created: int, which: Sequence[int] | None
) -> list[Inserted]:
    if created == count:
        return [Inserted.CREATED] * count
    numbers = range(count) if order is None else order
    replies = [Inserted.DUPLICATE] * count
    for number in range(1, created + 1) if which is None else which:
        replies[numbers[number - 1]] = Inserted.CREATED
    return replies


def _by_id(jobs: Sequence[NewJob]) -> list[int] | None:
    """The numbers of the jobs in the order of their ids, without repeated ones; None where the list is so already.

    Lists in one order cannot wait for each other in a circle. Ids are made in it, so there is mostly nothing to do.
    """
    ids = [job.id for job in jobs]
    if all(first < second for first, second in pairwise(ids)):
        return None
    first_of: dict[bytes, int] = {}
    for number, job_id in enumerate(ids):
        first_of.setdefault(job_id, number)
    return [first_of[job_id] for job_id in sorted(first_of)]
