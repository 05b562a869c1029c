"""Many tasks with sessions of their own on one server: no job is given twice, and nobody waits in a circle."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from longshore.backends.postgres import watermarks
from longshore.backends.postgres.store import PostgresStore
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, crashed
from longshore.store.commands import Cancel, ClaimAsk, Delete, JobQuery, Lease, Settlement
from longshore.store.replies import Inserted, Settled
from servers.server import ServerLike

JOBS = 1_280
TASKS = 64
HANDLES = 4


@pytest.fixture
async def stores(postgres: ServerLike, schema: str) -> AsyncIterator[list[PostgresStore]]:
    """Handles on the same jobs, such as processes have."""
    handles = [PostgresStore(postgres.url, schema=schema) for _ in range(HANDLES)]
    for handle in handles:
        await handle.open()
    yield handles
    for handle in handles:
        await handle.close()


async def fill(store: PostgresStore) -> None:
    jobs = [NewJob(id=new_id(), queue="mail", name="send", payload=b"1", priority=n % 3) for n in range(JOBS)]
    await store.insert(jobs)
    leases = [Lease(session=str(task), lease_ms=60_000, opens=True) for task in range(TASKS)]
    await store.extend(leases)


async def claim_all(stores: list[PostgresStore]) -> list[JobRecord]:
    async def work(task: int) -> list[JobRecord]:
        mine: list[JobRecord] = []
        while True:
            [claimed] = await stores[task % HANDLES].claim([ClaimAsk("mail", 7, str(task))])
            if not claimed.jobs:
                return mine
            mine += claimed.jobs

    return [job for jobs in await asyncio.gather(*map(work, range(TASKS))) for job in jobs]


def ends(jobs: list[JobRecord], order: random.Random, *, is_rescue: bool = False) -> list[Settlement]:
    """All of them, in an order of its own."""
    verdict = crashed(0) if is_rescue else COMPLETED
    return [
        Settlement(
            id=job.id,
            queue=job.queue,
            session=job.session or "",
            fence=job.fence,
            verdict=verdict,
            if_lost=is_rescue,
        )
        for job in order.sample(jobs, len(jobs))
    ]


async def test_sixty_four_tasks_hold_each_job_once(stores: list[PostgresStore]) -> None:
    await fill(stores[0])
    jobs = await claim_all(stores)
    assert len({job.id for job in jobs}) == len(jobs) == JOBS


async def test_the_same_holds_where_claims_begin_behind_the_dead_rows(
    stores: list[PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watermarks, "MANY_DEAD_ROWS", -1)
    monkeypatch.setattr(watermarks, "FEW_JOBS", 0)
    await fill(stores[0])
    jobs = await claim_all(stores)
    assert len({job.id for job in jobs}) == len(jobs) == JOBS


async def test_of_those_who_end_the_same_claims_in_any_order_each_is_told_applied(
    stores: list[PostgresStore],
) -> None:
    await fill(stores[0])
    jobs = await claim_all(stores)
    replies = await asyncio.gather(
        *(stores[n % HANDLES].settle(ends(jobs, random.Random(n))) for n in range(8))
    )
    assert {reply for each in replies for reply in each} == {Settled.APPLIED}
    [counts] = await stores[0].count(["mail"])
    assert counts.states[State.COMPLETED] == JOBS


async def test_rescuers_who_come_together_rescue_each_job_once(stores: list[PostgresStore]) -> None:
    await fill(stores[0])
    jobs = await claim_all(stores)
    await stores[0].extend([Lease(session=str(task), lease_ms=0) for task in range(TASKS)])
    await asyncio.gather(
        *(stores[n % HANDLES].settle(ends(jobs, random.Random(n), is_rescue=True)) for n in range(8))
    )
    [counts] = await stores[0].count(["mail"], minutes=5)
    assert counts.states[State.PENDING] == JOBS
    assert sum(minute.crashed for minute in counts.minutes) == JOBS


async def test_racing_inserts_of_the_same_jobs_in_any_order_create_each_once(
    stores: list[PostgresStore],
) -> None:
    jobs = [NewJob(id=new_id(), queue="mail", name="send", payload=b"1") for _ in range(200)]
    replies = await asyncio.gather(
        *(stores[n % HANDLES].insert(random.Random(n).sample(jobs, len(jobs))) for n in range(8))
    )
    assert sum(reply is Inserted.CREATED for each in replies for reply in each) == len(jobs)


async def test_edits_by_query_and_claims_of_many_share_no_job(stores: list[PostgresStore]) -> None:
    await fill(stores[0])

    async def cancel(handle: PostgresStore) -> int:
        [changed] = await handle.change(
            [Cancel(where=JobQuery(states=(State.PENDING,), queues=("mail",), limit=300))]
        )
        return len(changed.ids)

    jobs, *cancelled = await asyncio.gather(claim_all(stores), *map(cancel, stores))
    assert len(jobs) + sum(cancelled) == JOBS
    [deleted] = await stores[0].change(
        [Delete(where=JobQuery(states=(State.CANCELLED,), queues=("mail",), limit=1000))]
    )
    assert len(deleted.ids) == min(sum(cancelled), 1000)
