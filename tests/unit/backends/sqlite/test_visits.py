"""A transaction on the writer's own connection: what it may do, how long it may take, and who waits for it."""

import asyncio
import sqlite3

import apsw
import pytest

from longshore.backends.sqlite import SqliteStore
from longshore.backends.sqlite.visiting import Turns
from longshore.core.errors import StoreUnavailable, TransactionOver, UnusableConnection, UsageError
from longshore.core.states import State
from longshore.store.commands import JobQuery
from longshore.store.replies import Inserted, WakeKind

PATIENT = 5.0


async def pending(store):
    counts = await store.count(["mail"])
    return counts[0].states[State.PENDING] if counts else 0


async def test_what_is_done_inside_is_there_for_others_only_after_the_commit(store, jobs):
    """S2.8"""
    async with store.transaction(PATIENT) as tx:
        await tx.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)")
        await tx.execute("INSERT INTO orders (what) VALUES (?)", ("a boat",))
        assert await store.within(tx).insert(jobs(3)) == [Inserted.CREATED] * 3
        assert await tx.execute("SELECT * FROM orders") == [(1, "a boat")]
        assert await pending(store) == 0
    assert await pending(store) == 3


async def test_a_block_that_raises_leaves_nothing_behind(store, jobs):
    """S2.8"""

    async def breaks():
        async with store.transaction(PATIENT) as tx:
            await tx.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
            await store.within(tx).insert(jobs(3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await breaks()
    assert await pending(store) == 0
    with pytest.raises(apsw.SQLError, match="no such table"):
        async with store.transaction(PATIENT) as tx:
            await tx.execute("SELECT * FROM orders")


async def test_a_statement_that_fails_leaves_the_transaction_as_it_was(store, jobs):
    async with store.transaction(PATIENT) as tx:
        await tx.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await tx.execute("INSERT INTO orders VALUES (1)")
        with pytest.raises(apsw.ConstraintError):
            await tx.execute("INSERT INTO orders VALUES (1)")
        await store.within(tx).insert(jobs(1))
    assert await pending(store) == 1


async def test_a_transaction_that_sqlite_rolls_back_is_over(store, jobs):
    async def broken():
        async with store.transaction(PATIENT) as tx:
            await store.within(tx).insert(jobs(1))
            await tx.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
            await tx.execute("INSERT INTO orders VALUES (1)")
            with pytest.raises(apsw.ConstraintError):
                await tx.execute("INSERT OR ROLLBACK INTO orders VALUES (1)")
            await tx.execute("SELECT 1")

    with pytest.raises(TransactionOver, match="UNIQUE"):
        await broken()
    assert await pending(store) == 0
    await store.insert(jobs(1))
    assert await pending(store) == 1


@pytest.mark.parametrize(
    "statement",
    ["COMMIT", "BEGIN", "SELECT 1; ROLLBACK", "SAVEPOINT a", "PRAGMA user_version", "ATTACH 'x.db' AS x"],
)
async def test_statements_that_would_take_it_out_of_the_stores_hands_are_refused(store, jobs, statement):
    async with store.transaction(PATIENT) as tx:
        await store.within(tx).insert(jobs(1))  # from now on the store has a COMMIT of its own at hand
    async with store.transaction(PATIENT) as tx:
        await store.within(tx).insert(jobs(1))
        with pytest.raises(UsageError, match="transaction control"):
            await tx.execute(statement)
    assert await pending(store) == 2


async def test_a_transaction_has_a_time_limit_and_then_everybody_else_goes_on(store, jobs):
    async def forgets_the_time():
        async with store.transaction(0.05) as tx:
            await store.within(tx).insert(jobs(1))
            await store.insert(jobs(2))  # waits for the end of the block it stands in
            await tx.execute("SELECT 1")

    with pytest.raises(TransactionOver, match=r"held .* for 0\.05 s"):
        await forgets_the_time()
    assert await pending(store) == 2


@pytest.mark.parametrize("change", ["SELECT count(*) FROM c", "INSERT INTO numbers SELECT x FROM c"])
async def test_a_statement_without_end_is_stopped_at_the_limit(store, change):
    numbers = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "

    async def count():
        async with store.transaction(0.1) as tx:
            await tx.execute("CREATE TABLE numbers (x)")
            await tx.execute(numbers + change)

    with pytest.raises(TransactionOver, match=r"0\.1 s"):
        await count()
    async with store.transaction(PATIENT) as tx:
        assert await tx.execute("SELECT 1") == [(1,)]


async def test_a_transaction_that_ends_too_late_says_so_at_its_end(store, jobs):
    async def dawdles():
        async with store.transaction(0.05) as tx:
            await store.within(tx).insert(jobs(1))
            await store.insert(jobs(1))

    with pytest.raises(TransactionOver):
        await dawdles()
    assert await pending(store) == 1


async def test_a_transaction_that_is_over_takes_nothing_more(store, jobs):
    async with store.transaction(PATIENT) as tx:
        await store.within(tx).insert(jobs(1))
    with pytest.raises(TransactionOver, match="has ended"):
        await tx.execute("SELECT 1")
    with pytest.raises(TransactionOver, match="has ended"):
        await store.within(tx).insert(jobs(1))
    assert await pending(store) == 1


async def test_visits_and_other_writers_take_turns(store, jobs):
    async def visit():
        async with store.transaction(PATIENT) as tx:
            await store.within(tx).insert(jobs(1))

    await asyncio.gather(*(visit() for _ in range(20)), *(store.insert(jobs(1)) for _ in range(20)))
    assert await pending(store) == 40


def test_neither_visits_nor_others_go_first_twice():
    class Told:
        def __init__(self, name, *, is_visit):
            self.name, self.is_visit = name, is_visit

    turns, order = Turns(), []
    left = [Told(name, is_visit=name.isupper()) for name in ("A", "B", "a", "C", "b")]
    while left:
        group, left = turns.choose(left)
        order.append("".join(each.name for each in group))
        if len(order) == 2:
            left.append(Told("c", is_visit=False))
    assert order == ["A", "ab", "B", "c", "C"]


async def test_a_cancelled_caller_leaves_no_transaction_behind(store, jobs):
    inside = asyncio.Event()

    async def visit():
        async with store.transaction(PATIENT) as tx:
            await store.within(tx).insert(jobs(1))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(visit())
    await inside.wait()
    waiting = asyncio.create_task(visit())
    await asyncio.sleep(0)
    waiting.cancel()
    task.cancel()
    await asyncio.gather(task, waiting, return_exceptions=True)
    assert task.cancelled()
    assert waiting.cancelled()
    await store.insert(jobs(1))
    assert await pending(store) == 1


async def test_a_duplicate_inside_changes_nothing(store, jobs):
    first, second = jobs(2)
    await store.insert([first])
    async with store.transaction(PATIENT) as tx:
        within = store.within(tx)
        assert await within.insert([first, second, second]) == [
            Inserted.DUPLICATE,
            Inserted.CREATED,
            Inserted.DUPLICATE,
        ]
        assert await within.insert([second]) == [Inserted.DUPLICATE]
    assert await pending(store) == 2


async def test_workers_are_woken_by_the_commit(store, jobs):
    listener = await store.listen([WakeKind.PENDING])
    async with store.transaction(PATIENT) as tx:
        await store.within(tx).insert(jobs(1))
        assert await listener.wait(0) == []
    assert [wake.queue for wake in await listener.wait(5)] == ["mail"]


async def test_foreign_connections_are_refused_with_the_way_out(store, tmp_path):
    foreign = sqlite3.connect(tmp_path / "jobs.db")
    with pytest.raises(UnusableConnection, match=r"sqlite3.Connection .* manager.transaction\(\)"):
        store.within(foreign)
    foreign.close()


async def test_a_transaction_of_another_file_is_refused(store, tmp_path):
    other = SqliteStore(tmp_path / "other.db")
    await other.open()
    async with other.transaction(PATIENT) as tx:
        with pytest.raises(UnusableConnection, match=r"other\.db"):
            store.within(tx)
    await other.close()


async def test_a_closed_store_lends_nothing(store):
    await store.close()
    with pytest.raises(StoreUnavailable):
        async with store.transaction(PATIENT):
            raise AssertionError("not reached")


async def test_closing_the_store_waits_for_the_visitor(store, jobs, tmp_path):
    async with store.transaction(PATIENT) as tx:
        [job] = jobs(1)
        await store.within(tx).insert([job])
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
    await closing
    again = SqliteStore(tmp_path / "jobs.db")
    await again.open()
    [page] = await again.scan([JobQuery(ids=(job.id,))])
    await again.close()
    assert len(page.jobs) == 1
