"""What a Cluster keeps in several slots, when whoever was at it died in between."""

import uuid

import pytest

from longshore.backends.redis import settling
from longshore.backends.redis.calling import Caller
from longshore.backends.redis.keys import Keys
from longshore.backends.redis.links import Links
from longshore.backends.redis.store import RedisStore
from longshore.backends.redis.url import Address, read_url
from longshore.core.clock import SystemClock
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, crashed
from longshore.store.commands import PAUSE, ClaimAsk, JobQuery, Lease, Put, RecordAsk, Settlement
from longshore.store.replies import Settled
from servers import running

NOW = 1_700_000_000_000
LEASE_MS = 60_000
LATE = NOW + LEASE_MS


@pytest.fixture
def address() -> Address:
    return read_url(f"{running.cluster().url}?prefix={uuid.uuid4().hex}")


@pytest.fixture
async def store(address):
    store = RedisStore(address)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def caller(address):
    """Scripts without the verbs that use them: what a process had done when it died."""
    links = Links(address, SystemClock())
    await links.open()
    yield Caller(links, Keys(address.prefix, is_cluster=True))
    await links.close()


def job_in(queue: str) -> NewJob:
    return NewJob(id=new_id(), queue=queue, name="send", payload=b"{}")


async def running_job(store: RedisStore, queue: str = "mail", *, queues: tuple[str, ...] = ()) -> JobRecord:
    """A job that `worker` runs; its session was opened for these queues."""
    await store.insert([job_in(queue)], now_ms=NOW)
    await store.extend([Lease(session="worker", lease_ms=LEASE_MS, queues=queues, opens=True)], now_ms=NOW)
    [claimed] = await store.claim([ClaimAsk(queue, 1, "worker")], now_ms=NOW)
    return claimed.jobs[0]


def end_of(job: JobRecord, **fields: object) -> Settlement:
    told = {"verdict": COMPLETED, "id": job.id, "queue": job.queue, "session": "worker", "fence": job.fence}
    return Settlement(**told | fields)


async def state_of(store: RedisStore, job_id: bytes) -> State | None:
    [page] = await store.scan([JobQuery(ids=(job_id,))], now_ms=NOW)
    return page.jobs[0].state if page.jobs else None


async def test_followers_whose_process_died_are_brought_by_whoever_promotes(store, caller):
    job, follower = await running_job(store), job_in("letters")
    await caller.registry.add(["letters"])
    call = settling.settle_call(caller, [end_of(job, follow=(follower,))], NOW)
    assert await caller.each([call]) == [[1]]
    assert await state_of(store, follower.id) is None
    await store.promote(10, now_ms=NOW)
    assert await state_of(store, follower.id) is State.PENDING
    await store.promote(10, now_ms=NOW)
    [counts] = await store.count(["letters"], now_ms=NOW)
    assert counts.states[State.PENDING] == 1


async def test_an_outbox_that_somebody_is_at_is_left_to_him(store, caller):
    job, follower = await running_job(store), job_in("letters")
    [lock] = caller.keys.of((), ("outbox_lock",), ["mail"])
    await caller.links.command("SET", lock, 1, key=lock)
    assert await store.settle([end_of(job, follow=(follower,))], now_ms=NOW) == [Settled.APPLIED]
    assert await state_of(store, follower.id) is None
    await caller.links.command("DEL", lock, key=lock)
    await store.promote(10, now_ms=NOW)
    assert await state_of(store, follower.id) is State.PENDING


async def test_a_session_that_was_ended_in_one_queue_only_is_over_everywhere(store, caller):
    job = await running_job(store)
    rescue = end_of(job, verdict=crashed(0), if_lost=True)
    assert await caller.each([settling.settle_call(caller, [rescue], LATE)]) == [[2]]
    [told] = await store.extend([Lease(session="worker", lease_ms=LEASE_MS)], now_ms=LATE)
    assert not told.held
    await store.insert([job_in("letters")], now_ms=LATE)
    [claimed] = await store.claim([ClaimAsk("letters", 1, "worker")], now_ms=LATE)
    assert claimed.session_lost


async def test_no_copy_brings_an_ended_session_back(store, caller):
    job = await running_job(store)
    rescue = end_of(job, verdict=crashed(0), if_lost=True)
    await caller.each([settling.settle_call(caller, [rescue], LATE)])
    await store.promote(10, now_ms=LATE)  # takes the mark away, when home knows
    [claimed] = await store.claim([ClaimAsk("mail", 1, "worker")], now_ms=LATE)
    assert claimed.session_lost


async def test_a_session_may_claim_in_a_queue_that_was_made_after_it(store):
    await store.extend([Lease(session="worker", lease_ms=LEASE_MS, opens=True)], now_ms=NOW)
    await store.insert([job_in("late")], now_ms=NOW + 1)
    [claimed] = await store.claim([ClaimAsk("late", 1, "worker")], now_ms=NOW + 1)
    assert len(claimed.jobs) == 1
    await store.extend([Lease(session="worker", lease_ms=LEASE_MS)], now_ms=LATE - 1)
    [page] = await store.scan([JobQuery(lost=True)], now_ms=LATE)
    assert page.jobs == []


async def test_a_pause_that_hangs_on_a_session_is_seen_beside_its_queue(store):
    await store.insert([job_in("mail")], now_ms=NOW)
    for session in ("worker", "operator"):
        await store.extend([Lease(session=session, lease_ms=LEASE_MS, opens=True)], now_ms=NOW)
    await store.put([Put(kind=PAUSE, key="mail", value=b"", session="operator")], now_ms=NOW)
    [held_back] = await store.claim([ClaimAsk("mail", 1, "worker")], now_ms=NOW)
    assert held_back.jobs == []
    assert [record.key for record in (await store.get([RecordAsk(PAUSE)], now_ms=NOW))[0]] == ["mail"]
    await store.extend([Lease(session="operator", lease_ms=0)], now_ms=NOW)
    [claimed] = await store.claim([ClaimAsk("mail", 1, "worker")], now_ms=NOW)
    assert len(claimed.jobs) == 1
