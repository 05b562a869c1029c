"""This module tests how a store begins and ends: opening, closing, twins, handles, the schema, the check-up."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from longshore.core.errors import StoreUnavailable
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.store.commands import Cancel, ClaimAsk, JobQuery, Lease, Put, RecordAsk
from longshore.store.contract import Store
from longshore.testing.conformance.handles import StoreUnderTest, in_thread
from longshore.testing.conformance.jobs import NOW, QUEUE, SESSION, new_job, only, settlement
from longshore.testing.conformance.steps import add, claim, count, finish, ids, start, states


async def test_opening_again_does_nothing(store: Store) -> None:
    [job_id] = await add(store)
    await store.open()
    assert await states(store, [job_id]) == [State.PENDING]


async def test_closing_again_does_nothing(kit: StoreUnderTest) -> None:
    handle = await kit.another()
    for _ in range(3):
        await handle.close()


async def test_closing_what_was_never_opened_does_nothing(kit: StoreUnderTest) -> None:
    await kit.unopened().close()


async def test_every_verb_of_a_store_that_is_not_open_says_so(kit: StoreUnderTest) -> None:
    [job] = await start(kit.store)
    never_opened, closed = kit.unopened(), await kit.another()
    await closed.close()
    for store in (never_opened, closed):
        for call in one_call_of_each_verb(store, job):
            with pytest.raises(StoreUnavailable) as raised:
                await call
            assert raised.value.reason == "closed"
    assert await states(kit.store, [job.id]) == [State.RUNNING]


def one_call_of_each_verb(store: Store, job: JobRecord) -> list[Coroutine[Any, Any, object]]:
    """Calls that would do something."""
    return [
        store.insert([new_job()]),
        store.claim([ClaimAsk(QUEUE, 1, SESSION)]),
        store.settle([settlement(job)]),
        store.change([Cancel(where=only(job.id))]),
        store.extend([Lease(session=SESSION, lease_ms=1, opens=True)]),
        store.promote(1),
        store.scan([JobQuery()]),
        store.count(None),
        store.put([Put(kind="note", key="key", value=b"1")]),
        store.get([RecordAsk("note")]),
        store.listen([]),
    ]


async def test_closing_while_calls_are_under_way_ends_each_of_them(kit: StoreUnderTest) -> None:
    store = await kit.another()
    batches = [[new_job() for _ in range(50)] for _ in range(20)]
    calls = [asyncio.ensure_future(store.insert(batch, now_ms=NOW)) for batch in batches]
    await asyncio.wait(calls, timeout=0.001)
    await store.close()
    replies = await asyncio.gather(*calls, return_exceptions=True)
    for batch, reply in zip(batches, replies, strict=True):
        there = [state is State.PENDING for state in await states(kit.store, ids(batch))]
        if isinstance(reply, BaseException):
            assert isinstance(reply, StoreUnavailable)
            assert len(set(there)) == 1  # all or nothing
        else:
            assert all(there)


async def test_closing_ends_reads_and_claims_that_are_under_way(kit: StoreUnderTest) -> None:
    store = await kit.another()
    await add(store, 500)
    calls: list[asyncio.Future[object]] = []
    for _ in range(30):
        calls.append(asyncio.ensure_future(store.scan([JobQuery(text="nowhere")])))
        calls.append(asyncio.ensure_future(store.count(None)))
        calls.append(asyncio.ensure_future(store.claim([ClaimAsk(QUEUE, 1, SESSION)])))
    await asyncio.wait(calls, timeout=0)
    await store.close()
    for reply in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(reply, list | StoreUnavailable)


async def test_closing_ends_the_calls_of_other_threads(kit: StoreUnderTest) -> None:
    store = await kit.another()
    under_way = threading.Barrier(4)

    async def add_until_closed() -> None:
        under_way.wait()
        while True:
            await store.insert([new_job()])
            await store.count(None)

    async with asyncio.TaskGroup() as tasks:
        threads = [tasks.create_task(raised(in_thread(add_until_closed()))) for _ in range(3)]
        await asyncio.to_thread(under_way.wait)
        await add(store, 10)
        await store.close()
    assert [type(thread.result()) for thread in threads] == [StoreUnavailable] * 3


async def raised(call: Coroutine[Any, Any, object]) -> Exception | None:
    """What a call raises."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - to be looked at
        return error
    return None


async def test_a_call_that_is_given_up_is_done_wholly_or_not_at_all(store: Store) -> None:
    batches = [[new_job() for _ in range(100)] for _ in range(10)]
    for batch in batches:
        call = asyncio.ensure_future(store.insert(batch, now_ms=NOW))
        await asyncio.wait([call], timeout=0)
        call.cancel()
    there = 0
    for batch in batches:
        assert await store.insert(batch, now_ms=NOW) in (["created"] * 100, ["duplicate"] * 100)
        there += len(batch)
    assert (await count(store)).states[State.PENDING] == there


async def test_another_handle_sees_the_same_jobs(kit: StoreUnderTest) -> None:
    other = await kit.another()
    [job_id] = await add(kit.store)
    assert await states(other, [job_id]) == [State.PENDING]
    [job] = await claim(other)
    assert await finish(kit.store, [job]) == ["applied"]
    assert (await count(other)).states[State.COMPLETED] == 1


async def test_closing_another_handle_harms_no_one(kit: StoreUnderTest) -> None:
    other = await kit.another()
    [job_id] = await add(other)
    await other.close()
    assert await states(kit.store, [job_id]) == [State.PENDING]


async def test_a_twin_sees_the_same_jobs_and_is_open(store: Store) -> None:
    [job_id] = await add(store)
    twin = await store.twin()
    assert await states(twin, [job_id]) == [State.PENDING]
    await twin.close()


async def test_closing_a_twin_never_harms_the_original(store: Store) -> None:
    twin = await store.twin()
    await twin.close()
    await twin.close()
    [job_id] = await add(store)
    assert await states(store, [job_id]) == [State.PENDING]


async def test_a_twin_serves_another_threads_event_loop(store: Store) -> None:
    async def work_there() -> int:
        twin = await store.twin()
        jobs = await claim(twin, 5)
        await finish(twin, jobs)
        await twin.close()
        return len(jobs)

    await add(store, 10)
    assert await in_thread(work_there()) == 5
    assert await in_thread(work_there()) == 5
    assert (await count(store)).states[State.COMPLETED] == 10


async def test_every_verb_may_be_called_from_other_threads(store: Store) -> None:
    async def work_there(number: int) -> None:
        session = f"worker-{number}"
        [job_id] = await add(store, queue=session)
        [job] = await claim(store, queue=session, session=session)
        assert job.id == job_id
        await store.put([Put(kind="note", key=session, value=b"1")], now_ms=NOW)
        await finish(store, [job])
        assert await states(store, [job_id]) == [State.COMPLETED]

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(in_thread(work_there(number)))
    [records] = await store.get([RecordAsk("note")], now_ms=NOW)
    assert len(records) == 4
    assert [counts.states[State.COMPLETED] for counts in await store.count(None, now_ms=NOW)] == [1] * 4


async def test_migrate_says_how_the_schema_stands_and_needs_no_open(kit: StoreUnderTest) -> None:
    fresh = kit.unopened(kit.new_place())
    before = await fresh.migrate(apply=False)
    assert await fresh.migrate(apply=False) == before
    assert (before.version == before.latest) == (before.pending == ())
    await fresh.migrate()
    after = await fresh.migrate(apply=False)
    assert (after.version, after.pending) == (before.latest, ())
    await fresh.open()
    assert await fresh.insert([new_job()], now_ms=NOW) == ["created"]


async def test_migrating_a_store_with_jobs_keeps_them(kit: StoreUnderTest) -> None:
    jobs = await add(kit.store, 5)
    done = await kit.unopened().migrate()
    assert (done.version, done.pending) == (done.latest, ())
    assert set(await states(kit.store, jobs)) == {State.PENDING}


async def test_two_handles_may_open_an_empty_place_at_once(kit: StoreUnderTest) -> None:
    place = kit.new_place()
    handles = [kit.unopened(place) for _ in range(4)]
    await asyncio.gather(*(handle.open() for handle in handles))
    [job_id] = await add(handles[0])
    assert [await states(handle, [job_id]) for handle in handles] == [[State.PENDING]] * 4


async def test_stores_in_different_places_know_nothing_of_each_other(kit: StoreUnderTest) -> None:
    elsewhere = kit.unopened(kit.new_place())
    await elsewhere.open()
    [job_id] = await add(kit.store)
    assert await states(elsewhere, [job_id]) == [None]
    assert await elsewhere.count(None, now_ms=NOW) == []


async def test_examining_a_good_store_finds_nothing_that_loses_jobs(store: Store) -> None:
    findings = await store.examine()
    assert [finding for finding in findings if finding.level == "error"] == []
    assert all(finding.code and finding.problem and finding.remedy for finding in findings)


async def test_the_url_tells_people_where_the_store_is(store: Store) -> None:
    assert "://" in store.url
