"""Jobs with rules that are added and ended in transactions of applications, by every kind of connection."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from longshore.backends.postgres.store import PostgresStore
from longshore.core.errors import UnusableConnection
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules, UniqueKey
from longshore.core.states import LIVE, State
from longshore.core.verdict import COMPLETED
from longshore.store.commands import ClaimAsk, Lease, MeterAsk, Settlement
from longshore.store.replies import Conflict, Inserted, Settled
from tests.pipeline.callers import KINDS, Rollback, transact

every_kind = pytest.mark.parametrize("kind", KINDS)
ALONE = Rules(flow=(FlowKey("tenant", "a", LimitKind.CONCURRENCY, 1),), fair=FairKey("a"))
ONCE = Rules(unique=UniqueKey(b"invoice", tuple(LIVE)))


@pytest.fixture
async def store(postgres):
    store = PostgresStore(postgres.url, schema=f"t{uuid4().hex}")
    await store.open()
    await store.extend([Lease(session="w", lease_ms=60_000, opens=True)])
    yield store
    await store.close()


@pytest.fixture
async def connection(postgres):
    """An application's."""
    connection = await asyncpg.connect(postgres.url)
    yield connection
    await connection.close()


def job(rules):
    return NewJob(id=new_id(), queue="mail", name="send", payload=b"1", rules=rules)


async def states(store):
    [counts] = await store.count(["mail"])
    return {state.value: count for state, count in counts.states.items() if count}


async def claimed(store):
    [claimed] = await store.claim([ClaimAsk("mail", 10, "w")])
    return claimed.jobs


def end(job):
    return Settlement(
        id=job.id, queue="mail", session="w", fence=job.fence, verdict=COMPLETED, rules=job.rules
    )


@every_kind
async def test_jobs_with_limits_are_decided_about_after_the_commit(store, postgres, kind):
    """B.6 B.4"""

    async def add(tx):
        return await store.within(tx.connection).insert([job(ALONE), job(None), job(ALONE)])

    assert await transact(kind, postgres.url, add) == [Inserted.CREATED] * 3
    promoted = await store.promote(10)
    assert promoted.queues == ("mail",)
    assert await states(store) == {"pending": 2, "held": 1}


@every_kind
async def test_a_unique_job_is_one_in_transactions_too(store, postgres, kind):
    """B.5 B.4"""

    async def add(tx):
        return await store.within(tx.connection).insert([job(ONCE), job(ONCE)])

    first, second = await transact(kind, postgres.url, add)
    assert first is Inserted.CREATED
    assert isinstance(second, Conflict)
    [third] = await store.insert([job(ONCE)])
    assert third == second


@every_kind
async def test_what_is_rolled_back_leaves_no_key_behind(store, postgres, kind):
    """B.5 B.4"""

    async def add(tx):
        await store.within(tx.connection).insert([job(ONCE), job(ALONE)])
        raise Rollback

    with pytest.raises(Rollback):
        await transact(kind, postgres.url, add)
    assert await store.insert([job(ONCE), job(ALONE)]) == [Inserted.CREATED] * 2
    assert await states(store) == {"pending": 2}


@every_kind
async def test_the_room_of_a_job_that_ends_in_a_transaction_is_given_back_after_the_commit(
    store, postgres, kind
):
    """B.6 B.4"""
    await store.insert([job(ALONE), job(ALONE)])
    [running] = await claimed(store)

    async def complete(tx):
        within = store.within(tx.connection)
        return await within.settle([end(running)])

    assert await transact(kind, postgres.url, complete) == [Settled.APPLIED]
    assert await store.settle([end(running)]) == [Settled.APPLIED]
    await store.promote(10)
    assert await states(store) == {"pending": 1, "completed": 1}
    [[reading]] = await store.gauge([MeterAsk("mail")])
    assert (reading.used, reading.held) == (1, 0)


async def test_an_open_transaction_keeps_nobody_from_the_limits_of_its_queue(store, connection):
    """B.6"""
    await store.insert([job(ALONE), job(ALONE)])
    [running] = await claimed(store)
    async with connection.transaction():
        within = store.within(connection)
        await within.insert([job(ALONE)])
        await store.insert([job(ALONE)])
        await within.settle([end(running)])
        assert (await store.promote(10)).queues == ()
        assert await claimed(store) == []
    await store.promote(10)
    assert len(await claimed(store)) == 1
    assert await states(store) == {"running": 1, "held": 2, "completed": 1}


@pytest.mark.parametrize("commits", [True, False])
async def test_who_comes_with_the_same_key_waits_for_the_end_of_the_transaction(store, connection, commits):
    """B.5"""
    transaction = connection.transaction()
    await transaction.start()
    await store.within(connection).insert([job(ONCE)])
    other = asyncio.ensure_future(store.insert([job(ONCE)]))
    while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert not other.done()
    await (transaction.commit() if commits else transaction.rollback())
    [reply] = await other
    assert isinstance(reply, Conflict) is commits


async def test_the_room_of_a_queue_is_exact_beside_a_transaction(store, connection):
    """S0.8"""
    async with connection.transaction():
        assert await store.within(connection).insert([job(Rules(room=3)) for _ in range(2)]) == [
            Inserted.CREATED,
            Inserted.CREATED,
        ]
        others = [asyncio.ensure_future(store.insert([job(Rules(room=3)) for _ in range(2)]))]
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not others[0].done()
    assert await others[0] == [Inserted.CREATED, Inserted.FULL]


async def test_a_transaction_that_cannot_see_whether_there_is_room_is_refused(store, connection):
    """S0.8"""
    async with connection.transaction(isolation="repeatable_read"):
        with pytest.raises(UnusableConnection, match="Use READ COMMITTED"):
            await store.within(connection).insert([job(Rules(room=3))])


async def test_of_two_transactions_that_saw_no_holder_of_a_key_one_is_told_to_begin_again(
    store, connection, postgres
):
    """B.5"""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await connection.fetchval("SELECT 1 FROM pg_class LIMIT 1")
    await store.insert([job(ONCE)])
    with pytest.raises(asyncpg.SerializationError):
        await store.within(connection).insert([job(ONCE)])
    await connection.execute("ROLLBACK")
    assert (await states(store))[State.PENDING.value] == 1
