"""This module tests edges: which end of a parent meets which, and what becomes of a job when one is missed."""

import pytest

from longshore.core.edges import Edge, Join, Missed, When, becomes, is_met
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, RELEASED, crashed, retry_after
from longshore.store.commands import Cancel, Delete, Lease, Retry
from longshore.store.contract import Store
from longshore.store.replies import Inserted, Settled
from longshore.testing.conformance.families import (
    ENDS,
    after,
    begin,
    child,
    end,
    insert,
    open_parents,
    state_of,
)
from longshore.testing.conformance.jobs import NOW, SECOND, SESSION, new_job, new_jobs, only, settlement
from longshore.testing.conformance.steps import (
    LEASE_MS,
    claim,
    count,
    edit,
    find,
    ids,
    look,
    order_of_claims,
    states,
)

ANY = Join.ANY
LATER = NOW + SECOND
WAYS = [(on, missed, ended) for on in When for missed in Missed for ended in ENDS]


def becomes_of(edge: Edge, ended: State) -> State:
    """The state of a job whose only edge this is, when the parent has ended so."""
    return State.PENDING if is_met(edge.on, ended) else becomes(edge, ended)


async def test_a_job_with_edges_is_blocked_and_not_claimed(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    assert list(await store.insert([parent, waiting], now_ms=NOW)) == [Inserted.CREATED] * 2
    assert await order_of_claims(store) == [parent.id]
    job = await look(store, waiting.id)
    assert (job.state, job.edges, job.waits_for) == (State.BLOCKED, waiting.edges, (parent.id,))
    counts = await count(store, minutes=1)
    assert counts.states[State.BLOCKED] == 1
    assert counts.minutes[0].added == 2


@pytest.mark.parametrize(
    ("on", "missed", "ended"), WAYS, ids=lambda value: getattr(value, "name", str(value))
)
async def test_a_settled_parent_meets_the_edge_or_misses_it(
    store: Store, on: When, missed: Missed, ended: State
) -> None:
    parent = new_job()
    waiting = child(after(parent, on, missed))
    await insert(store, parent, waiting)
    await end(store, parent, state=ended, now_ms=LATER)
    job = await look(store, waiting.id)
    expected = becomes_of(after(parent, on, missed), ended)
    assert (job.state, job.waits_for, job.updated_ms) == (expected, (), LATER)
    assert job.edges == waiting.edges
    assert job.finished_ms == (None if expected is State.PENDING else LATER)


@pytest.mark.parametrize("on", When)
@pytest.mark.parametrize("missed", Missed)
async def test_a_parent_that_is_cancelled_while_it_waits_counts_so(
    store: Store, on: When, missed: Missed
) -> None:
    parent = new_job()
    waiting = child(after(parent, on, missed))
    await insert(store, parent, waiting)
    changed = await edit(store, Cancel(where=only(parent.id)))
    assert changed.ids == (parent.id,)
    assert await state_of(store, waiting) is becomes_of(after(parent, on, missed), State.CANCELLED)


@pytest.mark.parametrize("on", When)
@pytest.mark.parametrize("missed", Missed)
async def test_a_parent_that_is_deleted_while_it_waits_counts_as_cancelled(
    store: Store, on: When, missed: Missed
) -> None:
    parent = new_job()
    waiting = child(after(parent, on, missed))
    await insert(store, parent, waiting)
    changed = await edit(store, Delete(where=only(parent.id)))
    assert changed.ids == (parent.id,)
    assert await state_of(store, waiting) is becomes_of(after(parent, on, missed), State.CANCELLED)


async def test_a_scheduled_parent_that_is_cancelled_tells_it_too(store: Store) -> None:
    parent = new_job(delay_ms=SECOND)
    waiting = child(after(parent, When.ALWAYS))
    await insert(store, parent, waiting)
    await edit(store, Cancel(where=only(parent.id)))
    assert await state_of(store, waiting) is State.PENDING


async def test_a_parent_that_is_over_and_deleted_tells_nothing_more(store: Store) -> None:
    first, second = new_jobs(2)
    waiting = child(first, second)
    await insert(store, first, second, waiting)
    await end(store, first)
    await edit(store, Delete(where=only(first.id)))
    assert await open_parents(store, waiting) == [second.id]
    await end(store, second)
    assert await state_of(store, waiting) is State.PENDING


async def test_a_parent_that_is_not_kept_tells_its_end(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, parent, waiting)
    await end(store, parent, keep=False)
    assert await states(store, [parent.id, waiting.id]) == [None, State.PENDING]


# ------------------------------------------------------------------------------------------------------- all and any


async def test_all_edges_must_be_met(store: Store) -> None:
    parents = new_jobs(3)
    waiting = child(*parents)
    await insert(store, *parents, waiting)
    await end(store, parents[1], now_ms=LATER)
    job = await look(store, waiting.id)
    assert job.waits_for == (parents[0].id, parents[2].id)
    assert job.updated_ms == NOW, "one that only learns is not updated"
    await end(store, parents[0])
    assert await state_of(store, waiting) is State.BLOCKED
    await end(store, parents[2])
    assert await state_of(store, waiting) is State.PENDING


async def test_of_all_the_first_that_is_missed_ends_the_job(store: Store) -> None:
    parents = new_jobs(3)
    waiting = child(parents[0], after(parents[1], missed=Missed.SKIP), parents[2])
    await insert(store, *parents, waiting)
    await end(store, parents[0])
    await end(store, parents[1], state=State.FAILED, now_ms=LATER)
    job = await look(store, waiting.id)
    assert (job.state, job.finished_ms, job.waits_for) == (State.SKIPPED, LATER, ())
    await end(store, parents[2], state=State.FAILED)
    assert await look(store, waiting.id) == job


async def test_of_any_the_first_that_is_met_frees_the_job(store: Store) -> None:
    parents = new_jobs(3)
    waiting = child(*parents, join=ANY)
    await insert(store, *parents, waiting)
    await end(store, parents[0], state=State.FAILED)
    assert await open_parents(store, waiting) == [parents[1].id, parents[2].id]
    await end(store, parents[1])
    job = await look(store, waiting.id)
    assert (job.state, job.waits_for) == (State.PENDING, ())
    await end(store, parents[2], state=State.FAILED)
    assert await state_of(store, waiting) is State.PENDING


@pytest.mark.parametrize("first", [State.FAILED, State.SKIPPED])
async def test_any_is_ended_when_all_are_missed_and_cancelled_if_one_would_cancel(
    store: Store, first: State
) -> None:
    parents = new_jobs(2)
    waiting = child(parents[0], after(parents[1], missed=Missed.SKIP), join=ANY)
    await insert(store, *parents, waiting)
    await end(store, parents[0], state=first)
    assert await state_of(store, waiting) is State.BLOCKED
    await end(store, parents[1], state=State.FAILED)
    would_cancel = first is State.FAILED
    assert await state_of(store, waiting) is (State.CANCELLED if would_cancel else State.SKIPPED)


async def test_any_of_many_that_end_at_once_frees_it_once(store: Store) -> None:
    parents = new_jobs(3)
    waiting = child(*parents, join=ANY)
    await insert(store, *parents, waiting)
    await end(store, *parents)
    assert await order_of_claims(store) == [waiting.id]


async def test_edges_to_one_job_may_differ_in_what_they_ask(store: Store) -> None:
    parent = new_job()
    good, bad, both, over = (child(after(parent, on)) for on in When)
    await insert(store, parent, good, bad, both, over)
    await end(store, parent, state=State.FAILED)
    told = await states(store, ids([good, bad, both, over]))
    assert told == [State.CANCELLED, State.PENDING, State.PENDING, State.PENDING]


# --------------------------------------------------------------------------------------------------- what is no end


async def test_a_parent_that_is_retried_released_or_crashed_frees_nobody(store: Store) -> None:
    parent = new_job()
    waiting = child(after(parent, When.ALWAYS))
    await insert(store, parent, waiting)
    for verdict in (RELEASED, crashed(0), retry_after(SECOND)):
        await store.settle([settlement(await begin(store, parent), verdict)], now_ms=NOW)
        assert await open_parents(store, waiting) == [parent.id]


async def test_a_parent_that_was_rescued_frees_nobody_until_it_ends(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, parent, waiting)
    running = await begin(store, parent)
    late = NOW + LEASE_MS
    told = await store.settle([settlement(running, crashed(0), if_lost=True)], now_ms=late)
    assert told == [Settled.APPLIED]
    assert await states(store, ids([parent, waiting])) == [State.PENDING, State.BLOCKED]
    await store.extend([Lease(session=SESSION, lease_ms=LEASE_MS, opens=True)], now_ms=late)
    assert await store.settle([settlement(running)], now_ms=late) == [Settled.STALE]
    assert await open_parents(store, waiting) == [parent.id]
    await end(store, parent, now_ms=late)
    assert await state_of(store, waiting) is State.PENDING


async def test_a_stale_settle_tells_nobody(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, parent, waiting)
    running = await begin(store, parent)
    stale = [settlement(running, fence=running.fence + 1), settlement(running, session="another")]
    assert await store.settle(stale, now_ms=NOW) == [Settled.STALE] * 2
    assert await open_parents(store, waiting) == [parent.id]


async def test_a_settle_that_is_repeated_tells_nobody_twice(store: Store) -> None:
    first, second = new_jobs(2)
    waiting, other = child(first, second), child(first)
    await insert(store, first, second, waiting, other)
    running = await begin(store, first)
    for _ in range(2):
        assert await store.settle([settlement(running)], now_ms=NOW) == [Settled.APPLIED]
        assert await open_parents(store, waiting) == [second.id]
    counts = (await count(store)).states
    assert (counts[State.BLOCKED], counts[State.PENDING]) == (1, 2)
    assert sorted(await order_of_claims(store)) == sorted([second.id, other.id])
    assert await store.settle([settlement(running)], now_ms=NOW) == [Settled.APPLIED]
    assert await state_of(store, other) is State.RUNNING


async def test_an_insert_that_is_repeated_blocks_nobody_again(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, parent, waiting)
    assert list(await store.insert([parent, waiting], now_ms=NOW)) == [Inserted.DUPLICATE] * 2
    await end(store, parent)
    assert list(await store.insert([parent, waiting], now_ms=NOW)) == [Inserted.DUPLICATE] * 2
    assert await order_of_claims(store) == [waiting.id]


async def test_a_cancel_that_is_asked_of_a_running_parent_tells_nobody_yet(store: Store) -> None:
    parent = new_job()
    waiting = child(after(parent, When.ALWAYS))
    await insert(store, parent, waiting)
    running = await begin(store, parent)
    assert (await edit(store, Cancel(where=only(parent.id)))).asked == (parent.id,)
    assert await open_parents(store, waiting) == [parent.id]
    await store.settle([settlement(running, ENDS[State.CANCELLED])], now_ms=NOW)
    assert await state_of(store, waiting) is State.PENDING


async def test_a_parent_that_gets_a_new_life_changes_nothing_for_those_it_has_told(store: Store) -> None:
    parent = new_job()
    waiting = child(after(parent, When.FAILURE))
    await insert(store, parent, waiting)
    await end(store, parent, state=State.FAILED)
    await edit(store, Retry(where=only(parent.id)))
    newcomer = child(parent)
    await insert(store, newcomer)
    assert await states(store, ids([waiting, newcomer])) == [State.PENDING, State.BLOCKED]
    await end(store, parent)
    assert await states(store, ids([waiting, newcomer])) == [State.PENDING, State.PENDING]


# --------------------------------------------------------------------------------------------------------- the shown


async def test_a_claim_that_ends_as_skipped_is_over(store: Store) -> None:
    job = new_job()
    await insert(store, job)
    await end(store, job, state=State.SKIPPED, now_ms=LATER)
    shown = await look(store, job.id)
    assert (shown.state, shown.finished_ms) == (State.SKIPPED, LATER)
    assert (await count(store)).states[State.SKIPPED] == 1
    assert await claim(store) == []


async def test_edges_are_shown_as_they_were_given_as_long_as_the_job_is_there(store: Store) -> None:
    parents = [new_job(), new_job("video"), new_job()]
    given = [after(parents[0], When.ALWAYS), after(parents[1], When.FAILURE, Missed.SKIP), after(parents[2])]
    waiting, plain = child(*given, join=ANY), new_job()
    await insert(store, *parents, waiting, plain)
    assert waiting.edges is not None
    assert (await look(store, waiting.id)).edges == waiting.edges
    await end(store, parents[0])
    running = await begin(store, waiting)
    assert (running.edges, running.waits_for) == (None, ()), "a claim does not tell them"
    await store.settle([settlement(running, COMPLETED)], now_ms=NOW)
    assert (await look(store, waiting.id)).edges == waiting.edges
    found = await find(store, only(plain.id))
    assert [(job.edges, job.waits_for) for job in found] == [(None, ())]
