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
    joins: bool = False,
) -> list[Inserted]:
    """Stores the jobs whose ids are not there yet, with one statement.

    `place` and `steps` give each job its place in line; without them it is the tail, in the order of the list. Raises
    the driver's unique violation where another session stores one of the ids in this very moment: then nothing was
    stored, and the same call will find it a duplicate. Not so with `joins`, in a transaction of the caller's.
    """
    order = _by_id(jobs)
    asked = jobs if order is None else [jobs[number] for number in order]
    if order is not None:
        steps = [steps[number] if steps else number + 1 for number in order]
    bodies, extras = bodies_of(asked), extras_of(asked)
    times = sparse(job.run_ms for job in asked), sparse(job.delay_ms or None for job in asked)
    if joins or place is not None or any(times):
        rows = await dialect.fetch(
            connection,
            "insert_joining" if joins else "insert",
            now_ms,
            dialect.channel,
            *bodies,
            *times,
            *extras,
            place,
            steps,
        )
    else:
        rows = await dialect.fetch(connection, "insert_now", now_ms, dialect.channel, *bodies, *extras, steps)
    [(created, which, _)] = rows
    if created == len(jobs):
        return [Inserted.CREATED] * len(jobs)
    numbers = range(len(jobs)) if order is None else order
    replies = [Inserted.DUPLICATE] * len(jobs)
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
