"""This module makes parents and children for the tests of edges, and lets parents end."""

from typing import Unpack

import msgspec

from longshore.core.edges import Edge, Edges, Join, Missed, When
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.verdict import BURIED, CANCELLED, COMPLETED, Verdict
from longshore.store.commands import ClaimAsk
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import NOW, QUEUE, SESSION, JobFields, new_job, settlement
from longshore.testing.conformance.steps import look, sign_on

ELSEWHERE = "video"
"""A queue that is not `QUEUE`."""
ENDS = {
    State.COMPLETED: COMPLETED,
    State.FAILED: BURIED,
    State.CANCELLED: CANCELLED,
    State.SKIPPED: Verdict(State.SKIPPED),
}
"""How a running parent ends in each of the ways."""


def after(parent: NewJob, on: When = When.SUCCESS, missed: Missed = Missed.CANCEL) -> Edge:
    """An edge to that parent."""
    return Edge(parent.id, parent.queue, on, missed)


def child(
    *waits_for: Edge | NewJob, join: Join = Join.ALL, queue: str = QUEUE, **fields: Unpack[JobFields]
) -> NewJob:
    """A job that waits for these; for a parent, where no edge is given, for its success."""
    parents = tuple(one if isinstance(one, Edge) else after(one) for one in waits_for)
    return msgspec.structs.replace(new_job(queue, **fields), edges=Edges(parents, join))


async def insert(store: Store, *jobs: NewJob, now_ms: int = NOW) -> None:
    """Inserts these jobs in one list."""
    await store.insert(jobs, now_ms=now_ms)


async def begin(store: Store, job: NewJob, *, now_ms: int = NOW) -> JobRecord:
    """Claims this very job."""
    await sign_on(store, SESSION, queues=(QUEUE, ELSEWHERE), now_ms=now_ms)
    [claimed] = await store.claim([ClaimAsk(job.queue, 1, SESSION, job.id)], now_ms=now_ms)
    [running] = claimed.jobs
    return running


async def end(
    store: Store, *jobs: NewJob, state: State = State.COMPLETED, keep: bool = True, now_ms: int = NOW
) -> None:
    """Claims these pending jobs, and settles them in one list."""
    running = [await begin(store, job, now_ms=now_ms) for job in jobs]
    await store.settle([settlement(job, ENDS[state], keep=keep) for job in running], now_ms=now_ms)


async def state_of(store: Store, job: NewJob, *, now_ms: int = NOW) -> State:
    """The state of a job that must be there."""
    return (await look(store, job.id, now_ms=now_ms)).state


async def open_parents(store: Store, job: NewJob, *, now_ms: int = NOW) -> list[JobId]:
    """Whom the job waits for."""
    return list((await look(store, job.id, now_ms=now_ms)).waits_for)


async def told_all(store: Store, *, now_ms: int = NOW) -> None:
    """Lets a store that stopped after some hundreds go on."""
    while (await store.promote(1000, now_ms=now_ms)).more:
        pass
