"""S1.6, S4.1: jobs that end hand their room on to the next, in Redis without a look at anybody's rules where one
concurrency limit is all."""

import uuid

import pytest

from longshore.backends.redis.settling import TOLD, packed
from longshore.backends.redis.store import RedisStore
from longshore.backends.redis.url import read_url
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.core.verdict import COMPLETED, RELEASED, retry_after
from longshore.store.commands import ClaimAsk, JobQuery, Lease, MeterAsk, Settlement, Tune
from servers import running

NOW = 1_700_000_000_000
QUEUE = "mail"


@pytest.fixture
async def store():
    opened = RedisStore(read_url(f"{running.redis().url}?prefix={uuid.uuid4().hex}"))
    await opened.open()
    await opened.extend([Lease(session="w", lease_ms=60_000, queues=(QUEUE,), opens=True)], now_ms=NOW)
    yield opened
    await opened.close()


def slots(limit, key="a", cost=1):
    return FlowKey("slots", key, LimitKind.CONCURRENCY, limit, cost=cost)


def job_of(*flow, priority=5):
    return NewJob(
        id=new_id(), queue=QUEUE, name="send", payload=b"{}", priority=priority, rules=Rules(tuple(flow))
    )


def end_of(job, **fields):
    told = {"verdict": COMPLETED, "id": job.id, "queue": QUEUE, "session": "w", "rules": job.rules}
    return Settlement(**told | fields, fence=getattr(job, "fence", 1))


async def claim(store, count=10_000):
    [claimed] = await store.claim([ClaimAsk(QUEUE, count, "w")], now_ms=NOW)
    return claimed.jobs


async def settle(store, jobs, **fields):
    await store.settle([end_of(job, **fields) for job in jobs], now_ms=NOW)


async def meters(store):
    [readings] = await store.gauge([MeterAsk(QUEUE)], now_ms=NOW)
    return {each.name: (each.used, each.held) for each in readings}


async def held(store):
    return sum(held for _, held in (await meters(store)).values())


def test_a_completion_tells_the_one_limit_that_it_gives_back():
    done = end_of(job_of(slots(2)))
    for settlement, is_told in (
        (done, True),
        (end_of(job_of(slots(2), slots(3, "b"))), False),
        (end_of(job_of(slots(2)), error=b"{}"), False),
        (end_of(job_of(slots(2)), keep=False), False),
        (end_of(job_of(slots(2)), verdict=retry_after(1)), False),
        (end_of(job_of(slots(2)), rules=None), False),
    ):
        assert (packed(settlement)[22] & TOLD > 0) is is_told


@pytest.mark.parametrize("limit", [1, 3])
async def test_all_that_are_held_come_in_their_order_however_many_they_are(store, limit):
    jobs = [job_of(slots(limit), priority=number % 3) for number in range(40)]
    await store.insert(jobs, now_ms=NOW)
    first, rest = jobs[:limit], sorted(jobs[limit:], key=lambda job: job.priority)
    taken = await claim(store)
    order = [job.id for job in taken]
    while taken:
        await settle(store, taken[:1])
        taken = [*taken[1:], *await claim(store)]
        order = [*order, *(job.id for job in taken if job.id not in order)]
    assert sorted(order[:limit]) == sorted(job.id for job in first)
    assert order[limit:] == [job.id for job in rest]
    assert await meters(store) == {}


async def test_results_and_what_is_told_beside_them_are_kept_apart(store):
    jobs = [job_of(slots(1)) for _ in range(2)]
    await store.insert(jobs, now_ms=NOW)
    [one] = await claim(store)
    await settle(store, [one], result=b'"slots:a"')
    [two] = await claim(store)
    await settle(store, [two])
    [page] = await store.scan([JobQuery(ids=(one.id, two.id))])
    assert {job.id: job.result for job in page.jobs} == {one.id: b'"slots:a"', two.id: None}


async def test_who_costs_more_than_became_free_waits_and_lets_nobody_pass(store):
    small, large, last = (job_of(slots(3, cost=cost)) for cost in (1, 3, 1))
    others = [job_of(slots(3)) for _ in range(2)]
    await store.insert([small, *others, large, last], now_ms=NOW)
    taken = await claim(store)
    assert len(taken) == 3
    await settle(store, taken[:2])
    assert await claim(store) == []
    assert await meters(store) == {"slots:a": (1, 2)}
    await settle(store, taken[2:])
    assert [job.id for job in await claim(store)] == [large.id]


async def test_a_call_serves_so_many_and_the_next_promotion_the_others(store):
    keys = [f"key{number}" for number in range(1100)]
    await store.insert([job_of(slots(1, key)) for key in keys for _ in range(2)], now_ms=NOW)
    taken = await claim(store)
    assert len(taken) == 1100
    await settle(store, taken)
    assert len(await claim(store)) == 1000
    assert await held(store) == 100
    await store.promote(10, now_ms=NOW)
    assert len(await claim(store)) == 100
    assert await held(store) == 0


async def test_names_that_differ_late_are_served_in_the_order_of_their_bytes(store):
    keys = [f"customer-{'x' * 9}{letter}{'y' * 9}{number}" for letter in "bBä" for number in (10, 9, 1)]
    keys = [*keys, "customer-", "customer-xxxx"]
    await store.insert([job_of(slots(1, key)) for key in keys for _ in range(2)], now_ms=NOW)
    await settle(store, await claim(store))
    assert [job.rules.flow[0].key for job in await claim(store)] == sorted(keys, key=str.encode)


async def test_a_job_with_another_limit_in_between_is_asked_for_both(store):
    plain, mixed, last = job_of(slots(1)), job_of(slots(1), slots(1, "b")), job_of(slots(1))
    other = job_of(slots(1, "b"))
    await store.insert([other, plain, mixed, last], now_ms=NOW)
    taken = await claim(store)
    assert [job.id for job in taken] == [other.id, plain.id]
    await settle(store, taken[1:])  # the mixed one has room here, and is held by the other limit now
    assert [job.id for job in await claim(store)] == [last.id]
    await settle(store, taken[:1])
    assert await claim(store) == []
    assert await meters(store) == {"slots:a": (1, 1)}


async def test_a_job_that_goes_back_keeps_its_place_before_those_that_came_later(store):
    jobs = [job_of(slots(2)) for _ in range(4)]
    await store.insert(jobs, now_ms=NOW)
    one, two = await claim(store)
    await store.settle([end_of(one), end_of(two, verdict=RELEASED)], now_ms=NOW)
    assert [job.id for job in await claim(store)] == [two.id, jobs[2].id]
    assert await meters(store) == {"slots:a": (2, 1)}


async def test_a_limit_that_was_lowered_gives_nothing_before_enough_have_ended(store):
    await store.insert([job_of(slots(3)) for _ in range(3)], now_ms=NOW)
    taken = await claim(store)
    await store.insert([job_of(slots(3)) for _ in range(2)], now_ms=NOW)
    await store.tune([Tune(QUEUE, slots(1))], now_ms=NOW)
    await settle(store, taken[:2])
    assert await claim(store) == []
    await settle(store, taken[2:])
    assert len(await claim(store)) == 1


async def test_a_meter_that_is_gone_has_nothing_to_give(store):
    await store.insert([job_of(slots(1))], now_ms=NOW)
    taken = await claim(store)
    [key] = store._caller.keys.of((), ("meters",), [QUEUE])
    await store._caller.links.command("DEL", key, key=key)
    await settle(store, taken)
    await store.insert([job_of(slots(1)) for _ in range(2)], now_ms=NOW)
    assert await meters(store) == {"slots:a": (1, 1)}


async def test_a_limit_that_became_a_rate_keeps_what_was_spent_of_it(store):
    await store.insert([job_of(slots(1)) for _ in range(2)], now_ms=NOW)
    first = await claim(store)
    rate = FlowKey("slots", "a", LimitKind.BUCKET, 1, 60_000, burst=5)
    await store.tune([Tune(QUEUE, rate)], now_ms=NOW)
    await store.insert(
        [NewJob(id=new_id(), queue=QUEUE, name="send", payload=b"{}", rules=Rules((rate,)))], now_ms=NOW
    )
    later = await claim(store)
    assert len(later) == 2
    await settle(store, first)
    [[reading]] = await store.gauge([MeterAsk(QUEUE)], now_ms=NOW)
    assert (reading.kind, reading.room) == (LimitKind.BUCKET, 4 - reading.used)
