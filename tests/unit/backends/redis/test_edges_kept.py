"""How Redis keeps who waits for whom: what it leaves behind, and what a process that died in between has told."""

import uuid

import pytest

from longshore.backends.redis import settling
from longshore.backends.redis.calling import Caller
from longshore.backends.redis.edging import adopted_edges, kept_edges, packed_rare
from longshore.backends.redis.keys import Keys
from longshore.backends.redis.links import Links
from longshore.backends.redis.rare import ruled_call
from longshore.backends.redis.rows import item
from longshore.backends.redis.store import RedisStore
from longshore.backends.redis.url import Kind, read_url
from longshore.core.clock import SystemClock
from longshore.core.edges import ORPHAN_MS, Edge, Edges, Join, Missed, When
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.core.states import State
from longshore.core.verdict import COMPLETED
from longshore.store.commands import Cancel, ClaimAsk, Delete, JobQuery, Lease, Settlement
from servers import running

NOW = 1_700_000_000_000
QUEUES = ("mail", "video")
KEYS = ("edges", "waits", "parents", "children", "outbox", "meter_times", "running")


@pytest.fixture(params=["server", "cluster"])
def address(request):
    url = running.redis().url if request.param == "server" else running.cluster().url
    return read_url(f"{url}?prefix={uuid.uuid4().hex}")


@pytest.fixture
async def store(address):
    store = RedisStore(address)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def caller(address):
    """Scripts without what verbs do behind them: what a process had done when it died."""
    links = Links(address, SystemClock())
    await links.open()
    yield Caller(links, Keys(address.prefix, is_cluster=address.kind is Kind.CLUSTER))
    await links.close()


def new_job(queue="mail", *parents, join=Join.ALL, rules=None):
    edges = Edges(tuple(Edge(parent.id, parent.queue) for parent in parents), join) if parents else None
    return NewJob(id=new_id(), queue=queue, name="send", payload=b"{}", edges=edges, rules=rules)


async def running_jobs(store, queue):
    await store.extend([Lease(session="w", lease_ms=600_000, queues=QUEUES, opens=True)], now_ms=NOW)
    [claimed] = await store.claim([ClaimAsk(queue, 1000, "w")], now_ms=NOW)
    return claimed.jobs


def end_of(job):
    return Settlement(id=job.id, queue=job.queue, session="w", fence=job.fence, verdict=COMPLETED)


async def states(store, *jobs):
    [page] = await store.scan([JobQuery(ids=tuple(job.id for job in jobs))], now_ms=NOW)
    found = {job.id: job.state for job in page.jobs}
    return [found.get(job.id) for job in jobs]


async def left_over(store):
    """The keys that edges need and that are there."""
    there = []
    for queue in QUEUES:
        for name, key in zip(KEYS, store._caller.keys.of((), KEYS, [queue]), strict=True):
            if await store._caller.links.command("EXISTS", key, key=key):
                there.append((queue, name))
    return there


def test_edges_come_back_as_they_were_packed():
    parents = [
        Edge(new_id(), queue, on, missed) for queue in ("mail", "ü" * 60) for on in When for missed in Missed
    ]
    for join in Join:
        edges = Edges(tuple(parents), join)
        waiting = (parents[1].parent, parents[5].parent)
        job = JobRecord(
            id=new_id(),
            queue="mail",
            name="",
            payload=b"",
            state=State.BLOCKED,
            priority=5,
            edges=edges,
            waits_for=waiting,
        )
        assert kept_edges(adopted_edges(job)) == (edges, waiting)


def test_a_job_without_edges_and_rules_has_nothing_beside_its_item():
    assert packed_rare(new_job()) == b""


async def test_jobs_without_edges_leave_nothing_that_edges_need(store):
    await store.insert([new_job(queue) for queue in QUEUES], now_ms=NOW)
    for queue in QUEUES:
        await store.settle([end_of(job) for job in await running_jobs(store, queue)], now_ms=NOW)
    assert await left_over(store) == []


async def test_nothing_is_left_of_edges_when_jobs_are_gone(store):
    near, far, never = new_job(), new_job("video"), new_job("video")
    limit = Rules((FlowKey("slots", "a", LimitKind.CONCURRENCY, 1),))
    waiting = [
        new_job("mail", near, far),
        new_job("video", near, far, join=Join.ANY),
        new_job("mail", near, never, rules=limit),
        new_job("mail", near, rules=limit),
    ]
    await store.insert([near, far, *waiting], now_ms=NOW)
    for queue in QUEUES:
        await store.settle([end_of(job) for job in await running_jobs(store, queue)], now_ms=NOW)
    await store.promote(100, now_ms=NOW + ORPHAN_MS)
    assert (await states(store, *waiting))[2] is State.CANCELLED
    for queue in QUEUES:
        await store.settle([end_of(job) for job in await running_jobs(store, queue)], now_ms=NOW)
    everybody = JobQuery(ids=tuple(job.id for job in (near, far, *waiting)))
    [gone] = await store.change([Delete(where=everybody)], now_ms=NOW)
    assert len(gone.ids) == 6
    assert await left_over(store) == []


async def test_whoever_promotes_tells_what_a_process_that_died_had_not(store, caller):
    parent = new_job("video")
    waiting, other = new_job("mail", parent), new_job("mail", parent, join=Join.ANY)
    await store.insert([parent, waiting, other], now_ms=NOW)
    ends = [end_of(job) for job in await running_jobs(store, "video")]
    await caller.each([settling.settle_call(caller, ends, NOW, has_rules=True)])
    assert await states(store, waiting, other) == [State.BLOCKED] * 2
    told = await store.promote(100, now_ms=NOW)
    assert told.count == 0
    assert await states(store, waiting, other) == [State.PENDING] * 2
    await store.promote(100, now_ms=NOW)
    assert len(await running_jobs(store, "mail")) == 2


async def test_whoever_promotes_asks_for_parents_where_a_process_had_died_before(store, caller):
    parent = new_job("video")
    waiting = new_job("mail", parent)
    await store.insert([parent, new_job("mail")], now_ms=NOW)
    await caller.each([ruled_call(caller, [("mail", item(waiting), packed_rare(waiting))], NOW)])
    await store.promote(100, now_ms=NOW)
    await store.settle([end_of(job) for job in await running_jobs(store, "video")], now_ms=NOW)
    assert await states(store, waiting) == [State.PENDING]


async def test_what_is_told_twice_is_heard_once(store, caller):
    first, second = new_job("video"), new_job("video")
    waiting = new_job("mail", first, second)
    await store.insert([first, second, waiting], now_ms=NOW)
    ends = [end_of(job) for job in await running_jobs(store, "video") if job.id == first.id]
    await caller.each([settling.settle_call(caller, ends, NOW, has_rules=True)])
    [outbox] = caller.keys.of((), ("outbox",), ["video"])
    [entry] = await caller.links.command("LRANGE", outbox, 0, -1, key=outbox)
    await caller.links.command("RPUSH", outbox, entry, entry, key=outbox)
    await store.promote(100, now_ms=NOW)
    [page] = await store.scan([JobQuery(ids=(waiting.id,))], now_ms=NOW)
    assert page.jobs[0].waits_for == (second.id,)
    assert await caller.links.command("LLEN", outbox, key=outbox) == 0


async def test_a_job_with_more_edges_than_one_value_holds_waits_for_each_of_them(store):
    parents = [new_job(QUEUES[number % 2]) for number in range(150)]
    waiting = new_job("mail", *parents)
    await store.insert([*parents, waiting], now_ms=NOW)
    ends = [end_of(job) for queue in QUEUES for job in await running_jobs(store, queue)]
    left = {job.id for job in parents}
    for first in range(0, len(ends), 7):
        [page] = await store.scan([JobQuery(ids=(waiting.id,))], now_ms=NOW)
        assert page.jobs[0].state is State.BLOCKED
        assert set(page.jobs[0].waits_for) == left
        await store.settle(ends[first : first + 7], now_ms=NOW)
        left -= {end.id for end in ends[first : first + 7]}
    assert await states(store, waiting) == [State.PENDING]
    assert [name for _, name in await left_over(store) if name in ("waits", "parents", "children")] == []


async def test_nothing_is_left_of_many_edges_when_their_job_is_cancelled(store):
    absent = [new_job() for _ in range(130)]
    waiting = new_job("mail", *absent)
    await store.insert([waiting], now_ms=NOW)
    await store.change([Cancel(where=JobQuery(ids=(waiting.id,)))], now_ms=NOW)
    assert await left_over(store) == [("mail", "edges")]


async def test_a_job_looks_again_for_each_of_many_parents(store):
    absent, there = [new_job() for _ in range(130)], new_job()
    waiting = new_job("mail", there, *absent)
    await store.insert([there, waiting], now_ms=NOW)
    await store.insert(absent[:-1], now_ms=NOW)
    await store.promote(100, now_ms=NOW + ORPHAN_MS - 1)
    assert await states(store, waiting) == [State.BLOCKED]
    await store.promote(100, now_ms=NOW + ORPHAN_MS)
    assert await states(store, waiting) == [State.CANCELLED]


async def test_children_that_come_one_by_one_are_freed_in_their_order(store):
    parent = new_job()
    children = [new_job("mail", parent) for _ in range(40)]
    await store.insert([parent], now_ms=NOW)
    for child in children:
        await store.insert([child], now_ms=NOW)
    await store.settle([end_of(job) for job in await running_jobs(store, "mail")], now_ms=NOW)
    assert [job.id for job in await running_jobs(store, "mail")] == [child.id for child in children]


async def test_the_second_end_of_a_job_for_which_others_wait_takes_one_trip(store):
    pairs = [(parent, new_job("mail", parent)) for parent in (new_job(), new_job())]
    await store.insert([job for pair in pairs for job in pair], now_ms=NOW)
    trips = []
    for job in await running_jobs(store, "mail"):
        before = store.round_trips
        await store.settle([end_of(job)], now_ms=NOW)
        trips.append(store.round_trips - before)
    assert trips == [2, 1]
