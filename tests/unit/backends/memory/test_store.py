"""The memory store's own promises; those of every store are in tests/conformance."""

import asyncio
import threading

import pytest

from longshore.backends import open_store
from longshore.core.clock import ManualClock
from longshore.core.errors import SettingsError, StoreUnavailable, UnknownOption
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, RELEASED, Verdict
from longshore.store.commands import (
    Cancel,
    Changes,
    ClaimAsk,
    Delete,
    JobQuery,
    Lease,
    Order,
    Retry,
    Settlement,
    Update,
)
from longshore.store.replies import Settled, Wake, WakeKind

PENDING_WAKE = Wake(WakeKind.PENDING, "mail")


def new_jobs(count, **options):
    return [NewJob(id=new_id(), queue="mail", name="send", payload=b"1", **options) for _ in range(count)]


async def opened(url="memory://", **options):
    store = open_store(url, **options)
    await store.open()
    await store.extend([Lease(session="s", lease_ms=60_000, opens=True)])
    return store


async def claim(store, count=100):
    [claimed] = await store.claim([ClaimAsk("mail", count, "s")])
    return claimed.jobs


async def settle(store, records, verdict=COMPLETED, **options):
    return await store.settle(
        [
            Settlement(id=job.id, queue=job.queue, session="s", fence=job.fence, verdict=verdict, **options)
            for job in records
        ]
    )


async def test_a_store_without_a_name_is_a_new_one_each_time():
    first, second = await opened(), await opened()
    await first.insert(new_jobs(1))
    assert await second.count(None) == []


async def test_a_name_is_the_same_store_for_as_long_as_somebody_holds_it():
    first, second = await opened("memory://shared"), await opened("memory://shared")
    await first.insert(new_jobs(1))
    await first.close()
    assert [counts.queue for counts in await second.count(None)] == ["mail"]
    del first, second
    assert await (await opened("memory://shared")).count(None) == []


async def test_closing_a_twin_leaves_the_original_open():
    store = await opened()
    twin = await store.twin()
    await twin.insert(new_jobs(1))
    await twin.close()
    assert len(await claim(store)) == 1
    with pytest.raises(StoreUnavailable, match="closed"):
        await twin.count(None)


def test_an_unknown_scheme_is_told_what_is_known():
    with pytest.raises(SettingsError, match=r"mongodb://.*Known: memory://.*, sqlite://"):
        open_store("mongodb://localhost/jobs")


def test_an_unknown_option_is_told_what_is_known():
    with pytest.raises(UnknownOption, match=r"'clok' of memory://\. Did you mean 'clock'"):
        open_store("memory://", clok=ManualClock())


async def test_wake_ups_cross_threads():
    store = await opened()
    listener = await store.listen([WakeKind.PENDING], ["mail"])
    thread = threading.Thread(target=lambda: asyncio.run(store.insert(new_jobs(2))))
    thread.start()
    assert await listener.wait(10) == [PENDING_WAKE]
    thread.join()


async def test_only_the_step_away_from_empty_wakes():
    store = await opened(clock=ManualClock())
    listener = await store.listen([WakeKind.PENDING])
    await store.insert(new_jobs(1))
    await store.insert(new_jobs(1))
    assert await listener.wait(0) == [PENDING_WAKE]
    await store.insert(new_jobs(1))
    assert await listener.wait(0) == []


async def test_a_wait_ends_when_its_time_is_over():
    clock = ManualClock()
    store = await opened(clock=clock)
    listener = await store.listen([WakeKind.PENDING])
    waiting = asyncio.ensure_future(listener.wait(5))
    await asyncio.wait([waiting], timeout=0)
    clock.advance(5)
    assert await waiting == []


async def test_closing_the_store_ends_those_who_wait():
    store = await opened(clock=ManualClock())
    listener = await store.listen([WakeKind.PENDING])
    waiting = asyncio.ensure_future(listener.wait(5))
    await asyncio.wait([waiting], timeout=0)
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await waiting


async def test_closing_a_listener_ends_its_wait():
    store = await opened(clock=ManualClock())
    listener = await store.listen([WakeKind.PENDING])
    waiting = asyncio.ensure_future(listener.wait(5))
    await asyncio.wait([waiting], timeout=0)
    await listener.close()
    assert await waiting == []


async def test_a_job_that_left_the_line_is_claimed_once_and_in_its_new_place():
    store = await opened()
    first, second, third = jobs = new_jobs(3)
    await store.insert(jobs)
    where = JobQuery(ids=(first.id,))
    await store.change([Cancel(where=where), Retry(where=where)])
    assert [job.id for job in await claim(store)] == [second.id, third.id, first.id]


async def test_a_job_of_a_new_priority_keeps_its_place_among_those_there():
    store = await opened()
    first, second, third = new_jobs(1, priority=5) + new_jobs(1) + new_jobs(1)
    await store.insert([second, first, third])
    await store.change([Update(where=JobQuery(ids=(first.id,)), changes=Changes(priority=3))])
    assert [job.id for job in await claim(store)] == [second.id, first.id, third.id]


async def test_released_jobs_come_first_again_and_in_their_order():
    store = await opened()
    jobs = new_jobs(4)
    await store.insert(jobs)
    taken = await claim(store, 3)
    assert await settle(store, reversed(taken), RELEASED) == [Settled.APPLIED] * 3
    assert [job.id for job in await claim(store)] == [job.id for job in jobs]


async def test_deleting_most_of_many_jobs_leaves_the_rest_in_order():
    store = await opened()
    jobs = new_jobs(3000)
    await store.insert(jobs)
    await settle(store, await claim(store, 3000))
    for start in range(0, 2600, 100):
        ids = tuple(job.id for job in jobs[start : start + 100])
        await store.change([Delete(where=JobQuery(ids=ids, limit=100))])
    kept = [job.id for job in jobs[2600:]]
    for order, expected in ((Order.OLDEST, kept), (Order.FINISHED, kept[::-1]), (Order.NEWEST, kept[::-1])):
        [page] = await store.scan([JobQuery(order=order, limit=1000)])
        assert [job.id for job in page.jobs] == expected


async def test_a_job_that_ended_twice_is_listed_once():
    store = await opened(clock=ManualClock())
    [job] = new_jobs(1)
    await store.insert([job])
    where = JobQuery(ids=(job.id,))
    for _ in range(2):
        await settle(store, await claim(store), Verdict(State.FAILED))
        await store.change([Retry(where=where)])
    await settle(store, await claim(store))
    [page] = await store.scan([JobQuery(order=Order.FINISHED)])
    assert [(found.id, found.fence) for found in page.jobs] == [(job.id, 3)]
