"""The one thread that writes: what shares a transaction, and whom a failure reaches."""

import asyncio
import threading

import pytest

from longshore.backends.sqlite import SqliteStore
from longshore.backends.sqlite.checkpoints import DUE_COMMITS, KEPT_PAGES
from longshore.backends.sqlite.commands import OTHER
from longshore.core.errors import StoreUnavailable
from longshore.core.states import State
from longshore.core.verdict import COMPLETED
from longshore.store.commands import ClaimAsk, JobQuery, Lease, Settlement
from longshore.store.replies import Wake, WakeKind


class Gate:
    """A command that keeps the writer busy until the test lets it go on."""

    def __init__(self) -> None:
        self.is_inside = threading.Event()
        self._may_leave = threading.Event()

    def __call__(self, tx: object) -> None:
        self.is_inside.set()
        self._may_leave.wait(10)

    async def entered(self, store: SqliteStore) -> "asyncio.Task[None]":
        task = asyncio.create_task(store._write(OTHER, self))
        await asyncio.to_thread(self.is_inside.wait, 10)
        return task

    def open(self) -> None:
        self._may_leave.set()


async def test_calls_that_wait_share_one_transaction(store, jobs):
    gate = Gate()
    held = await gate.entered(store)
    before = store.round_trips
    calls = [asyncio.create_task(store.insert([job])) for job in jobs(500)]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(held, *calls)
    assert store.round_trips - before <= 10  # 15 ms of commands each, on a machine under load


async def test_signs_of_life_settlements_claims_and_inserts_come_in_this_order(store, jobs):
    await store.extend([Lease(session="w", lease_ms=60_000, opens=True)])
    await store.insert(jobs(1))
    [claimed] = await store.claim([ClaimAsk("mail", 1, "w")])
    [job] = claimed.jobs
    gate = Gate()
    held = await gate.entered(store)
    adding = asyncio.create_task(store.insert(jobs(1)))
    claiming = asyncio.create_task(store.claim([ClaimAsk("mail", 5, "new")]))
    done = Settlement(id=job.id, queue="mail", session="w", fence=1, verdict=COMPLETED)
    settling = asyncio.create_task(store.settle([done]))
    extending = asyncio.create_task(store.extend([Lease(session="new", lease_ms=60_000, opens=True)]))
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(held, adding, settling, extending)
    [answer] = await claiming
    assert (answer.session_lost, answer.jobs) == (False, [])


async def test_a_job_that_arrives_with_a_claim_that_ran_short_wakes_its_worker(store, jobs):
    """The queue was not empty before, yet whoever claimed its last job goes to sleep now."""
    await store.insert(jobs(1))
    await store.extend(
        [Lease(session="w", lease_ms=60_000, opens=True)]
    )  # the bell has rung when this is answered
    listener = await store.listen([WakeKind.PENDING])
    gate = Gate()
    held = await gate.entered(store)
    claiming = asyncio.create_task(store.claim([ClaimAsk("mail", 5, "w")]))
    adding = asyncio.create_task(store.insert(jobs(1)))
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(held, claiming, adding)
    assert await listener.wait(5) == [Wake(WakeKind.PENDING, "mail")]
    await listener.close()


async def test_a_job_that_joins_others_wakes_nobody(store, jobs):
    await store.insert(jobs(1))
    await store.extend(
        [Lease(session="w", lease_ms=60_000, opens=True)]
    )  # the bell has rung when this is answered
    listener = await store.listen([WakeKind.PENDING])
    await store.insert(jobs(1))
    await store.extend([Lease(session="w", lease_ms=60_000)])
    assert await listener.wait(0) == []
    await listener.close()


async def test_a_command_that_cannot_be_stored_spoils_no_other(store, jobs):
    gate = Gate()
    held = await gate.entered(store)
    bad = jobs(1, payload=None)
    good = jobs(3)
    calls = [asyncio.create_task(store.insert(each)) for each in ([good[0]], bad, [good[1]], [good[2]])]
    await asyncio.sleep(0)
    gate.open()
    await held
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False, False]
    [counts] = await store.count(["mail"])
    assert counts.states[State.PENDING] == 3


async def test_a_caller_that_gave_up_leaves_the_others_alone(store, jobs):
    gate = Gate()
    held = await gate.entered(store)
    given_up, other = (asyncio.create_task(store.insert(jobs(1))) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    gate.open()
    await held
    assert await other == ["created"]


async def test_closing_ends_calls_that_wait(path, jobs):
    store = SqliteStore(path)
    await store.open()
    gate = Gate()
    held = await gate.entered(store)
    waiting = asyncio.create_task(store.insert(jobs(1)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    gate.open()
    await closing
    answers = await asyncio.gather(held, waiting, return_exceptions=True)
    assert answers[0] is None
    assert answers[1] == ["created"] or answers[1].reason == "closed"


async def test_a_closed_twin_leaves_the_original_open(store, jobs):
    twin = await store.twin()
    await twin.insert(jobs(2))
    await twin.close()
    with pytest.raises(StoreUnavailable):
        await twin.count(None)
    [page] = await store.scan([JobQuery()])
    assert len(page.jobs) == 2


async def come_to_rest(store) -> None:
    """Until the log has been moved because nothing happens."""
    checkpoints = store._core.writer._connection.checkpoints
    run, moved = checkpoints.run, threading.Event()

    def watched(connection, *, idle):
        run(connection, idle=idle)
        if idle:
            moved.set()

    checkpoints.run = watched
    await asyncio.to_thread(moved.wait, 10)
    assert not checkpoints.are_due_when_idle


async def test_a_large_write_ahead_log_is_emptied_when_nothing_happens(store, path, jobs):
    for _ in range(4):
        await store.insert(jobs(1000, payload=b"x" * 1000))
    log = path.with_name("jobs.db-wal")
    assert log.stat().st_size > KEPT_PAGES * 4096
    await come_to_rest(store)
    assert log.stat().st_size == 0


async def test_a_small_one_keeps_its_blocks(store, path, jobs):
    await store.insert(jobs(1000))
    log = path.with_name("jobs.db-wal")
    size_bytes = log.stat().st_size
    await come_to_rest(store)
    await store.insert(jobs(10))
    assert log.stat().st_size == size_bytes


async def test_a_log_of_small_commits_begins_anew_before_it_is_long(store, path, jobs):
    for job in jobs(2 * DUE_COMMITS):
        await store.insert([job])
    assert path.with_name("jobs.db-wal").stat().st_size < 1.5 * DUE_COMMITS * 6 * 4096


async def test_the_log_is_moved_into_the_file_while_work_goes_on(store, path, jobs):
    for _ in range(40):
        await store.insert(jobs(1000, payload=b"x" * 1000))
    assert path.stat().st_size > 20_000_000
    assert path.with_name("jobs.db-wal").stat().st_size < 30_000_000
