"""This module holds the steps of a job's life that the tests walk: adding, claiming, settling, looking."""

from collections.abc import Iterable
from typing import Unpack

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, Verdict
from longshore.store.commands import ClaimAsk, Edit, JobQuery, Lease, Put
from longshore.store.contract import Store
from longshore.store.replies import Changed, QueueCounts, Settled
from longshore.testing.conformance.jobs import (
    MINUTE,
    NOW,
    QUEUE,
    SESSION,
    JobFields,
    new_jobs,
    only,
    settlement,
)

LEASE_MS = 10 * MINUTE


async def add(
    store: Store, count: int = 1, queue: str = QUEUE, *, now_ms: int = NOW, **fields: Unpack[JobFields]
) -> list[JobId]:
    """Inserts so many jobs, and gives their ids."""
    jobs = new_jobs(count, queue, **fields)
    await store.insert(jobs, now_ms=now_ms)
    return ids(jobs)


async def sign_on(
    store: Store,
    *sessions: str,
    queues: Iterable[str] = (QUEUE,),
    lease_ms: int = LEASE_MS,
    now_ms: int = NOW,
) -> None:
    """Opens sessions whose leases outlast most tests."""
    leases = [Lease(session=s, lease_ms=lease_ms, queues=tuple(queues), opens=True) for s in sessions]
    await store.extend(leases, now_ms=now_ms)


async def claim(
    store: Store, count: int = 1, queue: str = QUEUE, *, session: str = SESSION, now_ms: int = NOW
) -> list[JobRecord]:
    """Claims up to so many jobs for a session, which is opened if it was not."""
    await sign_on(store, session, queues=(queue,), now_ms=now_ms)
    [claimed] = await store.claim([ClaimAsk(queue, count, session)], now_ms=now_ms)
    return claimed.jobs


async def start(
    store: Store, count: int = 1, queue: str = QUEUE, *, session: str = SESSION, now_ms: int = NOW
) -> list[JobRecord]:
    """Adds and claims so many jobs: they are running. For a queue that has no other pending jobs."""
    await add(store, count, queue, now_ms=now_ms)
    return await claim(store, count, queue, session=session, now_ms=now_ms)


async def finish(
    store: Store, jobs: Iterable[JobRecord], verdict: Verdict = COMPLETED, *, now_ms: int = NOW
) -> list[Settled]:
    """Settles claims, all in the same way."""
    return await store.settle([settlement(job, verdict) for job in jobs], now_ms=now_ms)


async def edit(store: Store, edit: Edit, *, now_ms: int = NOW) -> Changed:
    """One change."""
    [changed] = await store.change([edit], now_ms=now_ms)
    return changed


async def put(store: Store, put: Put, *, now_ms: int = NOW) -> None:
    """One record that must be stored."""
    [stored] = await store.put([put], now_ms=now_ms)
    assert stored.stored


async def look(store: Store, job_id: JobId, *, now_ms: int = NOW) -> JobRecord:
    """All that is known of a job that must be there."""
    [job] = await find(store, only(job_id), now_ms=now_ms)
    return job


async def find(store: Store, query: JobQuery, *, now_ms: int = NOW) -> list[JobRecord]:
    """All jobs of a query, page by page."""
    found: list[JobRecord] = []
    while True:
        [page] = await store.scan([query], now_ms=now_ms)
        assert len(page.jobs) <= query.limit
        found += page.jobs
        if page.cursor is None:
            return found
        query = msgspec.structs.replace(query, cursor=page.cursor)


async def states(store: Store, jobs: Iterable[JobId], *, now_ms: int = NOW) -> list[State | None]:
    """The state of each job, None for one that is not there."""
    wanted = tuple(jobs)
    known = {job.id: job.state for job in await find(store, only(*wanted, limit=1000), now_ms=now_ms)}
    return [known.get(job_id) for job_id in wanted]


async def count(store: Store, queue: str = QUEUE, *, minutes: int = 0, now_ms: int = NOW) -> QueueCounts:
    """How one queue stands."""
    [counts] = await store.count([queue], minutes=minutes, now_ms=now_ms)
    return counts


async def order_of_claims(store: Store, *, now_ms: int = NOW, queue: str = QUEUE) -> list[JobId]:
    """The pending jobs of a queue in the order in which they are handed out. They are running afterwards."""
    return ids(await claim(store, 1000, queue, now_ms=now_ms))


def ids(jobs: Iterable[JobRecord | NewJob]) -> list[JobId]:
    """The ids, in the order of the jobs."""
    return [job.id for job in jobs]
