"""Lines whose jobs have left them before their turn."""

import uuid

import pytest

from longshore.backends.redis.store import RedisStore
from longshore.backends.redis.url import read_url
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.store.commands import Cancel, Changes, ClaimAsk, JobQuery, Lease, Retry, Update
from servers import running

CROWD = 21_000
"""More than a claim looks at in one go."""


@pytest.fixture
async def store():
    store = RedisStore(read_url(f"{running.redis().url}?prefix={uuid.uuid4().hex}"))
    await store.open()
    await store.extend([Lease(session="worker", lease_ms=600_000, opens=True)])
    yield store
    await store.close()


def new_jobs(count: int) -> list[NewJob]:
    return [NewJob(id=new_id(), queue="mail", name="send", payload=b"{}") for _ in range(count)]


async def claimed(store: RedisStore, count: int) -> list[bytes]:
    [reply] = await store.claim([ClaimAsk("mail", count, "worker")])
    return [job.id for job in reply.jobs]


async def test_a_claim_finds_the_one_behind_thousands_that_have_left(store):
    crowd, [last] = new_jobs(CROWD), new_jobs(1)
    await store.insert([*crowd, last])
    for at in range(0, CROWD, 1000):
        ids = tuple(job.id for job in crowd[at : at + 1000])
        await store.change([Cancel(where=JobQuery(ids=ids, limit=1000))])
    assert await claimed(store, 5) == [last.id]


async def test_the_next_in_line_is_told_behind_those_that_have_left(store):
    jobs = new_jobs(500)
    await store.insert(jobs, now_ms=1_000)
    await store.insert(new_jobs(1), now_ms=2_000)
    await store.change([Cancel(where=JobQuery(ids=tuple(job.id for job in jobs), limit=1000))])
    [counts] = await store.count(["mail"])
    assert counts.oldest_pending_ms == 2_000


async def test_a_job_that_left_and_came_back_stands_in_line_once(store):
    first, second = new_jobs(2)
    await store.insert([first, second])
    only = JobQuery(ids=(first.id,))
    for _ in range(5):
        await store.change([Cancel(where=only), Retry(where=only)])
    assert await claimed(store, 10) == [second.id, first.id]
    assert await claimed(store, 10) == []


async def test_a_job_that_is_moved_to_and_fro_keeps_its_place_and_stands_there_once(store):
    jobs = new_jobs(3)
    await store.insert(jobs)
    only = JobQuery(ids=(jobs[1].id,))
    for priority in (1, 3, 7, 3):
        await store.change([Update(where=only, changes=Changes(priority=priority, payload=b"1"))])
    assert await claimed(store, 10) == [job.id for job in jobs]
    assert await claimed(store, 10) == []
    [counts] = await store.count(["mail"])
    assert counts.states[State.RUNNING] == 3


async def test_a_new_job_that_was_updated_where_it_stood_is_running_once_it_is_claimed(store):
    jobs = new_jobs(3)
    await store.insert(jobs)
    only = JobQuery(ids=(jobs[1].id,))
    await store.change([Update(where=only, changes=Changes(payload=b"1"))])
    assert await claimed(store, 2) == [jobs[0].id, jobs[1].id]
    [page] = await store.scan([only])
    assert [(job.state, job.payload, job.fence) for job in page.jobs] == [(State.RUNNING, b"1", 1)]
