"""This module tests how the end of a job goes on through its children and theirs, and in what order."""

import pytest

from longshore.core.edges import Join, Missed, When
from longshore.core.states import State
from longshore.store.commands import Cancel, Delete, JobQuery, Order
from longshore.store.contract import Store
from longshore.testing.conformance.families import (
    ELSEWHERE,
    ENDS,
    after,
    begin,
    child,
    end,
    insert,
    state_of,
    told_all,
)
from longshore.testing.conformance.jobs import NOW, QUEUE, new_job, new_jobs, settlement
from longshore.testing.conformance.steps import claim, count, edit, ids, look, order_of_claims, states


async def test_a_chain_goes_on_link_by_link(store: Store) -> None:
    chain = [new_job()]
    for _ in range(4):
        chain.append(child(chain[-1]))
    await insert(store, *chain)
    for link in chain:
        assert await order_of_claims(store) == [link.id]
        running = await look(store, link.id)
        await store.settle([settlement(running)], now_ms=NOW)
    assert await states(store, ids(chain)) == [State.COMPLETED] * 5


@pytest.mark.parametrize("missed", Missed)
async def test_a_job_that_is_ended_ends_those_that_wait_for_it(store: Store, missed: Missed) -> None:
    parent = new_job()
    first = child(after(parent, missed=missed))
    second, third = child(first), child(after(first, When.ALWAYS))
    last = child(second)
    await insert(store, parent, first, second, third, last)
    await end(store, parent, state=State.FAILED)
    ended = State.CANCELLED if missed is Missed.CANCEL else State.SKIPPED
    always = State.PENDING if missed is Missed.CANCEL else State.SKIPPED
    assert await states(store, ids([first, second, third, last])) == [ended, ended, always, ended]


async def test_what_depends_on_a_branch_that_was_not_taken_is_skipped_with_it(store: Store) -> None:
    parent = new_job()
    good, bad = child(parent), child(after(parent, When.FAILURE))
    after_bad, after_both = child(bad), child(good, bad, join=Join.ANY)
    await insert(store, parent, good, bad, after_bad, after_both)
    await end(store, parent)
    assert await states(store, ids([good, bad, after_bad, after_both])) == [
        State.PENDING,
        State.SKIPPED,
        State.SKIPPED,
        State.BLOCKED,
    ]
    await end(store, good)
    assert await state_of(store, after_both) is State.PENDING


async def test_a_long_chain_is_cancelled_in_one_go(store: Store) -> None:
    chain = [new_job()]
    for _ in range(100):
        chain.append(child(chain[-1]))
    await insert(store, *chain)
    await end(store, chain[0], state=State.FAILED)
    assert (await count(store)).states[State.CANCELLED] == 100


async def test_a_diamond_runs_its_last_job_once_and_last(store: Store) -> None:
    top = new_job()
    left, right = child(top), child(top)
    bottom = child(left, right)
    await insert(store, bottom, left, right, top)
    await end(store, top)
    await end(store, left)
    assert await state_of(store, bottom) is State.BLOCKED
    await end(store, right)
    assert await order_of_claims(store) == [bottom.id]


async def test_a_diamond_with_a_failed_side_ends_its_last_job_once(store: Store) -> None:
    top = new_job()
    left, right = child(top), child(top)
    bottom = child(left, right)
    last = child(after(bottom, When.ALWAYS))
    await insert(store, top, left, right, bottom, last)
    await end(store, top, state=State.FAILED)
    assert await states(store, ids([left, right, bottom, last])) == [State.CANCELLED] * 3 + [State.PENDING]
    assert (await count(store)).states[State.CANCELLED] == 3


async def test_children_are_freed_in_the_order_in_which_they_were_linked(store: Store) -> None:
    parent = new_job()
    await insert(store, parent)
    children = [child(parent) for _ in range(5)]
    await insert(store, children[3], children[1])
    await insert(store, children[4])
    await insert(store, children[0], children[2])
    await end(store, parent)
    assert await order_of_claims(store) == [children[place].id for place in (3, 1, 4, 0, 2)]


async def test_parents_tell_in_the_order_in_which_they_ended(store: Store) -> None:
    first, second = new_jobs(2)
    of_first, of_second = child(first), child(second)
    both = child(first, second)
    await insert(store, first, second, of_first, both, of_second)
    await end(store, second, first)
    assert await order_of_claims(store) == ids([of_second, of_first, both])


async def test_those_that_are_ended_by_it_tell_theirs_after_all_others(store: Store) -> None:
    failed, good = new_jobs(2)
    cancelled = child(failed)
    of_cancelled = child(after(cancelled, When.ALWAYS))
    of_good = child(good)
    of_failed = child(after(failed, When.FAILURE))
    await insert(store, failed, good, cancelled, of_cancelled, of_good, of_failed)
    first, second = await begin(store, failed), await begin(store, good)
    from_failed = settlement(first, ENDS[State.FAILED])
    await store.settle([from_failed, settlement(second)], now_ms=NOW)
    assert await order_of_claims(store) == ids([of_failed, of_good, of_cancelled])


async def test_followers_come_before_those_that_are_freed(store: Store) -> None:
    parent, other = new_jobs(2)
    waiting = child(parent)
    await insert(store, parent, other, waiting)
    follower, second = new_job(), new_job()
    running = [await begin(store, parent), await begin(store, other)]
    ends = [settlement(running[0], follow=(follower,)), settlement(running[1], follow=(second,))]
    await store.settle(ends, now_ms=NOW)
    assert await order_of_claims(store) == ids([follower, second, waiting])


async def test_priorities_count_among_those_that_are_freed(store: Store) -> None:
    parent = new_job()
    usual, urgent = child(parent), child(parent, priority=0)
    await insert(store, parent, usual, urgent)
    await end(store, parent)
    assert await order_of_claims(store) == ids([urgent, usual])


async def test_an_edit_by_query_that_ends_parents_tells_all_their_children(store: Store) -> None:
    parents = new_jobs(20)
    children = [child(after(parent, When.ALWAYS)) for parent in parents]
    join = child(*(after(parent, When.ALWAYS) for parent in parents))
    await insert(store, *parents, *children, join)
    where = JobQuery(queues=(QUEUE,), states=(State.PENDING,), order=Order.OLDEST)
    assert len((await edit(store, Cancel(where=where))).ids) == 20
    assert await order_of_claims(store) == [*ids(children), join.id]


@pytest.mark.parametrize("kind", [Cancel, Delete])
async def test_parents_and_children_may_be_ended_by_one_edit(
    store: Store, kind: type[Cancel] | type[Delete]
) -> None:
    parent = new_job()
    waiting = child(after(parent, When.ALWAYS))
    last = child(after(waiting, When.ALWAYS), queue=ELSEWHERE)
    await insert(store, parent, waiting, last)
    changed = await edit(store, kind(where=JobQuery(queues=(QUEUE,))))
    assert sorted(changed.ids) == sorted(ids([parent, waiting]))
    assert await state_of(store, last) is State.PENDING
    expected = State.CANCELLED if kind is Cancel else None
    assert await states(store, ids([parent, waiting])) == [expected] * 2


async def test_a_thousand_children_are_freed_in_order(store: Store) -> None:
    parent = new_job()
    children = [child(parent) for _ in range(1000)]
    await insert(store, parent, *children)
    await end(store, parent)
    await told_all(store)
    assert (await count(store)).states[State.PENDING] == 1000
    assert await order_of_claims(store) == ids(children)


async def test_a_join_of_a_thousand_parents_is_freed_by_the_last(store: Store) -> None:
    parents = new_jobs(1000)
    join = child(*parents)
    await insert(store, *parents, join)
    assert len((await look(store, join.id)).waits_for) == 1000
    running = [settlement(job) for job in await claim(store, 1000)]
    await store.settle(running[:-1], now_ms=NOW)
    await told_all(store)
    assert (await look(store, join.id)).waits_for == (running[-1].id,)
    await store.settle(running[-1:], now_ms=NOW)
    assert await order_of_claims(store) == [join.id]
