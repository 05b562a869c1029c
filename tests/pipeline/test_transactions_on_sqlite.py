"""Jobs that are added and completed together with the application's own rows, all in one SQLite file."""

import importlib
import threading
from contextlib import suppress
from uuid import UUID

import pytest

from longshore import InvalidOption, JobContext, QueueManager, Retry, UsageError
from longshore.core.attempt_errors import ClaimLost, NotCommitted
from longshore.core.errors import TransactionOver, UnusableConnection
from longshore.core.ids import new_id
from longshore.core.verdict import CANCELLED
from longshore.store.commands import Settlement

ONCE = Retry(1)
PATIENT = 5.0


class Shop:
    """A manager, a table of the application's beside its jobs, and what was told."""

    def __init__(self, manager):
        self.manager = manager
        self.told = []
        for name in ("completed", "failed", "retrying", "stale"):
            manager.on(name, lambda event: self.told.append(event.name))

    async def orders(self):
        async with self.manager.transaction(PATIENT) as tx:
            return [what for (what,) in await tx.execute("SELECT what FROM orders ORDER BY what")]

    async def ids(self):
        return [job.id for job in await self.manager.get_jobs()]


@pytest.fixture
async def shop(tmp_path):
    async with QueueManager(f"sqlite:///{tmp_path}/shop.db") as manager:
        async with manager.transaction(PATIENT) as tx:
            await tx.execute("CREATE TABLE orders (what TEXT UNIQUE)")
        yield Shop(manager)


async def add_in_all_ways(manager, tx):
    """Six jobs; gives their handles."""
    greet = manager.queue("mail").task(name="greet")(_greet)
    bound = greet.options(connection=tx)
    return [
        await bound.enqueue("a"),
        *await bound.enqueue_many([("b",), {"who": "c"}]),
        await manager.add_job("mail", "greet", {"who": "d"}, connection=tx),
        *await manager.add_bulk("mail", [{"name": "greet", "data": {"who": "e"}}], connection=tx),
        await manager.queue("mail").add({"who": "f"}, name="greet", connection=tx),
    ]


async def _greet(who: str) -> str:
    return f"hello {who}"


async def test_jobs_are_there_with_the_commit_and_run(shop):
    """S2.8"""
    async with shop.manager.transaction(PATIENT) as tx:
        await tx.execute("INSERT INTO orders VALUES ('boat')")
        added = await add_in_all_ways(shop.manager, tx)
        assert await shop.ids() == []
    assert sorted(await shop.ids()) == sorted(job.id for job in added)
    await shop.manager.run_until_empty(30)
    assert [await job.result(10) for job in added] == [f"hello {who}" for who in "abcdef"]


async def test_jobs_are_not_there_after_a_rollback(shop):
    """S2.8"""

    async def breaks():
        async with shop.manager.transaction(PATIENT) as tx:
            await tx.execute("INSERT INTO orders VALUES ('boat')")
            await add_in_all_ways(shop.manager, tx)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await breaks()
    assert (await shop.ids(), await shop.orders()) == ([], [])


def test_plain_code_has_the_same_transactions(tmp_path):
    """S2.8: the connection is used in the caller's thread."""
    with QueueManager(f"sqlite:///{tmp_path}/shop.db") as manager:
        greet = manager.queue("mail").task(name="greet")(_greet)
        with manager.transaction_sync(PATIENT) as tx:
            tx.execute("CREATE TABLE orders (what TEXT)")
            greet.options(connection=tx).enqueue_sync("a")
            greet.options(connection=tx).enqueue_many_sync([("b",)] * 3)
            manager.add_job_sync("mail", "greet", {"who": "c"}, connection=tx)
            manager.add_bulk_sync("mail", [{"name": "greet", "data": {"who": "d"}}], connection=tx)
            manager.queue("mail").add_sync({"who": "e"}, name="greet", connection=tx)
            assert manager.get_jobs_sync() == []
        assert len(manager.get_jobs_sync()) == 7

        def adds_one(after, seconds=PATIENT):
            with manager.transaction_sync(seconds) as tx:
                greet.options(connection=tx).enqueue_sync("a")
                after()

        with pytest.raises(ZeroDivisionError):
            adds_one(lambda: 1 / 0)
        with pytest.raises(TransactionOver):
            adds_one(lambda: greet.enqueue_sync("b"), seconds=0.05)
        assert len(manager.get_jobs_sync()) == 8


async def test_scheduled_jobs_and_ids_of_ones_own_are_as_ever(shop):
    greet = shop.manager.queue("mail").task(name="greet")(_greet)
    own = new_id()
    first = await greet.options(job_id=UUID(bytes=own)).enqueue("a")
    async with shop.manager.transaction(PATIENT) as tx:
        again = await greet.options(job_id=UUID(bytes=own), connection=tx).enqueue("b")
        later = await greet.options(delay=60, connection=tx).enqueue("c")
        twice = new_id()
        one = await greet.options(job_id=UUID(bytes=twice), connection=tx).enqueue("d")
        two = await greet.options(job_id=UUID(bytes=twice), connection=tx).enqueue("e")
    assert (again.id, again.data) == (first.id, {"who": "a"})
    assert one.id == two.id
    await later.refresh()
    await two.refresh()
    assert (later.state, two.data) == ("scheduled", {"who": "d"})


async def test_the_wrong_pairing_is_refused_with_the_way_out(shop):
    greet = shop.manager.queue("mail").task(name="greet")(_greet)
    async with shop.manager.transaction(PATIENT) as tx:
        with pytest.raises(UnusableConnection, match="without _sync"):
            greet.options(connection=tx).enqueue_sync("a")
        with pytest.raises(UnusableConnection, match="enqueue_sync"):
            await greet.options(connection=tx.blocking).enqueue("a")
    assert await shop.ids() == []


async def test_a_durability_beside_a_connection_is_refused(shop):
    greet = shop.manager.queue("mail").task(name="greet")(_greet)
    async with shop.manager.transaction(PATIENT) as tx:
        with pytest.raises(InvalidOption, match="commit decides"):
            await greet.options(connection=tx, durability="fsync").enqueue("a")


async def test_a_store_without_tables_refuses_connections_and_names_the_outbox():
    async with QueueManager("memory://") as manager:
        with pytest.raises(UnusableConnection, match="outbox"):
            await manager.add_job("mail", "greet", {}, connection=object())
        with pytest.raises(UsageError, match="no transactions of its own"):
            async with manager.transaction():
                raise AssertionError("not reached")
        assert await manager.get_jobs() == []


@pytest.mark.parametrize("seconds", [0, -1, 6])
async def test_a_transaction_takes_no_longer_than_others_can_wait(shop, seconds):
    with pytest.raises(InvalidOption, match="timeout"):
        async with shop.manager.transaction(seconds):
            raise AssertionError("not reached")


# -------------------------------------------------------------------------------------------- completing a job


async def run_one(shop, name="order", **options):
    """Runs the only job, and gives it as it is afterwards."""
    job = await shop.manager.add_job("q", name, {}, **options)
    await shop.manager.run_until_empty(30)
    await job.refresh()
    return job


async def test_a_job_is_completed_by_the_commit_of_its_own_transaction(shop):
    """B.4"""

    @shop.manager.queue("q").task
    async def order(ctx: JobContext):
        async with shop.manager.transaction(PATIENT) as tx:
            await tx.execute("INSERT INTO orders VALUES ('boat')")
            await ctx.complete_in(tx, result={"what": "boat"})

    job = await run_one(shop)
    assert (job.state, job.value, job.failures, job.attempt) == ("completed", {"what": "boat"}, 0, 1)
    assert (await shop.orders(), shop.told) == (["boat"], ["completed"])


async def test_a_task_in_a_thread_completes_its_job_too(shop):
    @shop.manager.queue("q").task
    def order(ctx: JobContext):
        with shop.manager.transaction_sync(PATIENT) as tx:
            tx.execute("INSERT INTO orders VALUES (?)", (threading.current_thread().name,))
            ctx.complete_in_sync(tx, result=7)

    job = await run_one(shop)
    assert (job.state, job.value, shop.told) == ("completed", 7, ["completed"])


async def test_a_transaction_that_was_rolled_back_completes_nothing(shop):
    """B.4: the attempt has failed, and is tried again like any other."""
    attempts = []

    @shop.manager.queue("q").task(retry=Retry(2, initial=0.01, jitter=False))
    async def order(ctx: JobContext):
        attempts.append(ctx.attempt)
        try:
            async with shop.manager.transaction(PATIENT) as tx:
                await tx.execute("INSERT INTO orders VALUES ('boat')")
                await ctx.complete_in(tx, result=ctx.attempt)
                if ctx.attempt == 1:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return

    job = await run_one(shop)
    assert (attempts, job.state, job.value, job.failures) == ([1, 2], "completed", 2, 1)
    assert [failure.type for failure in job.errors] == [NotCommitted.__name__]
    assert (await shop.orders(), shop.told) == (["boat"], ["retrying", "completed"])


async def test_an_error_that_rolls_back_is_the_attempts_own(shop):
    @shop.manager.queue("q").task(retry=ONCE)
    async def order(ctx: JobContext):
        async with shop.manager.transaction(PATIENT) as tx:
            await ctx.complete_in(tx)
            raise ZeroDivisionError("no")

    job = await run_one(shop)
    assert (job.state, job.error_message, shop.told) == ("failed", "ZeroDivisionError: no", ["failed"])


async def test_the_commit_wins_over_an_error_after_it(shop):
    """B.4"""

    @shop.manager.queue("q").task
    async def order(ctx: JobContext):
        async with shop.manager.transaction(PATIENT) as tx:
            await ctx.complete_in(tx, result="done")
        raise ZeroDivisionError("too late")

    job = await run_one(shop)
    assert (job.state, job.value, job.failures, shop.told) == ("completed", "done", 0, ["completed"])


async def test_hooks_of_a_job_that_completed_itself_get_its_result(shop):
    seen = []

    @shop.manager.queue("q").task(on_complete=lambda job: seen.append((job.state, job.value)))
    async def order(ctx: JobContext):
        async with shop.manager.transaction(PATIENT) as tx:
            await ctx.complete_in(tx, result=5)

    await run_one(shop)
    assert seen == [("completed", 5)]


async def test_a_job_of_a_queue_that_keeps_nothing_is_gone_with_the_commit(shop):
    @shop.manager.queue("q", retention=0).task
    async def order(ctx: JobContext):
        async with shop.manager.transaction(PATIENT) as tx:
            await ctx.complete_in(tx)

    await shop.manager.add_job("q", "order", {})
    await shop.manager.run_until_empty(30)
    assert (await shop.ids(), shop.told) == ([], ["completed"])
    job = await shop.manager.add_job("q", "order", {})
    assert (await shop.manager.process_job(job.id)).state == "completed"


async def test_who_has_lost_the_claim_can_neither_complete_nor_write(shop):
    @shop.manager.queue("q").task(retry=ONCE)
    async def order(ctx: JobContext):
        record = ctx.job.record
        store = await shop.manager.store()
        taken_away = Settlement(
            id=record.id, queue="q", session=record.session, fence=record.fence, verdict=CANCELLED
        )
        await store.settle([taken_away])
        with suppress(ClaimLost):
            async with shop.manager.transaction(PATIENT) as tx:
                await tx.execute("INSERT INTO orders VALUES ('boat')")
                await ctx.complete_in(tx)
            raise AssertionError("not reached")

    job = await run_one(shop)
    assert (await shop.orders(), job.state, shop.told) == ([], "cancelled", ["stale"])


async def test_a_result_that_has_no_json_form_fails_before_anything_is_stored(shop):
    @shop.manager.queue("q").task(retry=ONCE)
    async def order(ctx: JobContext):
        async with shop.manager.transaction(PATIENT) as tx:
            await ctx.complete_in(tx, result=object())

    job = await run_one(shop)
    assert job.state == "failed"
    assert job.error_message.startswith("ResultNotEncodable: The result of ")


async def test_a_plain_call_has_no_job_to_complete(shop):
    @shop.manager.queue("q").task
    async def order(ctx: JobContext):
        async with shop.manager.transaction(PATIENT) as tx:
            await tx.execute("INSERT INTO orders VALUES ('boat')")
            await ctx.complete_in(tx, result=1)
        return 2

    assert await order() == 2
    assert await shop.orders() == ["boat"]


async def test_a_child_process_completes_its_job_even_if_it_dies_after_the_commit(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/shop.db"
    monkeypatch.setenv("COMPLETING_URL", url)
    tasks = importlib.import_module("tests.pipeline.completing_tasks")
    async with tasks.manager:
        shop = Shop(tasks.manager)
        async with tasks.manager.transaction(PATIENT) as tx:
            await tx.execute("CREATE TABLE orders (what TEXT)")
        job = await tasks.order.enqueue()
        await tasks.manager.run_until_empty(30)
        await job.refresh()
        assert (job.state, job.value, job.failures, job.crashes) == ("completed", 2, 1, 0)
        assert (await shop.orders(), shop.told) == (["boat"], ["retrying", "completed"])


async def test_what_was_noted_before_is_kept(shop):
    @shop.manager.queue("q").task
    async def order(ctx: JobContext):
        await ctx.log("a boat is on its way")
        await ctx.progress(0.9, "nearly")
        async with shop.manager.transaction(PATIENT) as tx:
            await ctx.complete_in(tx)

    @shop.manager.queue("q").task
    def order_plainly(ctx: JobContext):
        ctx.log_sync("a boat is on its way")
        with shop.manager.transaction_sync(PATIENT) as tx:
            ctx.complete_in_sync(tx)

    for name in ("order", "order_plainly"):
        job = await run_one(shop, name)
        assert [line.text for line in job.logs] == ["a boat is on its way"]
