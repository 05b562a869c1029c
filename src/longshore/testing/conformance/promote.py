"""This module tests `promote`: which jobs become pending, when, in what order, and what it says."""

from longshore.core.states import State
from longshore.core.verdict import retry_at
from longshore.store.commands import Cancel, Lease, Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Promoted
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, SESSION, new_job, only
from longshore.testing.conformance.steps import (
    LEASE_MS,
    add,
    claim,
    count,
    edit,
    finish,
    ids,
    look,
    order_of_claims,
    put,
    start,
    states,
)

DUE = NOW + SECOND


async def test_an_empty_store_promotes_nothing(store: Store) -> None:
    assert await store.promote(100, now_ms=NOW) == Promoted(0, (), None, more=False)


async def test_a_due_job_becomes_pending(store: Store) -> None:
    [job_id] = await add(store, run_ms=DUE)
    assert await store.promote(100, now_ms=DUE) == Promoted(1, (QUEUE,), None, more=False)
    job = await look(store, job_id)
    assert (job.state, job.run_ms, job.updated_ms) == (State.PENDING, None, DUE)
    assert ids(await claim(store, now_ms=DUE)) == [job_id]


async def test_a_job_that_is_not_due_waits_on(store: Store) -> None:
    [job_id] = await add(store, run_ms=DUE)
    assert await store.promote(100, now_ms=DUE - 1) == Promoted(0, (), DUE, more=False)
    assert await states(store, [job_id]) == [State.SCHEDULED]


async def test_a_job_that_is_not_due_waits_on_beside_one_that_is(store: Store) -> None:
    [due] = await add(store, run_ms=DUE)
    [later] = await add(store, run_ms=DUE + 1)
    assert await store.promote(100, now_ms=DUE) == Promoted(1, (QUEUE,), DUE + 1, more=False)
    assert await states(store, [due, later]) == [State.PENDING, State.SCHEDULED]


async def test_scheduled_and_retrying_jobs_become_pending(store: Store) -> None:
    [retrying] = await start(store)
    await finish(store, [retrying], retry_at(DUE))
    [scheduled] = await add(store, run_ms=DUE)
    assert (await store.promote(100, now_ms=DUE)).count == 2
    assert await states(store, [retrying.id, scheduled]) == [State.PENDING] * 2


async def test_jobs_become_pending_in_the_order_of_their_times(store: Store) -> None:
    times = [5, 1, 9, 3, 7]
    jobs = [new_job(run_ms=NOW + second * SECOND) for second in times]
    await store.insert(jobs, now_ms=NOW)
    [pending] = await add(store)
    await store.promote(100, now_ms=NOW + 9 * SECOND)
    in_order = [job for _, job in sorted(zip(times, ids(jobs), strict=True))]
    assert await order_of_claims(store, now_ms=NOW + 9 * SECOND) == [pending, *in_order]


async def test_priorities_count_among_promoted_jobs(store: Store) -> None:
    [usual] = await add(store, run_ms=NOW + 1)
    [urgent] = await add(store, run_ms=NOW + 2, priority=0)
    await store.promote(100, now_ms=DUE)
    assert await order_of_claims(store, now_ms=DUE) == [urgent, usual]


async def test_at_most_the_limit_becomes_pending_the_earliest_first(store: Store) -> None:
    jobs = [new_job(run_ms=NOW + number) for number in range(10, 0, -1)]
    await store.insert(jobs, now_ms=NOW)
    first = await store.promote(4, now_ms=DUE)
    assert (first.count, first.more) == (4, True)
    assert await order_of_claims(store, now_ms=DUE) == ids(jobs[::-1])[:4]
    second = await store.promote(4, now_ms=DUE)
    assert (second.count, second.more) == (4, True)
    third = await store.promote(4, now_ms=DUE)
    assert third == Promoted(2, (QUEUE,), None, more=False)


async def test_the_limit_counts_over_all_queues(store: Store) -> None:
    for queue in ("a", "b", "c"):
        await add(store, 3, queue, run_ms=DUE)
    calls = [await store.promote(4, now_ms=DUE) for _ in range(3)]
    assert [(promoted.count, promoted.more) for promoted in calls] == [(4, True), (4, True), (1, False)]


async def test_it_names_the_queues_that_got_jobs(store: Store) -> None:
    await add(store, 2, "b", run_ms=DUE)
    await add(store, 2, "a", run_ms=DUE)
    await add(store, 2, "later", run_ms=DUE + SECOND)
    promoted = await store.promote(100, now_ms=DUE)
    assert sorted(promoted.queues) == ["a", "b"]
    assert promoted.next_due_ms == DUE + SECOND


async def test_the_next_time_is_that_of_the_earliest_job_that_waits(store: Store) -> None:
    await add(store, run_ms=NOW + 9 * SECOND)
    [soonest] = await add(store, queue="reports", run_ms=NOW + 3 * SECOND)
    await add(store, run_ms=NOW + 5 * SECOND)
    assert (await store.promote(100, now_ms=NOW)).next_due_ms == NOW + 3 * SECOND
    await edit(store, Cancel(where=only(soonest)))
    assert (await store.promote(100, now_ms=NOW)).next_due_ms == NOW + 5 * SECOND


async def test_the_counts_move_with_the_jobs(store: Store) -> None:
    await add(store, 3, run_ms=DUE)
    before = await count(store)
    assert (before.states[State.SCHEDULED], before.next_due_ms) == (3, DUE)
    await store.promote(2, now_ms=DUE)
    after = await count(store)
    assert (after.states[State.SCHEDULED], after.states[State.PENDING]) == (1, 2)


async def test_a_promote_that_is_repeated_finds_nothing_more(store: Store) -> None:
    await add(store, 3, run_ms=DUE)
    await store.promote(100, now_ms=DUE)
    assert await store.promote(100, now_ms=DUE) == Promoted(0, (), None, more=False)


async def test_records_and_sessions_that_are_over_stay_over_when_they_are_swept(store: Store) -> None:
    await store.extend([Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,), opens=True)], now_ms=NOW)
    await put(store, Put(kind="note", key="bound", value=b"1", session=SESSION))
    await put(store, Put(kind="note", key="short", value=b"2", ttl_ms=SECOND))
    await put(store, Put(kind="note", key="lasting", value=b"3"))
    late = NOW + LEASE_MS + 1
    await store.promote(100, now_ms=late)
    [records] = await store.get([RecordAsk("note")], now_ms=late)
    assert [record.key for record in records] == ["lasting"]


async def test_a_living_session_and_its_records_are_not_swept(store: Store) -> None:
    await store.extend([Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,), opens=True)], now_ms=NOW)
    await put(store, Put(kind="note", key="bound", value=b"1", session=SESSION))
    await store.promote(100, now_ms=NOW + LEASE_MS - 1)
    [records] = await store.get([RecordAsk("note")], now_ms=NOW + LEASE_MS - 1)
    assert [record.key for record in records] == ["bound"]
    [extended] = await store.extend(
        [Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,))], now_ms=NOW + LEASE_MS - 1
    )
    assert extended.held


async def test_a_thousand_due_jobs_become_pending_in_one_call(store: Store) -> None:
    await add(store, 1000, run_ms=DUE)
    promoted = await store.promote(2000, now_ms=DUE)
    assert (promoted.count, promoted.more) == (1000, False)
    assert (await count(store)).states[State.PENDING] == 1000
