"""What is particular to limits on SQLite: bytes that nobody can read, transactions of callers, memory of the idle."""

import asyncio

import apsw
import pytest

from longshore.backends.sqlite import SqliteStore
from longshore.backends.sqlite.rows import rules_of
from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules, UniqueKey
from longshore.core.states import LIVE, State
from longshore.core.verdict import COMPLETED, RELEASED
from longshore.store.commands import Cancel, ClaimAsk, JobQuery, Lease, MeterAsk, Settlement
from longshore.store.replies import Conflict, Inserted

NOW = 1_700_000_000_000
HOUR = 3_600_000
ONE = Rules(flow=(FlowKey("at-once", "", LimitKind.CONCURRENCY, 1),))
RATE = Rules(flow=(FlowKey("rate", "", LimitKind.BUCKET, 1, 1000, 1),))


def a_job(rules: Rules | None = None, queue: str = "mail") -> NewJob:
    return NewJob(id=new_id(), queue=queue, name="send", payload=b"{}", rules=rules)


async def claimed(store, count: int = 10, queue: str = "mail"):
    await store.extend([Lease(session="w", lease_ms=HOUR, opens=True)], now_ms=NOW)
    [reply] = await store.claim([ClaimAsk(queue, count, "w")], now_ms=NOW)
    return reply.jobs


async def settle(store, job, verdict=COMPLETED, *, follow=()):
    settlement = Settlement(
        id=job.id,
        queue=job.queue,
        session="w",
        fence=job.fence,
        verdict=verdict,
        rules=job.rules,
        follow=follow,
    )
    return await store.settle([settlement], now_ms=NOW)


async def insert_and_fail(store) -> None:
    async with store.transaction(5) as tx:
        await store.within(tx).insert([a_job(ONE)], now_ms=NOW)
        raise ZeroDivisionError


async def states(store) -> list[State]:
    [page] = await store.scan([JobQuery()])
    return sorted(job.state for job in page.jobs)


async def test_a_job_without_rules_asks_for_no_meter_and_no_tag(store):
    traced = []
    await store.insert([a_job()], now_ms=NOW)
    connection = store._core.writer._connection._connection
    connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: traced.append(event["sql"]))
    await store.insert([a_job() for _ in range(3)], now_ms=NOW)
    for job in await claimed(store):
        await settle(store, job)
    connection.trace_v2(0, None)
    assert traced
    assert not [
        text for text in traced if "FROM meter" in text or "INTO meter" in text or "turn" in text.split()
    ]


@pytest.mark.parametrize("state", ["held", "pending", "running"])
async def test_a_job_whose_rules_nobody_can_read_runs_without_them_and_stops_nobody(store, path, state):
    jobs = [a_job(ONE), a_job(ONE), a_job(ONE)]
    await store.insert(jobs, now_ms=NOW)
    running = await claimed(store) if state == "running" else []
    broken = jobs[1] if state == "held" else jobs[0]
    with apsw.Connection(str(path)) as hand:
        hand.execute("UPDATE job SET rules = x'c1ff' WHERE id = ?", (broken.id,))
    hand.close()
    for _ in range(4):
        for job in running or await claimed(store):
            await settle(store, job)
        running = []
    assert (await states(store)).count(State.COMPLETED) >= 1
    assert rules_of(b"\xc1\xff") is None


async def test_a_caller_s_transaction_keeps_to_limits_and_unique_keys(store):
    unique = Rules(unique=UniqueKey(b"key", tuple(LIVE)))
    async with store.transaction(5) as tx:
        within = store.within(tx)
        first, *_ = jobs = [a_job(unique), a_job(unique), a_job(ONE), a_job(ONE)]
        replies = await within.insert(jobs, now_ms=NOW)
    assert list(replies) == [
        Inserted.CREATED,
        Conflict(first.id, State.PENDING),
        Inserted.CREATED,
        Inserted.CREATED,
    ]
    assert await states(store) == [State.HELD, State.PENDING, State.PENDING]


async def test_what_a_caller_rolls_back_has_used_no_room(store):
    with pytest.raises(ZeroDivisionError):
        await insert_and_fail(store)
    assert await store.gauge([MeterAsk("mail")], now_ms=NOW) == [[]]
    await store.insert([a_job(ONE)], now_ms=NOW)
    assert await states(store) == [State.PENDING]


async def test_a_settlement_in_a_caller_s_transaction_serves_whom_it_makes_room_for(store):
    await store.insert([a_job(ONE), a_job(ONE)], now_ms=NOW)
    [job] = await claimed(store)
    async with store.transaction(5) as tx:
        done = Settlement(
            id=job.id, queue="mail", session="w", fence=job.fence, verdict=COMPLETED, rules=job.rules
        )
        await store.within(tx).settle([done], now_ms=NOW)
    assert await states(store) == [State.COMPLETED, State.PENDING]


async def test_a_settlement_without_rules_makes_room_all_the_same(store):
    await store.insert([a_job(ONE), a_job(ONE)], now_ms=NOW)
    [job] = await claimed(store)
    job.rules = None
    await settle(store, job)
    assert await states(store) == [State.COMPLETED, State.PENDING]


async def test_two_handles_of_one_file_share_a_limit(store, path):
    other = type(store)(path)
    await other.open()
    await store.insert([a_job(ONE)], now_ms=NOW)
    await other.insert([a_job(ONE)], now_ms=NOW)
    [job] = await claimed(other)
    assert await states(store) == [State.HELD, State.RUNNING]
    await settle(store, job)
    assert await states(other) == [State.COMPLETED, State.PENDING]
    await other.close()


async def test_the_place_of_a_held_job_is_kept_when_nothing_else_moves(store):
    jobs = [a_job(ONE) for _ in range(4)]
    for job in jobs:
        await store.insert([job], now_ms=NOW)
    order = []
    for _ in jobs:
        [job] = await claimed(store)
        order.append(job.id)
        await settle(store, job)
    assert order == [job.id for job in jobs]


async def test_a_follower_meets_the_state_that_its_parent_has_from_now_on(store):
    unique = Rules(unique=UniqueKey(b"key", tuple(LIVE)))
    await store.insert([a_job(unique)], now_ms=NOW)
    [job] = await claimed(store)
    await settle(store, job, RELEASED, follow=(a_job(unique),))
    assert await states(store) == [State.PENDING]
    [job] = await claimed(store)
    await settle(store, job, follow=(a_job(unique),))
    assert await states(store) == [State.COMPLETED, State.PENDING]


async def test_meters_and_tags_that_nobody_needs_are_forgotten(store, path):
    jobs = [a_job(RATE), a_job(Rules(fair=FairKey("a")))]
    await store.insert(jobs, now_ms=NOW)
    for job in await claimed(store):
        await settle(store, job)
    tables = ("meter", "turn")
    reader = apsw.Connection(str(path))
    assert [reader.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == [(1,), (1,)]
    await store.promote(10, now_ms=NOW + HOUR)
    assert [reader.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == [(0,), (0,)]
    reader.close()


async def test_a_cancelled_job_is_held_by_nothing_any_more(store):
    jobs = [a_job(ONE), a_job(ONE)]
    await store.insert(jobs, now_ms=NOW)
    await store.change([Cancel(where=JobQuery(ids=(jobs[1].id,)))], now_ms=NOW)
    [page] = await store.scan([JobQuery(states=(State.CANCELLED,))])
    assert [job.held_by for job in page.jobs] == [None]
    [[reading]] = await store.gauge([MeterAsk("mail")], now_ms=NOW)
    assert (reading.used, reading.held) == (1, 0)


async def test_a_claim_spends_when_it_runs_and_not_when_it_was_asked_for(path):
    clock = ManualClock()
    store = SqliteStore(path, clock=clock)
    await store.open()
    await store.extend([Lease(session="w", lease_ms=HOUR, opens=True)])
    await store.insert([a_job(RATE)])
    async with store.transaction(60) as tx:
        waiting = asyncio.ensure_future(store.claim([ClaimAsk("mail", 1, "w")]))
        await tx.execute("SELECT 1")
        clock.advance(0.5)
    [reply] = await waiting
    [page] = await store.scan([JobQuery(ids=(reply.jobs[0].id,))])
    assert page.jobs[0].started_ms == clock.now_ms()
    await store.close()
