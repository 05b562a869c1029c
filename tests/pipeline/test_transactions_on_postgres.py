"""Jobs that are added and completed together with the application's own rows, by every kind of connection."""

import asyncio
import threading
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from longshore import JobContext, JobFailed, QueueManager, Retry
from longshore.core.attempt_errors import ClaimLost, NotCommitted
from longshore.core.errors import SchemaMismatch, UnusableConnection
from longshore.core.ids import new_id
from longshore.core.verdict import CANCELLED
from longshore.store.commands import Settlement
from longshore.store.replies import Wake, WakeKind
from servers.pgbouncer import start_pgbouncer
from tests.pipeline.callers import (
    KINDS,
    Rollback,
    Transaction,
    django_connection,
    is_async,
    speaking,
    transact,
    transact_plainly,
)

every_kind = pytest.mark.parametrize("kind", KINDS)
ONCE = Retry(1)


class Shop:
    """An application with orders, and jobs beside them."""

    def __init__(self, url, manager, orders):
        self.url, self.manager, self.table = url, manager, orders
        self.schema = orders.removeprefix("orders_")
        self.insert = f"INSERT INTO {orders} VALUES ('boat')"
        self.greet = manager.queue("mail").task(name="greet")(_greet)
        self.told = []
        for name in ("completed", "failed", "retrying", "stale"):
            manager.on(name, lambda event: self.told.append(event.name))

    async def ids(self):
        return sorted(job.id for job in await self.manager.get_jobs())

    async def orders(self):
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch(f"SELECT what FROM {self.table}")
        await connection.close()
        return [row[0] for row in rows]

    async def somebody_waits_for_a_lock(self):
        """Returns when somebody does."""
        connection = await asyncpg.connect(self.url)
        waiting = 0
        while not waiting:
            waiting = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
        await connection.close()

    async def run_one(self, name="order"):
        """Runs the only job, and gives it as it is afterwards."""
        job = await self.manager.add_job("q", name, {})
        await self.manager.run_until_empty(30)
        await job.refresh()
        return job

    def order(self, kind, application, **policy):
        """Defines the task "order", which does `application(transaction, ctx)` in a transaction of that kind."""

        async def begun(ctx: JobContext):
            return await transact(kind, self.url, lambda tx: application(tx, ctx))

        def begun_plainly(ctx: JobContext):
            return transact_plainly(kind, self.url, lambda tx: application(tx, ctx))

        decorate = self.manager.queue("q").task(name="order", **policy)
        decorate(begun if is_async(kind) else begun_plainly)


async def _greet(who: str) -> str:
    return f"hello {who}"


@pytest.fixture
async def shop(postgres):
    schema = f"t{uuid4().hex}"
    connection = await asyncpg.connect(postgres.url)
    await connection.execute(f"CREATE TABLE orders_{schema} (what text)")
    await connection.close()
    async with QueueManager(f"{postgres.url}?schema={schema}", grace=5) as manager:
        yield Shop(postgres.url, manager, f"orders_{schema}")


async def add_in_all_ways(shop, tx):
    """Five jobs; gives their handles."""
    bound = shop.greet.options(connection=tx.connection)
    return [
        await tx.call(bound, "enqueue", "a"),
        *await tx.call(bound, "enqueue_many", [("b",), {"who": "c"}]),
        await tx.call(shop.manager, "add_job", "mail", "greet", {"who": "d"}, connection=tx.connection),
        *await tx.call(
            shop.manager,
            "add_bulk",
            "mail",
            [{"name": "greet", "data": {"who": "e"}}],
            connection=tx.connection,
        ),
    ]


@every_kind
async def test_jobs_are_there_with_the_commit_and_run(shop, kind):
    """S2.8 B.4"""

    async def buy(tx):
        await tx.execute(shop.insert)
        added = await add_in_all_ways(shop, tx)
        assert await tx.call(shop.manager, "get_jobs") == []
        return added

    added = await transact(kind, shop.url, buy)
    assert await shop.ids() == sorted(job.id for job in added)
    assert await shop.orders() == ["boat"]
    await shop.manager.run_until_empty(30)
    assert [await job.result(10) for job in added] == [f"hello {who}" for who in "abcde"]


async def test_the_commit_wakes_workers_that_had_jobs_when_one_was_added_and_have_none_left(shop):
    """S2.8"""
    store = await shop.manager.store()
    listener = await store.listen({WakeKind.PENDING}, {"mail", "marker"})
    connection = await asyncpg.connect(shop.url)
    await shop.greet.enqueue("a")
    async with connection.transaction():
        await shop.greet.options(connection=connection).enqueue("b")
        await shop.manager.run_until_empty(30)
        await shop.manager.add_job("marker", "any", {})
        heard = []
        while Wake(WakeKind.PENDING, "marker") not in heard:  # now all that came before it was heard
            heard = await listener.wait(10)
    assert Wake(WakeKind.PENDING, "mail") in await listener.wait(10)
    await listener.close()
    await connection.close()


@every_kind
async def test_jobs_are_not_there_after_a_rollback(shop, kind):
    """S2.8 B.4"""

    async def buy(tx):
        await tx.execute(shop.insert)
        await add_in_all_ways(shop, tx)
        raise Rollback

    with pytest.raises(Rollback):
        await transact(kind, shop.url, buy)
    assert (await shop.ids(), await shop.orders()) == ([], [])


@every_kind
async def test_an_error_of_the_application_takes_its_jobs_along(shop, kind):
    async def buy(tx):
        await tx.call(shop.greet.options(connection=tx.connection), "enqueue", "a")
        await tx.execute("SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        await transact(kind, shop.url, buy)
    assert await shop.ids() == []


@every_kind
async def test_ids_of_ones_own_and_times_are_as_ever(shop, kind):
    old, own = UUID(bytes=new_id()), UUID(bytes=new_id())
    first = await shop.greet.options(job_id=old).enqueue("a")

    async def buy(tx):
        def options(**words):
            return shop.greet.options(connection=tx.connection, **words)

        again = await tx.call(options(job_id=old), "enqueue", "b")
        one = await tx.call(options(job_id=own, tags=["x"]), "enqueue", "c")
        two = await tx.call(options(job_id=own), "enqueue", "d")
        later = await tx.call(options(delay=60, reference=("Order", "7")), "enqueue", "e")
        return again, one, two, later

    again, one, two, later = await transact(kind, shop.url, buy)
    assert (again.id, again.data, one.id) == (first.id, {"who": "a"}, two.id)
    await later.refresh()
    await two.refresh()
    assert (later.state, later.reference.id, two.data, two.tags) == ("scheduled", "7", {"who": "c"}, ("x",))


@every_kind
async def test_a_database_without_our_tables_is_refused_and_nothing_is_stored(shop, kind):
    async def buy(tx):
        await tx.call(shop.greet.options(connection=tx.connection), "enqueue", "a")

    other = f"other_{uuid4().hex}"
    connection = await asyncpg.connect(shop.url)
    await connection.execute(f"CREATE DATABASE {other}")
    with pytest.raises(SchemaMismatch, match="without Longshore's tables") as raised:
        await transact(kind, urlsplit(shop.url)._replace(path=other).geturl(), buy)
    assert not {"\n", "INSERT", "SELECT"} & {*str(raised.value).split(" "), *str(raised.value)}
    assert await shop.ids() == []
    await connection.execute(f"DROP DATABASE {other}")
    await connection.close()


@every_kind
async def test_the_wrong_pairing_is_refused_with_the_way_out(shop, kind):
    async def buy(tx):
        wrong = Transaction(tx.connection, tx.execute, is_async=not tx.is_async)
        bound = shop.greet.options(connection=tx.connection)
        way_out = "without _sync" if tx.is_async else "enqueue_sync"
        with pytest.raises(UnusableConnection, match=way_out):
            await wrong.call(bound, "enqueue", "a")
        await tx.call(bound, "enqueue", "b")

    await transact(kind, shop.url, buy)
    assert len(await shop.ids()) == 1


# --------------------------------------------------------------------------------------- what is no transaction


async def test_connections_without_a_transaction_are_refused(shop):
    bound = await asyncpg.connect(shop.url)
    with pytest.raises(UnusableConnection, match="no transaction open"):
        await shop.greet.options(connection=bound).enqueue("a")
    await bound.close()
    async with await psycopg.AsyncConnection.connect(shop.url, autocommit=True) as bound:
        with pytest.raises(UnusableConnection, match=r"async with connection\.transaction"):
            await shop.greet.options(connection=bound).enqueue("a")
    engine = create_async_engine(speaking(shop.url, "asyncpg"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as bound:
        with pytest.raises(UnusableConnection, match="AUTOCOMMIT"):
            await shop.greet.options(connection=bound).enqueue("a")
    await engine.dispose()
    assert await shop.ids() == []


async def test_blocking_connections_without_a_transaction_are_refused(shop):
    def application():
        refused = pytest.raises(UnusableConnection, match="no transaction open")
        with psycopg.connect(shop.url, autocommit=True) as bound, refused:
            shop.greet.options(connection=bound).enqueue_sync("a")
        engine = sa.create_engine(speaking(shop.url, "psycopg"))
        refused = pytest.raises(UnusableConnection, match="AUTOCOMMIT")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as bound, refused:
            shop.greet.options(connection=bound).enqueue_sync("a")
        engine.dispose()
        bound = django_connection(shop.url)
        with pytest.raises(UnusableConnection, match="atomic"):
            shop.greet.options(connection=bound).enqueue_sync("a")
        bound.close()

    await asyncio.to_thread(application)
    assert await shop.ids() == []


async def test_a_transaction_may_run_behind_a_pooler(shop, tmp_path):
    """PgBouncer in transaction mode, or what treats its clients alike: a session may be another one each time."""
    pooler = start_pgbouncer(shop.url, tmp_path)

    async def with_asyncpg():
        connection = await asyncpg.connect(pooler.url, statement_cache_size=0)
        for _ in range(3):
            async with connection.transaction():
                await shop.greet.options(connection=connection).enqueue("a")
        await connection.close()

    def with_psycopg():
        with psycopg.connect(pooler.url, prepare_threshold=None) as connection:
            for _ in range(3):
                shop.greet.options(connection=connection).enqueue_sync("a")
                connection.commit()

    await asyncio.gather(with_asyncpg(), asyncio.to_thread(with_psycopg))
    await asyncio.to_thread(pooler.close)
    assert len(await shop.ids()) == 6


async def test_what_is_no_connection_is_refused_with_what_is(shop):
    engine = sa.create_engine(speaking(shop.url, "psycopg"))
    for wrong in (engine, shop.url, object()):
        with pytest.raises(UnusableConnection, match=r"django\.db\.connection") as refused:
            await shop.greet.options(connection=wrong).enqueue("a")
        assert "password" not in str(refused.value)
        assert shop.url not in str(refused.value)
    lite = sa.create_engine("sqlite://")
    with lite.connect() as wrong, pytest.raises(UnusableConnection, match=r"sqlite\+pysqlite"):
        await asyncio.to_thread(shop.greet.options(connection=wrong).enqueue_sync, "a")
    lite.dispose()
    assert await shop.ids() == []


async def test_one_id_in_two_transactions_at_once_is_one_job_and_breaks_neither(shop):
    """The second waits for the first, and finds what that has decided."""
    own = UUID(bytes=new_id())
    first, second = await asyncpg.connect(shop.url), await asyncpg.connect(shop.url)
    for ends in ("commit", "rollback"):
        transactions = [first.transaction(), second.transaction()]
        for transaction in transactions:
            await transaction.start()
        await shop.greet.options(connection=first, job_id=own).enqueue(ends)
        waiting = asyncio.create_task(shop.greet.options(connection=second, job_id=own).enqueue("second"))
        await shop.somebody_waits_for_a_lock()
        await getattr(transactions[0], ends)()
        await waiting
        await transactions[1].commit()
        [job] = await shop.manager.get_jobs()
        assert job.data == {"who": "second" if ends == "rollback" else "commit"}
        await job.delete()
    await first.close()
    await second.close()


async def test_serializable_transactions_do_not_break_each_other_by_adding(shop):
    async def buy(number):
        connection = await asyncpg.connect(shop.url)
        for _ in range(5):
            async with connection.transaction(isolation="serializable"):
                await shop.greet.options(connection=connection).enqueue(str(number))
                await barrier.wait()
        await connection.close()

    barrier = asyncio.Barrier(6)
    await asyncio.gather(*(buy(number) for number in range(6)))
    assert len(await shop.ids()) == 30


@pytest.mark.parametrize("kind", ["asyncpg", "psycopg", "Django"])
async def test_another_database_with_tables_of_ours_is_refused_and_nothing_is_stored(shop, kind):
    async def buy(tx):
        await tx.call(shop.greet.options(connection=tx.connection), "enqueue", "a")

    other = f"other_{uuid4().hex}"
    connection = await asyncpg.connect(shop.url)
    await connection.execute(f"CREATE DATABASE {other}")
    there = urlsplit(shop.url)._replace(path=other).geturl()
    async with QueueManager(f"{there}?schema={shop.schema}") as tenant:
        with pytest.raises(UnusableConnection, match=f"another store .*{other}"):
            await transact(kind, there, buy)
        assert (await tenant.get_jobs(), await shop.ids()) == ([], [])
    await connection.execute(f"DROP DATABASE {other}")
    await connection.close()


@pytest.mark.parametrize("kind", ["asyncpg", "psycopg"])
async def test_the_first_job_of_all_makes_the_tables_that_it_needs(postgres, kind):
    manager = QueueManager(f"{postgres.url}?schema=t{uuid4().hex}")

    async def buy(tx):
        await tx.call(manager, "add_job", "mail", "greet", {"who": "a"}, connection=tx.connection)

    await transact(kind, postgres.url, buy)
    assert len(await manager.get_jobs()) == 1
    await manager.shutdown()


async def test_a_blocking_connection_is_used_in_its_callers_thread(shop):
    """Drivers and frameworks bind connections to threads."""
    threads = set()

    class Watched(psycopg.Connection):
        @property
        def autocommit(self):
            threads.add(threading.current_thread())
            return False

    def application():
        with Watched.connect(shop.url) as bound:
            threads.clear()
            shop.greet.options(connection=bound).enqueue_sync("a")
            return threading.current_thread()

    assert threads | {await asyncio.to_thread(application)} == threads
    assert len(threads) == 1


async def test_a_sleeping_worker_is_woken_by_the_commit(shop):
    """Its poll is far away."""
    await shop.manager.start_workers()
    async with asyncio.timeout(20):
        await (await shop.greet.enqueue("first")).result(20)

        async def buy(tx):
            return await tx.call(shop.greet.options(connection=tx.connection), "enqueue", "a")

        job = await transact("asyncpg", shop.url, buy)
        assert await job.result(4) == "hello a"


# -------------------------------------------------------------------------------------------- completing a job


@every_kind
async def test_a_job_is_completed_by_the_commit_of_its_own_transaction(shop, kind):
    """B.4"""

    async def application(tx, ctx):
        await tx.execute(shop.insert)
        await tx.call(ctx, "complete_in", tx.connection, result={"what": "boat"})

    shop.order(kind, application)
    job = await shop.run_one()
    assert (job.state, job.value, job.failures, job.attempt) == ("completed", {"what": "boat"}, 0, 1)
    assert (await shop.orders(), shop.told) == (["boat"], ["completed"])


@every_kind
async def test_a_transaction_that_was_rolled_back_completes_nothing(shop, kind):
    """B.4: what was written is gone, and the attempt has failed like any other."""

    async def application(tx, ctx):
        await tx.execute(shop.insert)
        await tx.call(ctx, "complete_in", tx.connection, result=ctx.attempt)
        if ctx.attempt == 1:
            raise Rollback("not yet")

    shop.order(kind, application, retry=Retry(2, initial=0.01, jitter=False))
    job = await shop.run_one()
    assert (job.state, job.value, job.failures, job.attempt) == ("completed", 2, 1, 2)
    assert [failure.message for failure in job.errors] == ["not yet"]
    assert (await shop.orders(), shop.told) == (["boat"], ["retrying", "completed"])


async def test_a_task_that_returns_without_the_commit_has_failed(shop):
    @shop.manager.queue("q").task(retry=ONCE)
    async def order(ctx: JobContext):
        connection = await asyncpg.connect(shop.url)
        transaction = connection.transaction()
        await transaction.start()
        await ctx.complete_in(connection)
        await transaction.rollback()
        await connection.close()

    job = await shop.run_one()
    assert (job.state, [failure.type for failure in job.errors]) == ("failed", [NotCommitted.__name__])
    assert shop.told == ["failed"]


async def test_the_commit_wins_over_an_error_after_it(shop):
    @shop.manager.queue("q").task
    async def order(ctx: JobContext):
        await transact(
            "asyncpg", shop.url, lambda tx: tx.call(ctx, "complete_in", tx.connection, result="done")
        )
        raise ZeroDivisionError("too late")

    job = await shop.run_one()
    assert (job.state, job.value, job.failures, shop.told) == ("completed", "done", 0, ["completed"])


async def test_who_has_lost_the_claim_can_neither_complete_nor_write(shop):
    async def application(tx, ctx):
        await tx.execute(shop.insert)
        await tx.call(ctx, "complete_in", tx.connection)

    @shop.manager.queue("q").task(retry=ONCE)
    async def order(ctx: JobContext):
        record = ctx.job.record
        taken_away = Settlement(
            id=record.id, queue="q", session=record.session, fence=record.fence, verdict=CANCELLED
        )
        await (await shop.manager.store()).settle([taken_away])
        with pytest.raises(ClaimLost):
            await transact("asyncpg", shop.url, lambda tx: application(tx, ctx))

    job = await shop.run_one()
    assert (await shop.orders(), job.state, shop.told) == ([], "cancelled", ["stale"])


async def test_completing_and_adding_what_follows_are_one_step(shop):
    """A chain that no crash can break: the next job is there exactly when this one is done."""

    async def application(tx, ctx):
        await tx.call(shop.greet.options(connection=tx.connection), "enqueue", "next")
        await tx.call(ctx, "complete_in", tx.connection)
        if ctx.attempt == 1:
            raise Rollback

    shop.order("SQLAlchemy AsyncSession", application, retry=Retry(2, initial=0.01, jitter=False))
    await shop.run_one()
    found = await shop.manager.get_jobs(queue="mail")
    assert [job.data for job in found] == [{"who": "next"}]


async def test_a_transaction_that_is_left_open_stops_nobody_else(shop):
    """Its verdict waits for the lock, and no other verdict waits behind it."""
    left_open = []

    @shop.manager.queue("q").task(retry=ONCE)
    async def leaks(ctx: JobContext):
        connection = await asyncpg.connect(shop.url)
        transaction = connection.transaction()
        await transaction.start()
        await ctx.complete_in(connection)
        left_open.append((connection, transaction))

    await shop.manager.start_workers()
    leaking = await leaks.enqueue()
    async with asyncio.timeout(30):
        for number in range(20):
            job = await shop.greet.enqueue(str(number))
            assert await job.result(6) == f"hello {number}"
        job = await shop.greet.enqueue("b")
        assert await job.result(6) == "hello b"
        await leaking.refresh()
        assert leaking.state == "running"
        [(connection, transaction)] = left_open
        await transaction.rollback()
        await connection.close()
        with pytest.raises(JobFailed, match="not committed"):
            await leaking.result(20)
