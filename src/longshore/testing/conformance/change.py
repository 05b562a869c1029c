"""This module tests `change` where it cancels, retries and deletes; see `updates` and `notes` for the rest."""

import pytest

from longshore.core.ids import new_id
from longshore.core.states import State
from longshore.core.verdict import BURIED, CANCELLED, COMPLETED, crashed, released, retry_after
from longshore.store.commands import Cancel, Delete, Edit, JobQuery, Lease, Order, Retry
from longshore.store.contract import Store
from longshore.store.replies import Changed
from longshore.testing.conformance.every_state import one_in_every_state
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, SESSION, new_job, only, settlement
from longshore.testing.conformance.steps import (
    LEASE_MS,
    add,
    claim,
    count,
    edit,
    find,
    finish,
    ids,
    look,
    order_of_claims,
    sign_on,
    start,
    states,
)

LATER = NOW + SECOND


async def test_an_empty_list_is_answered_by_an_empty_list(store: Store) -> None:
    assert await store.change([], now_ms=NOW) == []


async def test_jobs_that_wait_become_cancelled(store: Store) -> None:
    by_state = await one_in_every_state(store)
    waiting = {by_state[State.PENDING], by_state[State.SCHEDULED], by_state[State.RETRYING]}
    changed = await edit(store, Cancel(where=only(*by_state.values())), now_ms=LATER)
    assert set(changed.ids) == waiting
    for job_id in waiting:
        job = await look(store, job_id)
        assert (job.state, job.finished_ms, job.run_ms, job.updated_ms) == (
            State.CANCELLED,
            LATER,
            None,
            LATER,
        )


async def test_a_running_job_is_asked_to_stop_and_runs_on(store: Store) -> None:
    [job] = await start(store)
    assert await edit(store, Cancel(where=only(job.id))) == Changed((), asked=(job.id,))
    asked = await look(store, job.id)
    assert (asked.state, asked.cancel_requested, asked.fence) == (State.RUNNING, True, job.fence)


async def test_jobs_that_are_over_are_not_cancelled(store: Store) -> None:
    by_state = await one_in_every_state(store)
    over = [by_state[State.COMPLETED], by_state[State.FAILED], by_state[State.CANCELLED]]
    before = [await look(store, job_id) for job_id in over]
    assert await edit(store, Cancel(where=only(*over)), now_ms=LATER) == Changed(())
    assert [await look(store, job_id) for job_id in over] == before


async def test_a_cancelled_job_cannot_be_claimed(store: Store) -> None:
    first, second = await add(store, 2)
    await edit(store, Cancel(where=only(first)))
    assert await order_of_claims(store) == [second]


async def test_the_wish_to_cancel_is_told_by_extend_until_the_job_is_settled(store: Store) -> None:
    jobs = await start(store, 2)
    await start(store, 1, "reports", session="other")
    await edit(store, Cancel(where=only(*ids(jobs))))
    mine = Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,))
    others = Lease(session="other", lease_ms=LEASE_MS, queues=("reports",))
    for _ in range(2):
        told, not_told = await store.extend([mine, others], now_ms=NOW)
        assert (set(told.cancel), not_told.cancel) == (set(ids(jobs)), ())
    await finish(store, jobs[:1], CANCELLED)
    [told] = await store.extend([mine], now_ms=NOW)
    assert told.cancel == (jobs[1].id,)


@pytest.mark.parametrize("verdict", [BURIED, CANCELLED, retry_after(SECOND), released(SECOND)], ids=repr)
async def test_a_retriable_job_becomes_pending_at_the_tail(store: Store, verdict: object) -> None:
    [job] = await start(store)
    [waiting] = await add(store)
    await finish(store, [job], verdict)  # type: ignore[arg-type]  # pytest's parameters are objects
    assert await edit(store, Retry(where=only(job.id)), now_ms=LATER) == Changed((job.id,))
    again = await look(store, job.id)
    assert (again.state, again.run_ms, again.finished_ms, again.updated_ms) == (
        State.PENDING,
        None,
        None,
        LATER,
    )
    assert await order_of_claims(store) == [waiting, job.id]


async def test_other_jobs_are_not_retried(store: Store) -> None:
    by_state = await one_in_every_state(store)
    others = [by_state[State.PENDING], by_state[State.RUNNING], by_state[State.COMPLETED]]
    before = [await look(store, job_id) for job_id in others]
    assert await edit(store, Retry(where=only(*others)), now_ms=LATER) == Changed(())
    assert [await look(store, job_id) for job_id in others] == before


@pytest.mark.parametrize("end", [BURIED, CANCELLED], ids=repr)
async def test_a_new_life_forgets_failures_and_crashes_and_the_result(store: Store, end: object) -> None:
    [job] = await start(store)
    for verdict in (retry_after(0), crashed(0), released(0)):
        await store.settle([settlement(job, verdict, error=b"e")], now_ms=NOW)
        await store.promote(10, now_ms=NOW)
        [job] = await claim(store)
    await store.settle([settlement(job, end, result=b"1", error=b"last")], now_ms=NOW)  # type: ignore[arg-type]
    await edit(store, Retry(where=only(job.id)))
    new = await look(store, job.id)
    assert (new.failures, new.crashes, new.result) == (0, 0, None)
    assert (new.fence, new.releases, new.errors) == (4, 1, (b"e", b"e", b"e", b"last"))


async def test_a_retrying_job_that_is_retried_keeps_its_failures(store: Store) -> None:
    [job] = await start(store)
    await finish(store, [job], retry_after(SECOND))
    await edit(store, Retry(where=only(job.id)))
    assert (await look(store, job.id)).failures == 1


async def test_a_new_life_begins_without_the_wish_to_cancel(store: Store) -> None:
    [job] = await start(store)
    await edit(store, Cancel(where=only(job.id)))
    await finish(store, [job], CANCELLED)
    await edit(store, Retry(where=only(job.id)))
    assert not (await look(store, job.id)).cancel_requested


async def test_all_but_running_jobs_can_be_deleted(store: Store) -> None:
    by_state = await one_in_every_state(store)
    running = by_state.pop(State.RUNNING)
    changed = await edit(store, Delete(where=only(running, *by_state.values())))
    assert set(changed.ids) == set(by_state.values())
    assert changed.asked == ()
    assert ids(await find(store, JobQuery())) == [running]
    assert sum((await count(store)).states.values()) == 1


async def test_a_deleted_job_is_forgotten_with_its_errors_and_logs(store: Store) -> None:
    [job] = await start(store)
    await store.settle([settlement(job, BURIED, error=b"e", error_text="E")], now_ms=NOW)
    await edit(store, Delete(where=only(job.id)))
    assert await store.insert([new_job(id=job.id)], now_ms=NOW) == ["created"]
    fresh = await look(store, job.id)
    assert (fresh.errors, fresh.logs, fresh.error_text, fresh.fence) == ((), (), None, 0)


async def test_a_deleted_job_is_not_claimed_or_promoted(store: Store) -> None:
    jobs = await add(store) + await add(store, delay_ms=SECOND)
    await edit(store, Delete(where=only(*jobs)))
    assert (await store.promote(10, now_ms=LATER)).count == 0
    assert await order_of_claims(store, now_ms=LATER) == []


@pytest.mark.parametrize("kind", [Cancel, Retry, Delete])
async def test_jobs_that_are_not_there_are_passed_over(store: Store, kind: type[Edit]) -> None:
    [job] = await start(store)
    await finish(store, [job], retry_after(SECOND))
    changed = await edit(store, kind(where=only(new_id(), job.id, new_id())))  # type: ignore[call-arg]
    assert changed == Changed((job.id,))


@pytest.mark.parametrize("kind", [Cancel, Retry, Delete])
async def test_an_edit_that_is_repeated_changes_nothing_more(store: Store, kind: type[Edit]) -> None:
    jobs = await start(store, 3)
    await finish(store, jobs, retry_after(SECOND))
    again = kind(where=only(*ids(jobs)))  # type: ignore[call-arg]
    assert set((await edit(store, again)).ids) == set(ids(jobs))
    before = await find(store, JobQuery(full=True))
    assert await edit(store, again, now_ms=LATER) == Changed(())
    assert await find(store, JobQuery(full=True)) == before


async def test_an_edit_by_query_changes_what_the_query_finds(store: Store) -> None:
    red, blue = new_job(tags=("red",)), new_job(tags=("blue",))
    elsewhere = new_job("reports", tags=("red",))
    await store.insert([red, blue, elsewhere], now_ms=NOW)
    where = JobQuery(queues=(QUEUE,), tags=("red",))
    assert await edit(store, Cancel(where=where)) == Changed((red.id,))
    assert await states(store, ids([blue, elsewhere])) == [State.PENDING, State.PENDING]


async def test_an_edit_touches_at_most_its_limit_and_says_whether_more_are_left(store: Store) -> None:
    jobs = await add(store, 7)
    cancel = Cancel(where=JobQuery(states=(State.PENDING,), limit=3))
    first = await edit(store, cancel)
    assert (len(first.ids), first.more) == (3, True)
    second = await edit(store, cancel)
    assert (len(second.ids), second.more) == (3, True)
    third = await edit(store, cancel)
    assert (len(third.ids), third.more) == (1, False)
    assert {*first.ids, *second.ids, *third.ids} == set(jobs)


async def test_repeating_a_cancel_while_there_is_more_reaches_every_job_once(store: Store) -> None:
    running = await start(store, 5)
    over = await claim(store, 3) + await start(store, 3)
    await finish(store, over, COMPLETED)
    waiting = await add(store, 5)
    reached: list[bytes] = []
    for _ in range(10):
        changed = await edit(store, Cancel(where=JobQuery(queues=(QUEUE,), limit=2)))
        assert len(changed.ids) + len(changed.asked) <= 2
        reached += [*changed.ids, *changed.asked]
        if not changed.more:
            break
    assert sorted(reached) == sorted([*ids(running), *waiting])


async def test_an_edit_takes_the_jobs_in_the_order_of_its_query(store: Store) -> None:
    jobs = await add(store, 5)
    newest = await edit(store, Cancel(where=JobQuery(limit=2)))
    assert set(newest.ids) == set(jobs[3:])


@pytest.mark.parametrize("order", [Order.OLDEST, Order.NEWEST])
async def test_jobs_retried_by_their_ids_go_to_the_tail_in_the_order_of_the_query(
    store: Store, order: Order
) -> None:
    jobs = await add(store, 4, delay_ms=SECOND)
    mixed = (jobs[2], jobs[0], jobs[3], jobs[1])
    await edit(store, Retry(where=JobQuery(ids=mixed, order=order)))
    assert await order_of_claims(store) == (jobs if order is Order.OLDEST else jobs[::-1])


async def test_spare_leaves_the_first_of_the_order_out(store: Store) -> None:
    jobs = await add(store, 6)
    changed = await edit(store, Delete(where=JobQuery(states=(State.PENDING,), spare=4)))
    assert (set(changed.ids), changed.more) == (set(jobs[:2]), False)


async def test_edits_are_done_one_after_the_other_and_answered_in_their_order(store: Store) -> None:
    first, second = await add(store, 2)
    replies = await store.change(
        [
            Cancel(where=only(first)),
            Retry(where=only(first)),
            Delete(where=only(new_id())),
            Cancel(where=only(second, first)),
            Delete(where=only(second)),
        ],
        now_ms=NOW,
    )
    assert [set(reply.ids) for reply in replies] == [{first}, {first}, set(), {first, second}, {second}]
    assert await states(store, [first, second]) == [State.CANCELLED, None]


async def test_a_thousand_jobs_are_cancelled_in_one_edit(store: Store) -> None:
    jobs = await add(store, 1000)
    changed = await edit(store, Cancel(where=only(*jobs, limit=1000)))
    assert (set(changed.ids), changed.more) == (set(jobs), False)
    await sign_on(store, SESSION)
    assert await order_of_claims(store) == []
