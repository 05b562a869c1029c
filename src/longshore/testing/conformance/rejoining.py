"""This module tests jobs with edges that begin again, and those that come from another store."""

import msgspec
import pytest

from longshore.core.edges import ORPHAN_MS, Edges, Join, Missed, When
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.store.commands import Cancel, Delete, JobQuery, Order, Retry
from longshore.store.contract import Store
from longshore.store.replies import Inserted
from longshore.testing.conformance.adopt import complete_job
from longshore.testing.conformance.families import (
    ELSEWHERE,
    ENDS,
    after,
    begin,
    child,
    end,
    insert,
    open_parents,
    state_of,
)
from longshore.testing.conformance.jobs import (
    MINUTE,
    NOW,
    SECOND,
    foreign_job,
    new_job,
    new_jobs,
    only,
    settlement,
)
from longshore.testing.conformance.steps import edit, find, ids, look, order_of_claims, states

LATER = NOW + SECOND


def rejoin(*jobs: NewJob) -> Retry:
    """Lets these jobs wait for their parents once more."""
    return Retry(where=only(*ids(jobs)), rejoin=True)


@pytest.mark.parametrize("missed", Missed)
async def test_a_job_that_was_ended_by_a_parent_waits_for_it_once_more(store: Store, missed: Missed) -> None:
    parent = new_job()
    waiting = child(after(parent, missed=missed), delay_ms=60 * MINUTE)
    await insert(store, parent, waiting)
    await end(store, parent, state=State.FAILED)
    await edit(store, Retry(where=only(parent.id)))
    changed = await edit(store, rejoin(waiting), now_ms=LATER)
    assert changed.ids == (waiting.id,)
    job = await look(store, waiting.id)
    assert (job.state, job.waits_for, job.finished_ms) == (State.BLOCKED, (parent.id,), None)
    assert (job.run_ms, job.updated_ms) == (None, LATER)
    await end(store, parent)
    assert await state_of(store, waiting) is State.PENDING


async def test_jobs_of_one_edit_wait_for_one_another_whatever_their_order(store: Store) -> None:
    parent = new_job()
    first = child(parent)
    second = child(first)
    third = child(second, first)
    await insert(store, parent, first, second, third)
    await end(store, parent, state=State.FAILED)
    await edit(store, Retry(where=only(parent.id)))
    for order in (Order.OLDEST, Order.NEWEST):
        where = JobQuery(states=(State.CANCELLED,), order=order)
        assert len((await edit(store, Retry(where=where, rejoin=True))).ids) == 3
        assert await states(store, ids([first, second, third])) == [State.BLOCKED] * 3
        assert await open_parents(store, third) == ids([second, first])
        await edit(store, Cancel(where=only(first.id)))
        assert await states(store, ids([second, third])) == [State.CANCELLED] * 2


async def test_parents_that_are_over_tell_it_at_once(store: Store) -> None:
    good, bad, live = new_jobs(3)
    waiting, doomed = child(good, live), child(bad, live)
    await insert(store, good, bad, live, waiting, doomed)
    await end(store, good)
    await end(store, bad, state=State.FAILED)
    await edit(store, Cancel(where=only(waiting.id)))
    changed = await edit(store, rejoin(waiting, doomed), now_ms=LATER)
    assert sorted(changed.ids) == sorted(ids([waiting, doomed]))
    assert await open_parents(store, waiting) == [live.id]
    job = await look(store, doomed.id)
    assert (job.state, job.finished_ms) == (State.CANCELLED, LATER)
    await end(store, live)
    assert await state_of(store, waiting) is State.PENDING


async def test_parents_that_are_gone_are_looked_for_once_more(store: Store) -> None:
    parent = new_job()
    waiting = child(after(parent, When.FAILURE))
    await insert(store, parent, waiting)
    await end(store, parent)
    assert await state_of(store, waiting) is State.SKIPPED
    await edit(store, Delete(where=only(parent.id)))
    await edit(store, rejoin(waiting), now_ms=LATER)
    assert await open_parents(store, waiting) == [parent.id]
    assert (await store.promote(9, now_ms=LATER)).next_due_ms == LATER + ORPHAN_MS
    await store.promote(9, now_ms=LATER + ORPHAN_MS)
    assert await state_of(store, waiting) is State.SKIPPED


async def test_only_jobs_with_edges_that_came_to_nothing_rejoin(store: Store) -> None:
    parent, plain = new_jobs(2)
    done, failed, blocked = child(parent), child(parent), child(plain)
    await insert(store, parent, done, failed, blocked)
    await end(store, parent)
    await end(store, done)
    await end(store, failed, state=State.FAILED)
    await insert(store, plain)
    await end(store, plain, state=State.FAILED)
    changed = await edit(store, rejoin(parent, plain, done, failed, blocked))
    assert changed.ids == (failed.id,)
    assert await states(store, ids([plain, done, failed])) == [
        State.FAILED,
        State.COMPLETED,
        State.PENDING,
    ], "its parent has completed, so it is free at once"


async def test_a_job_that_rejoins_begins_a_new_life(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, parent, waiting)
    await end(store, parent)
    running = await begin(store, waiting)
    failed = settlement(running, ENDS[State.FAILED], result=b"1", error=b"2", error_text="Boom: no")
    await store.settle([failed], now_ms=NOW)
    await edit(store, rejoin(waiting))
    job = await look(store, waiting.id)
    assert (job.state, job.failures, job.crashes, job.result) == (State.PENDING, 0, 0, None)
    assert (job.fence, job.errors, job.error_text) == (1, (b"2",), "Boom: no")


async def test_a_plain_retry_does_not_ask_the_parents(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, parent, waiting)
    await edit(store, Cancel(where=only(waiting.id)))
    await edit(store, Retry(where=only(waiting.id)))
    job = await look(store, waiting.id)
    assert (job.state, job.waits_for, job.edges) == (State.PENDING, (), waiting.edges)
    await end(store, parent, state=State.FAILED)
    assert await order_of_claims(store) == [waiting.id]


async def test_skipped_and_blocked_jobs_are_not_retried_plainly(store: Store) -> None:
    parent = new_job()
    waiting, skipped = child(parent), child(after(parent, missed=Missed.SKIP))
    await insert(store, parent, waiting)
    assert (await edit(store, Retry(where=only(waiting.id)))).ids == ()
    await insert(store, skipped)
    await end(store, parent, state=State.FAILED)
    assert (await edit(store, Retry(where=only(skipped.id)))).ids == ()
    assert await states(store, ids([waiting, skipped])) == [State.CANCELLED, State.SKIPPED]


async def test_a_job_that_rejoins_in_another_queue_waits_for_its_parent_there(store: Store) -> None:
    parent = new_job(ELSEWHERE)
    waiting = child(parent)
    await insert(store, parent, waiting)
    await end(store, parent, state=State.CANCELLED)
    await edit(store, Retry(where=only(parent.id)))
    await edit(store, rejoin(waiting))
    assert await open_parents(store, waiting) == [parent.id]
    await end(store, parent)
    assert await state_of(store, waiting) is State.PENDING


# ------------------------------------------------------------------------------------------------ from another store


async def test_an_adopted_blocked_job_keeps_every_field(store: Store) -> None:
    parent = new_job()
    waits = {"edges": Edges((after(parent),)), "waits_for": (parent.id,)}
    job = msgspec.structs.replace(complete_job(State.BLOCKED), **waits)
    await store.adopt([job])
    assert await look(store, job.id) == job
    assert await store.adopt([job]) == [Inserted.DUPLICATE]
    assert await look(store, job.id) == job


async def test_an_adopted_blocked_job_waits_for_its_open_edges_only(store: Store) -> None:
    told, open_ = new_jobs(2)
    await insert(store, open_)
    edges = Edges((after(told), after(open_)))
    job = foreign_job(State.BLOCKED, edges=edges, waits_for=(open_.id,), run_ms=NOW + MINUTE)
    assert await store.adopt([job], now_ms=NOW) == [Inserted.CREATED]
    assert await find(store, only(job.id)) == [job]
    await end(store, open_)
    shown = await look(store, job.id)
    assert (shown.state, shown.run_ms) == (State.SCHEDULED, NOW + MINUTE)


async def test_an_adopted_blocked_job_may_come_with_its_parents(store: Store) -> None:
    live, over = foreign_job(), foreign_job(State.COMPLETED)
    edges = Edges(tuple(after(new_job(id=job.id)) for job in (over, live)))
    job = foreign_job(State.BLOCKED, edges=edges, waits_for=(over.id, live.id))
    await store.adopt([job, over, live], now_ms=NOW)
    assert (await look(store, job.id)).waits_for == (live.id,)
    await end(store, new_job(id=live.id))
    assert await states(store, [job.id]) == [State.PENDING]


async def test_an_adopted_job_looks_again_for_parents_that_are_not_there(store: Store) -> None:
    edges = Edges((after(new_job()),))
    job = foreign_job(State.BLOCKED, edges=edges, waits_for=(edges.parents[0].parent,))
    await store.adopt([job], now_ms=NOW)
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + ORPHAN_MS
    await store.promote(9, now_ms=NOW + ORPHAN_MS)
    assert await states(store, [job.id]) == [State.CANCELLED]


async def test_an_adopted_job_with_nothing_to_wait_for_is_free(store: Store) -> None:
    edges = Edges((after(new_job()),))
    jobs = [foreign_job(State.BLOCKED, edges=edges), foreign_job(State.BLOCKED)]
    await store.adopt(jobs, now_ms=NOW)
    assert await order_of_claims(store) == ids(jobs)


@pytest.mark.parametrize("missed", Missed)
async def test_of_an_adopted_job_for_which_one_is_enough_the_others_are_missed(
    store: Store, missed: Missed
) -> None:
    told, open_ = new_jobs(2)
    await insert(store, open_)
    edges = Edges((after(told, missed=missed), after(open_, When.FAILURE)), Join.ANY)
    job = foreign_job(State.BLOCKED, edges=edges, waits_for=(open_.id,))
    await store.adopt([job], now_ms=NOW)
    assert (await look(store, job.id)).state is State.BLOCKED
    await end(store, open_)
    expected = State.CANCELLED if missed is Missed.CANCEL else State.SKIPPED
    assert await states(store, [job.id]) == [expected]


@pytest.mark.parametrize("state", [State.PENDING, State.SCHEDULED, State.SKIPPED])
async def test_an_adopted_job_that_is_not_blocked_keeps_its_edges_and_waits_for_nobody(
    store: Store, state: State
) -> None:
    edges = Edges((after(new_job()),))
    job = foreign_job(state, edges=edges)
    await store.adopt([job], now_ms=NOW)
    shown = await look(store, job.id)
    assert (shown.state, shown.edges, shown.waits_for) == (state, edges, ())
    if state is State.SKIPPED:
        await edit(store, Retry(where=only(job.id), rejoin=True))
        assert (await look(store, job.id)).waits_for == (edges.parents[0].parent,)


async def test_children_in_another_store_may_be_adopted_before_they_are_told(store: Store) -> None:
    parent = foreign_job(State.FAILED)
    edges = Edges((after(new_job(id=parent.id)),))
    job = foreign_job(State.BLOCKED, edges=edges, waits_for=(parent.id,))
    await store.adopt([parent, job], now_ms=NOW)
    assert await states(store, [job.id]) == [State.CANCELLED]
