"""This module tests how a job that comes looks at its parents: there or not, over or not, in its own queue or not."""

import pytest

from longshore.core.edges import ORPHAN_MS, Join, Missed, When
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.store.commands import Cancel, Delete
from longshore.store.contract import Store
from longshore.store.replies import Inserted, Wake, WakeKind
from longshore.testing.conformance.edges import becomes_of
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
from longshore.testing.conformance.handles import StoreUnderTest
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, new_job, new_jobs, only, settlement
from longshore.testing.conformance.steps import claim, edit, ids, look, order_of_claims, states
from longshore.testing.conformance.wakeups import heard_until, listening

LOOK = NOW + ORPHAN_MS
"""When those that came at `NOW` look once more."""


async def test_a_parent_may_stand_before_or_behind_its_child_in_the_list(store: Store) -> None:
    before, behind = new_jobs(2)
    waiting = child(before, behind)
    await insert(store, before, waiting, behind)
    assert await open_parents(store, waiting) == ids([before, behind])
    await end(store, behind)
    assert await open_parents(store, waiting) == [before.id]
    await end(store, before)
    assert await state_of(store, waiting) is State.PENDING


async def test_a_parent_may_be_there_already(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, parent)
    running = await begin(store, parent)
    await insert(store, waiting)
    assert await open_parents(store, waiting) == [parent.id]
    await store.settle([settlement(running)], now_ms=NOW)
    assert await state_of(store, waiting) is State.PENDING


@pytest.mark.parametrize("on", When)
@pytest.mark.parametrize("missed", Missed)
@pytest.mark.parametrize("ended", ENDS)
async def test_a_parent_that_is_over_tells_it_at_once(
    store: Store, on: When, missed: Missed, ended: State
) -> None:
    parent = new_job()
    await insert(store, parent)
    await end(store, parent, state=ended)
    waiting = child(after(parent, on, missed))
    assert list(await store.insert([waiting], now_ms=NOW)) == [Inserted.CREATED]
    job = await look(store, waiting.id)
    assert (job.state, job.waits_for) == (becomes_of(after(parent, on, missed), ended), ())


async def test_of_parents_that_are_over_those_that_are_not_count(store: Store) -> None:
    over, live, other = new_jobs(3)
    await insert(store, over, live, other)
    await end(store, over)
    both, either = child(over, live), child(live, over, other, join=Join.ANY)
    await insert(store, both, either)
    assert await states(store, ids([both, either])) == [State.BLOCKED, State.PENDING]
    assert await open_parents(store, both) == [live.id]
    await end(store, live)
    assert await order_of_claims(store) == ids([other, either, both])


async def test_jobs_that_are_ended_as_they_come_end_those_that_came_with_them(store: Store) -> None:
    parent = new_job()
    await insert(store, parent)
    await end(store, parent, state=State.FAILED)
    first = child(parent)
    behind, before = child(first), child(after(first, When.ALWAYS))
    await insert(store, before, first, behind)
    assert await states(store, ids([first, behind, before])) == [
        State.CANCELLED,
        State.CANCELLED,
        State.PENDING,
    ]


async def test_new_jobs_come_before_those_that_are_freed_as_they_come(store: Store) -> None:
    parent = new_job()
    await insert(store, parent)
    await end(store, parent)
    first, second, plain = child(parent), child(parent), new_job()
    await insert(store, first, plain, second)
    assert await order_of_claims(store) == ids([plain, first, second])


async def test_a_follower_may_wait_for_others(store: Store) -> None:
    parent, other = new_jobs(2)
    await insert(store, parent, other)
    follower = child(after(parent), after(other))
    await store.settle([settlement(await begin(store, parent), follow=(follower,))], now_ms=NOW)
    assert await open_parents(store, follower) == [other.id]
    await end(store, other)
    assert await state_of(store, follower) is State.PENDING


async def test_followers_may_wait_for_one_another(store: Store) -> None:
    parent = new_job()
    await insert(store, parent)
    first = new_job()
    second = child(first)
    await store.settle([settlement(await begin(store, parent), follow=(second, first))], now_ms=NOW)
    assert await states(store, ids([first, second])) == [State.PENDING, State.BLOCKED]
    await end(store, first)
    assert await state_of(store, second) is State.PENDING


# ------------------------------------------------------------------------------------------------------ other queues


@pytest.mark.parametrize("ended", ENDS)
async def test_a_parent_in_another_queue_tells_its_end(store: Store, ended: State) -> None:
    parent = new_job(ELSEWHERE)
    waiting = child(parent)
    await insert(store, waiting, parent)
    assert await open_parents(store, waiting) == [parent.id]
    await end(store, parent, state=ended)
    assert await state_of(store, waiting) is becomes_of(after(parent), ended)


async def test_a_parent_in_another_queue_may_come_first_or_be_over(store: Store) -> None:
    first, second = new_jobs(2, ELSEWHERE)
    await insert(store, first, second)
    await end(store, first)
    waiting = child(first, second)
    await insert(store, waiting)
    assert await open_parents(store, waiting) == [second.id]
    await end(store, second)
    assert await state_of(store, waiting) is State.PENDING


@pytest.mark.parametrize("kind", [Cancel, Delete])
async def test_a_parent_in_another_queue_may_be_cancelled_or_deleted(
    store: Store, kind: type[Cancel] | type[Delete]
) -> None:
    parent = new_job(ELSEWHERE)
    waiting, cleanup = child(parent), child(after(parent, When.ALWAYS))
    await insert(store, parent, waiting, cleanup)
    await edit(store, kind(where=only(parent.id)))
    assert await states(store, ids([waiting, cleanup])) == [State.CANCELLED, State.PENDING]


async def test_a_join_over_queues_waits_for_all_of_them(store: Store) -> None:
    parents = [new_job(queue) for queue in ("a", "b", QUEUE, "c")]
    join = child(*parents)
    await insert(store, *parents, join)
    for parent in parents:
        assert await state_of(store, join) is State.BLOCKED
        running = await _begin_in(store, parent.queue)
        await store.settle([settlement(running)], now_ms=NOW)
    assert await state_of(store, join) is State.PENDING


async def test_a_cascade_goes_to_another_queue_and_back(store: Store) -> None:
    parent = new_job()
    there = child(parent, queue=ELSEWHERE)
    back = child(there)
    cleanup = child(after(back, When.ALWAYS), queue=ELSEWHERE)
    await insert(store, parent, there, back, cleanup)
    await end(store, parent, state=State.FAILED)
    assert await states(store, ids([there, back, cleanup])) == [
        State.CANCELLED,
        State.CANCELLED,
        State.PENDING,
    ]


async def _begin_in(store: Store, queue: str) -> JobRecord:
    [running] = await claim(store, 1, queue)
    return running


# ------------------------------------------------------------------------------------------ parents that are not there


async def test_a_job_waits_for_a_parent_that_is_not_there_for_its_time(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, waiting)
    assert await open_parents(store, waiting) == [parent.id]
    promoted = await store.promote(100, now_ms=LOOK - 1)
    assert (promoted.count, promoted.next_due_ms, promoted.more) == (0, LOOK, False)
    assert await state_of(store, waiting) is State.BLOCKED
    promoted = await store.promote(100, now_ms=LOOK)
    assert (promoted.count, promoted.next_due_ms, promoted.more) == (0, None, False)
    job = await look(store, waiting.id)
    assert (job.state, job.finished_ms) == (State.CANCELLED, LOOK)


@pytest.mark.parametrize("on", When)
@pytest.mark.parametrize("missed", Missed)
async def test_a_parent_that_never_comes_counts_as_cancelled(store: Store, on: When, missed: Missed) -> None:
    parent = new_job()
    waiting = child(after(parent, on, missed))
    await insert(store, waiting)
    promoted = await store.promote(100, now_ms=LOOK)
    expected = becomes_of(after(parent, on, missed), State.CANCELLED)
    assert await state_of(store, waiting) is expected
    assert promoted.queues == ((QUEUE,) if expected is State.PENDING else ())


@pytest.mark.parametrize("ended", ENDS)
async def test_a_parent_that_came_late_and_is_over_tells_it_when_it_looks_again(
    store: Store, ended: State
) -> None:
    parent = new_job()
    waiting = child(parent)
    await insert(store, waiting)
    await insert(store, parent, now_ms=NOW + SECOND)
    await end(store, parent, state=ended, now_ms=NOW + SECOND)
    assert await open_parents(store, waiting) == [parent.id]
    await store.promote(100, now_ms=LOOK)
    assert await state_of(store, waiting) is becomes_of(after(parent), ended)


async def test_a_parent_that_came_late_and_is_not_over_is_waited_for(store: Store) -> None:
    parent = new_job()
    waiting, early = child(parent), new_job()
    await insert(store, waiting)
    await insert(store, parent, now_ms=NOW + SECOND)
    promoted = await store.promote(100, now_ms=LOOK)
    assert (promoted.next_due_ms, promoted.queues) == (None, ())
    assert await open_parents(store, waiting) == [parent.id]
    second = child(parent)
    await insert(store, second, early, now_ms=LOOK)
    await end(store, parent, now_ms=LOOK)
    assert await order_of_claims(store, now_ms=LOOK) == ids([early, waiting, second])


async def test_a_parent_that_came_late_tells_only_those_that_have_seen_it(store: Store) -> None:
    parent = new_job()
    blind, seeing = child(parent), child(parent)
    await insert(store, blind)
    await insert(store, parent)
    await insert(store, seeing)
    await end(store, parent)
    assert await states(store, ids([blind, seeing])) == [State.BLOCKED, State.PENDING]
    await store.promote(100, now_ms=LOOK)
    assert await state_of(store, blind) is State.PENDING


async def test_other_parents_may_decide_before_it_looks_again(store: Store) -> None:
    unknown, parent = new_jobs(2)
    either, both = child(unknown, parent, join=Join.ANY), child(unknown, parent)
    await insert(store, parent, either, both)
    await end(store, parent, state=State.FAILED)
    assert await states(store, ids([either, both])) == [State.BLOCKED, State.CANCELLED]
    other = new_job()
    freed = child(unknown, other, join=Join.ANY)
    await insert(store, other, freed)
    await end(store, other)
    assert await state_of(store, freed) is State.PENDING
    promoted = await store.promote(100, now_ms=LOOK)
    assert promoted.next_due_ms is None
    assert await states(store, ids([freed, either])) == [State.PENDING, State.CANCELLED]


async def test_one_that_goes_on_waiting_for_others_has_looked_for_good(store: Store) -> None:
    unknown, parent = new_jobs(2)
    waiting = child(after(unknown, When.ALWAYS), parent)
    await insert(store, parent, waiting)
    assert (await store.promote(100, now_ms=LOOK)).next_due_ms is None
    assert await open_parents(store, waiting) == [parent.id]
    await end(store, parent, now_ms=LOOK)
    assert await state_of(store, waiting) is State.PENDING


async def test_looking_again_goes_by_time_and_has_no_limit(store: Store) -> None:
    children = [child(after(new_job(), When.ALWAYS)) for _ in range(3)]
    for number, waiting in enumerate(children):
        await insert(store, waiting, now_ms=NOW - number)
    promoted = await store.promote(1, now_ms=LOOK)
    assert (promoted.count, promoted.next_due_ms) == (0, None)
    assert await order_of_claims(store, now_ms=LOOK) == ids(reversed(children))


async def test_due_jobs_come_before_those_that_are_freed_by_looking_again(store: Store) -> None:
    waiting, due = child(after(new_job(), When.ALWAYS)), new_job(run_ms=LOOK)
    await insert(store, waiting, due)
    promoted = await store.promote(100, now_ms=LOOK)
    assert (promoted.count, promoted.queues, promoted.next_due_ms) == (1, (QUEUE,), None)
    assert await order_of_claims(store, now_ms=LOOK) == ids([due, waiting])


async def test_a_cascade_may_begin_with_a_parent_that_never_comes(store: Store) -> None:
    first = child(new_job())
    second, cleanup = child(first), child(after(first, When.ALWAYS), queue=ELSEWHERE)
    await insert(store, second, first, cleanup)
    promoted = await store.promote(100, now_ms=LOOK)
    assert promoted.queues == (ELSEWHERE,)
    assert await states(store, ids([first, second, cleanup])) == [
        State.CANCELLED,
        State.CANCELLED,
        State.PENDING,
    ]


async def test_a_parent_that_never_comes_may_be_meant_to_be_in_another_queue(store: Store) -> None:
    parent, late = new_jobs(2, ELSEWHERE)
    waiting, patient = child(parent), child(late)
    await insert(store, waiting, patient)
    await insert(store, late)
    await store.promote(100, now_ms=LOOK)
    assert await states(store, ids([waiting, patient])) == [State.CANCELLED, State.BLOCKED]
    await end(store, late, now_ms=LOOK)
    assert await state_of(store, patient) is State.PENDING


@pytest.mark.parametrize("kind", [Cancel, Delete])
async def test_nobody_looks_for_the_parents_of_a_job_that_waits_no_more(
    store: Store, kind: type[Cancel] | type[Delete]
) -> None:
    waiting = child(new_job())
    await insert(store, waiting)
    await edit(store, kind(where=only(waiting.id)))
    promoted = await store.promote(100, now_ms=NOW)
    assert promoted.next_due_ms is None
    await store.promote(100, now_ms=LOOK)
    expected = State.CANCELLED if kind is Cancel else None
    assert await states(store, [waiting.id]) == [expected]


async def test_the_next_time_is_that_of_a_job_or_of_a_look(store: Store) -> None:
    await insert(store, child(new_job()), new_job(run_ms=LOOK + 1))
    assert (await store.promote(100, now_ms=NOW)).next_due_ms == LOOK
    assert (await store.promote(100, now_ms=LOOK)).next_due_ms == LOOK + 1
    assert (await store.promote(100, now_ms=LOOK + 1)).next_due_ms is None


async def test_a_job_that_will_look_again_wakes_whoever_promotes(kit: StoreUnderTest, store: Store) -> None:
    other = await kit.another()
    async with listening(other, WakeKind.SCHEDULED) as listener:
        await store.insert([child(new_job())])
        await heard_until(listener, Wake(WakeKind.SCHEDULED, QUEUE))
