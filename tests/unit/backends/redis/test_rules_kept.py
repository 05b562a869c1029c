"""How Redis keeps the rules of jobs: what it leaves behind, how long a step may take, who meets whom."""

import asyncio
import uuid
from collections import Counter

import pytest

from longshore.backends.redis.rows import ruled_item, split_item
from longshore.backends.redis.ruling import kept_rules, packed_rules, read_rules
from longshore.backends.redis.scripts import verb
from longshore.backends.redis.store import RedisStore
from longshore.backends.redis.url import read_url
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules, UniqueKey
from longshore.core.states import State
from longshore.core.verdict import COMPLETED
from longshore.store.commands import ClaimAsk, Delete, JobQuery, Lease, Settlement, Tune
from longshore.store.replies import Conflict, Inserted, Settled
from longshore.testing.ruled import RULES
from servers import running

NOW = 1_700_000_000_000
TWO = FlowKey("slots", "a", LimitKind.CONCURRENCY, 2)
RATE = FlowKey("rate", "", LimitKind.BUCKET, 10, 1000, burst=5)
ONCE = UniqueKey(b"\x00once", (State.PENDING, State.RUNNING))


@pytest.fixture(params=["server", "cluster"])
async def connect(request):
    """Opens handles of one store, on a server and on a Cluster."""
    url = running.redis().url if request.param == "server" else running.cluster().url
    address, opened = read_url(f"{url}?prefix={uuid.uuid4().hex}"), []

    async def opens():
        opened.append(RedisStore(address))
        await opened[-1].open()
        return opened[-1]

    yield opens
    for store in opened:
        await store.close()


@pytest.fixture
async def store(connect):
    return await connect()


def job_with(rules, queue="mail", **fields):
    return NewJob(id=new_id(), queue=queue, name="send", payload=b"{}", rules=rules, **fields)


def end_of(job, **fields):
    told = {"verdict": COMPLETED, "id": job.id, "queue": job.queue, "session": "w", "fence": job.fence}
    return Settlement(**told | {"rules": job.rules} | fields)


async def work(store, queue="mail", count=1000):
    """Claims, and settles what was claimed; says of how many."""
    await store.extend([Lease(session="w", lease_ms=60_000, queues=(queue,), opens=True)], now_ms=NOW)
    [claimed] = await store.claim([ClaimAsk(queue, count, "w")], now_ms=NOW)
    await store.settle([end_of(job, keep=False) for job in claimed.jobs], now_ms=NOW)
    return len(claimed.jobs)


async def left_over(store, queue="mail"):
    """What lies in the keys that only rules need."""
    names = ("rules", "meters", "meter_times", "waiters", "marks")
    keys = store._caller.keys.of((), names, [queue])
    found = {}
    for name, key in zip(names, keys, strict=True):
        command = "ZCARD" if name in {"meter_times", "waiters"} else "HLEN"
        found[name] = await store._caller.links.command(command, key, key=key)
    return {name: size for name, size in found.items() if size}


@pytest.mark.parametrize("rules", [rules for rules in RULES if rules is not None])
def test_rules_come_back_as_they_were_packed(rules):
    kept = bytes([1 if rules.flow else 0]) + bytes(7) + packed_rules(rules)
    assert read_rules(packed_rules(rules)) == rules
    assert kept_rules(kept) == (rules, rules.flow[0].meter if rules.flow else None)
    packed, item = split_item(ruled_item(job_with(rules)))
    assert read_rules(packed) == rules
    assert len(item) > 16


def test_plain_jobs_are_settled_without_the_keys_of_rules():
    plain, ruled = verb("settle").script.text, verb("settle_ruled").script.text
    assert "load_rules" not in plain
    assert "load_rules" in ruled


async def test_nothing_is_left_of_jobs_that_are_forgotten(store):
    rules = Rules((TWO, RATE), FairKey("anne"), ONCE, 100)
    await store.insert([job_with(rules)], now_ms=NOW)
    assert set(await left_over(store)) == {"rules", "meters", "marks"}
    assert await work(store) == 1
    assert set(await left_over(store)) == {"meters", "marks"}  # the rate, and the turn
    await store.promote(10, now_ms=NOW + 60_000)
    assert await left_over(store) == {"marks": 1}  # how far turns have come


async def test_deleting_held_jobs_leaves_nothing(store):
    jobs = [job_with(Rules((TWO,))) for _ in range(13)]
    await store.insert(jobs, now_ms=NOW)
    assert (await left_over(store))["waiters"] == 3  # two have room, and eight are in the front of the meter
    await store.change([Delete(where=JobQuery(ids=tuple(job.id for job in jobs)))], now_ms=NOW)
    assert await left_over(store) == {}


async def test_a_settlement_that_does_not_tell_the_rules_gives_room_back_all_the_same(store):
    await store.insert([job_with(Rules((TWO,))) for _ in range(3)], now_ms=NOW)
    await store.extend([Lease(session="w", lease_ms=60_000, queues=("mail",), opens=True)], now_ms=NOW)
    [claimed] = await store.claim([ClaimAsk("mail", 9, "w")], now_ms=NOW)
    ends = [end_of(job, rules=None) for job in claimed.jobs]
    assert await store.settle(ends, now_ms=NOW) == [Settled.APPLIED] * 2
    assert await store.settle(ends, now_ms=NOW) == [Settled.APPLIED] * 2
    [counts] = await store.count(["mail"], now_ms=NOW)
    assert counts.states[State.PENDING] == 1


async def test_thousands_that_get_room_at_once_are_served_in_steps(store):
    """The server does nothing else while a script runs."""
    await store.insert([job_with(Rules((TWO,))) for _ in range(1000)], now_ms=NOW)
    more_room = FlowKey("slots", "", LimitKind.CONCURRENCY, 990)
    assert await store.tune([Tune("mail", more_room)], now_ms=NOW) == [1]
    steps, more = [], True
    while more:
        [counts] = await store.count(["mail"], now_ms=NOW)
        steps.append(counts.states[State.PENDING])
        more = (await store.promote(0, now_ms=NOW)).more
    [counts] = await store.count(["mail"], now_ms=NOW)
    assert steps == [402, 802]
    assert counts.states[State.PENDING] == 990
    assert counts.states[State.HELD] == 10


async def test_hundreds_that_are_due_at_once_all_ask_for_room(store):
    await store.insert([job_with(Rules((TWO,)), delay_ms=1000) for _ in range(600)], now_ms=NOW)
    promoted = await store.promote(550, now_ms=NOW + 1000)
    assert (promoted.count, promoted.more) == (550, True)
    [counts] = await store.count(["mail"], now_ms=NOW + 1000)
    assert (counts.states[State.PENDING], counts.states[State.HELD]) == (2, 548)


async def test_followers_in_another_queue_keep_their_rules(store):
    await store.insert([job_with(None)], now_ms=NOW)
    await store.extend([Lease(session="w", lease_ms=60_000, queues=("mail",), opens=True)], now_ms=NOW)
    [claimed] = await store.claim([ClaimAsk("mail", 1, "w")], now_ms=NOW)
    rules = Rules((TWO,), FairKey("anne"), room=1)
    followers = [job_with(rules, "letters") for _ in range(3)]
    twins = [job_with(Rules(unique=ONCE), "letters") for _ in range(2)]
    plain = job_with(None, "letters", delay_ms=5000)
    await store.settle([end_of(claimed.jobs[0], follow=(*followers, *twins, plain))], now_ms=NOW)
    [page] = await store.scan([JobQuery(queues=("letters",))], now_ms=NOW)
    found = {job.id: job for job in page.jobs}
    assert [found[job.id].state for job in followers] == [State.PENDING, State.PENDING, State.HELD]
    assert found[followers[2].id].held_by == TWO.meter
    assert all(found[job.id].rules == rules for job in followers)
    assert twins[0].id in found
    assert twins[1].id not in found
    assert (found[plain.id].rules, found[plain.id].run_ms) == (None, NOW + 5000)


async def test_of_64_that_insert_the_same_at_once_one_does(connect):
    stores = [await connect() for _ in range(4)]
    jobs = [job_with(Rules(unique=ONCE)) for _ in range(64)]
    replies = await asyncio.gather(
        *(stores[number % 4].insert([job], now_ms=NOW) for number, job in enumerate(jobs))
    )
    told = [reply for [reply] in replies]
    [winner] = [job.id for job, reply in zip(jobs, told, strict=True) if reply is Inserted.CREATED]
    assert told.count(Conflict(winner, State.PENDING)) == 63


async def test_a_queue_with_room_for_ten_takes_ten_of_64_at_once(connect):
    stores = [await connect() for _ in range(4)]
    jobs = [job_with(Rules(room=10)) for _ in range(64)]
    replies = await asyncio.gather(
        *(stores[number % 4].insert([job], now_ms=NOW) for number, job in enumerate(jobs))
    )
    assert Counter(reply for [reply] in replies) == {Inserted.CREATED: 10, Inserted.FULL: 54}


async def test_workers_at_once_never_run_more_than_a_key_allows(connect):
    """Every claim and every settlement is a chance to count wrong."""
    limits = {"a": 1, "b": 2, "c": 5}
    flows = {key: FlowKey("slots", key, LimitKind.CONCURRENCY, limit) for key, limit in limits.items()}
    stores = [await connect() for _ in range(6)]
    running_now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    done: set[bytes] = set()

    async def worker(number):
        store, session = stores[number], f"w{number}"
        await store.extend([Lease(session=session, lease_ms=60_000, queues=("mail",), opens=True)])
        while len(done) < 180:
            [claimed] = await store.claim([ClaimAsk("mail", 3, session)])
            for job in claimed.jobs:
                running_now[job.rules.flow[0].key] += 1
            most.update({key: running_now[key] - most[key] for key in limits if running_now[key] > most[key]})
            await store.count(["mail"])  # others have their turn while these run
            for job in claimed.jobs:
                running_now[job.rules.flow[0].key] -= 1
                done.add(job.id)
            await store.settle([end_of(job, session=session) for job in claimed.jobs])

    await stores[0].insert([job_with(Rules((flow,))) for _ in range(60) for flow in flows.values()])
    await asyncio.gather(*map(worker, range(6)))
    assert all(0 < most[key] <= limit for key, limit in limits.items())
    assert await left_over(stores[0], "mail") == {"rules": 180}
