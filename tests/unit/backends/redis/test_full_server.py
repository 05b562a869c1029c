"""A server that has no memory left: what it still does, on each version."""

import pytest

from longshore.backends.redis.store import RedisStore
from longshore.backends.redis.url import read_url
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, Verdict, retry_after
from longshore.store.commands import ClaimAsk, Delete, JobQuery, Lease, Settlement

SIGN_OF_LIFE = Lease(session="worker", lease_ms=600_000, opens=True)


@pytest.fixture
async def store(own_server):
    """One with pending and with running jobs, on a server that has then been filled."""
    store = RedisStore(read_url(own_server.url))
    await store.open()
    await store.extend([SIGN_OF_LIFE])
    await store.insert([new_job() for _ in range(10)])
    yield store
    await store.close()


def new_job() -> NewJob:
    return NewJob(id=new_id(), queue="mail", name="send", payload=b"{}")


async def fill(store: RedisStore) -> None:
    await store._caller.links.command("CONFIG", "SET", "maxmemory", "1")


async def claimed(store: RedisStore, count: int) -> list[JobRecord]:
    [reply] = await store.claim([ClaimAsk("mail", count, "worker")])
    return reply.jobs


def end_of(job: JobRecord, verdict: Verdict, error: bytes | None = None) -> Settlement:
    return Settlement(
        id=job.id,
        queue="mail",
        session="worker",
        fence=job.fence,
        verdict=verdict,
        error=error,
        error_text=None if error is None else "Boom",
    )


async def test_jobs_still_end_on_a_full_server_whatever_they_came_to(store):
    first, second = await claimed(store, 2)
    await fill(store)
    ends = [end_of(first, COMPLETED), end_of(second, retry_after(1_000), b"error")]
    assert await store.settle(ends) == ["applied", "applied"]
    [counts] = await store.count(["mail"])
    assert (counts.states[State.COMPLETED], counts.states[State.RETRYING], counts.states[State.RUNNING]) == (
        1,
        1,
        0,
    )


async def test_workers_still_claim_and_give_signs_of_life_on_a_full_server(store):
    await fill(store)
    [extended] = await store.extend([SIGN_OF_LIFE])
    assert extended.held
    assert len(await claimed(store, 10)) == 10


async def test_finished_jobs_can_be_deleted_from_a_full_server(store):
    jobs = await claimed(store, 5)
    await store.settle([end_of(job, COMPLETED) for job in jobs])
    await fill(store)
    [changed] = await store.change([Delete(where=JobQuery(states=(State.COMPLETED,)))])
    assert len(changed.ids) == 5


async def test_a_full_server_takes_no_jobs_and_loses_none(store):
    await fill(store)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.insert([new_job()])
    [counts] = await store.count(["mail"])
    assert counts.states[State.PENDING] == 10
