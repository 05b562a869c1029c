"""A small command whose caller finds nobody writing: done in the caller's thread, or left to the writer's."""

import asyncio
import fcntl
import threading

import apsw
import pytest

from longshore.backends.sqlite.commands import OTHER
from longshore.backends.sqlite.write_connection import DOUBTS, MOST_DOUBTS, QUICK_SECONDS
from longshore.store.commands import Lease

SLOW, QUICK = QUICK_SECONDS * 10, QUICK_SECONDS / 10


def thread_of(tx: object) -> int:
    return threading.get_ident()


@pytest.fixture
def connection(store):
    """Of a store that has written once, and whose commits count as quick, however slow the machine is just now."""
    connection = store._core.writer._connection

    async def ready():
        await store.extend([Lease(session="w", lease_ms=60_000, opens=True)])
        for _ in range(100_000):
            if not store._core.writer._is_serving:
                break
            await asyncio.sleep(0)
        connection._doubts = dict.fromkeys((True, False), 0)
        return connection

    return ready


async def test_a_lone_small_command_is_done_in_its_callers_thread(store, connection):
    await connection()
    assert await store._write(OTHER, thread_of, is_small=True) == threading.get_ident()


async def test_any_other_is_left_to_the_thread_that_writes(store, connection):
    await connection()
    assert await store._write(OTHER, thread_of) != threading.get_ident()


async def test_nobody_waits_for_a_slow_disk_in_the_event_loop(store, connection):
    (await connection())._doubts[True] = MOST_DOUBTS
    assert await store._write(OTHER, thread_of, is_small=True) != threading.get_ident()


async def test_a_disk_is_slow_when_it_is_slow_again_and_again_and_quick_again_in_the_same_way(connection):
    held = await connection()
    for seconds in [SLOW] * (DOUBTS - 1) + [QUICK, SLOW]:
        held._remember(must_last=True, seconds=seconds)
        assert held.is_quick(must_last=True)
    for _ in range(100):
        held._remember(must_last=True, seconds=SLOW)
    assert not held.is_quick(must_last=True)
    assert held.is_quick(must_last=False)
    for _ in range(MOST_DOUBTS):
        held._remember(must_last=True, seconds=QUICK)
    assert held.is_quick(must_last=True)


async def test_nobody_waits_for_another_process_in_the_event_loop(store, path, connection, jobs):
    await connection()
    with path.with_name("jobs.db.lock").open("r+") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        adding = asyncio.create_task(store.insert(jobs(1)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not adding.done()
        fcntl.flock(theirs, fcntl.LOCK_UN)
    assert await adding == ["created"]


async def test_nobody_waits_for_a_program_that_knows_of_no_turns(store, path, connection, jobs):
    await connection()
    foreign = apsw.Connection(str(path))
    foreign.execute("BEGIN IMMEDIATE")
    adding = asyncio.create_task(store.insert(jobs(1)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not adding.done()
    foreign.execute("COMMIT")
    assert await adding == ["created"]
    foreign.close()


async def test_a_loop_of_calls_lets_others_run(store, connection, jobs):
    held = await connection()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    for _ in range(50):
        held._doubts[True] = 0
        await store.insert(jobs(1))
    counting.cancel()
    assert turns >= 5


async def test_an_error_reaches_its_caller_and_harms_nobody_after_it(store, connection, jobs):
    await connection()
    with pytest.raises(apsw.ConstraintError):
        await store.insert(jobs(1, payload=None))
    assert await store.insert(jobs(1)) == ["created"]


async def test_a_file_that_was_replaced_is_not_written_any_more(store, path, connection, jobs):
    await connection()
    path.unlink()
    writer = store._core.writer
    assert not writer._connection.enter_at_once()


async def test_threads_that_write_at_once_never_share_the_connection(store, connection, jobs):
    await connection()
    added: list[str] = []

    def add() -> None:
        async def one_by_one() -> None:
            twin = await store.twin()
            for _ in range(40):
                added.extend(await twin.insert(jobs(1)))
            await twin.close()

        asyncio.run(one_by_one())

    await asyncio.gather(*(asyncio.to_thread(add) for _ in range(4)))
    assert added == ["created"] * 160


async def test_the_thread_that_writes_sees_to_the_log_of_lone_callers(store, path, connection, jobs):
    await connection()
    checkpoints = store._core.writer._connection.checkpoints
    run, moved = checkpoints.run, threading.Event()

    def watched(connection, *, idle):
        run(connection, idle=idle)
        moved.set()

    checkpoints.run = watched
    await store._write(OTHER, thread_of, is_small=True)
    await asyncio.to_thread(moved.wait, 10)
    assert not checkpoints.are_due_when_idle
