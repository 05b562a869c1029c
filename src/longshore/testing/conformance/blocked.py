"""This module tests jobs while they are blocked, and what becomes of them when they are free."""

import msgspec
import pytest

from longshore.core.edges import Join, Missed, When
from longshore.core.rules import Rules, UniqueKey
from longshore.core.states import LIVE, State
from longshore.store.commands import Cancel, Changes, ClaimAsk, Delete, JobQuery, Lease, Update
from longshore.store.contract import Store
from longshore.store.replies import Conflict, Inserted, Wake, WakeKind
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
from longshore.testing.conformance.jobs import (
    MINUTE,
    NOW,
    QUEUE,
    SECOND,
    SESSION,
    new_job,
    new_jobs,
    only,
    settlement,
)
from longshore.testing.conformance.limits import at_once, meter, reading, under
from longshore.testing.conformance.steps import (
    claim,
    count,
    edit,
    find,
    ids,
    look,
    order_of_claims,
    sign_on,
    states,
)
from longshore.testing.conformance.wakeups import heard_until, listening

LATER = NOW + SECOND


# --------------------------------------------------------------------------------------------------------------- time


async def test_a_delay_counts_from_the_insert(store: Store) -> None:
    parent = new_job()
    early, late = child(parent, delay_ms=MINUTE), child(parent, delay_ms=SECOND)
    await insert(store, parent, early, late)
    assert (await look(store, early.id)).run_ms == NOW + MINUTE
    await end(store, parent, now_ms=LATER)
    shown = [await look(store, job.id) for job in (early, late)]
    assert [(job.state, job.run_ms) for job in shown] == [
        (State.SCHEDULED, NOW + MINUTE),
        (State.PENDING, None),
    ]
    assert (await store.promote(100, now_ms=NOW + MINUTE)).count == 1
    assert await state_of(store, early) is State.PENDING


async def test_a_time_that_passes_while_it_is_blocked_makes_nobody_due(store: Store) -> None:
    parent = new_job()
    waiting = child(parent, run_ms=LATER)
    await insert(store, parent, waiting)
    assert (await count(store)).next_due_ms is None
    promoted = await store.promote(100, now_ms=LATER)
    assert (promoted.count, promoted.next_due_ms) == (0, None)
    await end(store, parent, now_ms=LATER)
    assert await order_of_claims(store, now_ms=LATER) == [waiting.id]


async def test_a_time_that_is_past_is_none(store: Store) -> None:
    parent = new_job()
    waiting = child(parent, run_ms=NOW)
    await insert(store, parent, waiting)
    assert (await look(store, waiting.id)).run_ms is None


async def test_a_job_that_is_freed_into_a_time_wakes_whoever_promotes(
    kit: StoreUnderTest, store: Store
) -> None:
    parent = new_job()
    await store.insert([parent, child(parent, delay_ms=60 * MINUTE)])
    await sign_on_now(store)
    [claimed] = await store.claim([ClaimAsk(QUEUE, 1, SESSION)])
    other = await kit.another()
    async with listening(other, WakeKind.SCHEDULED) as listener:
        await store.settle([settlement(claimed.jobs[0])])
        await heard_until(listener, Wake(WakeKind.SCHEDULED, QUEUE))


# -------------------------------------------------------------------------------------------------------------- edits


async def test_a_blocked_job_may_be_updated_and_stays_blocked(store: Store) -> None:
    parent = new_job()
    first, second = child(parent), child(parent)
    await insert(store, parent, first, second)
    changes = Changes(payload=b"[1]", priority=0, max_attempts=9, tags=("new",))
    await edit(store, Update(where=only(second.id), changes=changes), now_ms=LATER)
    job = await look(store, second.id)
    assert (job.state, job.payload, job.priority, job.updated_ms) == (State.BLOCKED, b"[1]", 0, LATER)
    assert (job.edges, job.waits_for) == (second.edges, (parent.id,))
    await end(store, parent)
    assert await order_of_claims(store) == ids([second, first])


async def test_a_new_time_counts_when_it_is_freed(store: Store) -> None:
    parent = new_job()
    later, sooner = child(parent), child(parent, delay_ms=MINUTE)
    await insert(store, parent, later, sooner)
    await edit(store, Update(where=only(later.id), changes=Changes(run_ms=NOW + MINUTE)))
    await edit(store, Update(where=only(sooner.id), changes=Changes(run_ms=NOW)))
    shown = [await look(store, job.id) for job in (later, sooner)]
    assert [(job.state, job.run_ms) for job in shown] == [
        (State.BLOCKED, NOW + MINUTE),
        (State.BLOCKED, None),
    ]
    assert (await store.promote(100, now_ms=NOW)).next_due_ms is None
    await end(store, parent)
    assert await states(store, ids([later, sooner])) == [State.SCHEDULED, State.PENDING]


async def test_a_blocked_job_that_is_cancelled_tells_its_children_and_hears_no_more(store: Store) -> None:
    parent = new_job()
    waiting = child(parent)
    last = child(after(waiting, missed=Missed.SKIP))
    await insert(store, parent, waiting, last)
    changed = await edit(store, Cancel(where=only(waiting.id)), now_ms=LATER)
    assert (changed.ids, changed.asked) == ((waiting.id,), ())
    job = await look(store, waiting.id)
    assert (job.state, job.finished_ms, job.waits_for) == (State.CANCELLED, LATER, ())
    assert await state_of(store, last) is State.SKIPPED
    await end(store, parent, now_ms=LATER)
    assert await look(store, waiting.id) == job


async def test_a_blocked_job_that_is_deleted_is_gone_for_good(store: Store) -> None:
    parent = new_job()
    waiting = child(parent, delay_ms=SECOND)
    last = child(waiting)
    await insert(store, parent, waiting, last)
    await edit(store, Delete(where=only(waiting.id)))
    assert await states(store, ids([waiting, last])) == [None, State.CANCELLED]
    await end(store, parent)
    await store.promote(100, now_ms=LATER)
    assert await states(store, [waiting.id]) == [None]
    assert (await count(store)).states[State.BLOCKED] == 0


async def test_an_id_may_come_again_after_its_blocked_job_was_deleted(store: Store) -> None:
    parent, other = new_jobs(2)
    waiting = child(parent)
    await insert(store, parent, other, waiting)
    await edit(store, Delete(where=only(waiting.id)))
    again = msgspec.structs.replace(child(other), id=waiting.id)
    await insert(store, again)
    await end(store, parent)
    assert await open_parents(store, again) == [other.id]
    await end(store, other)
    assert await state_of(store, again) is State.PENDING


async def test_blocked_jobs_are_found_and_counted(store: Store) -> None:
    parent = new_job()
    children = [child(parent), child(parent, tags=("x",))]
    await insert(store, parent, *children)
    found = await find(store, JobQuery(states=(State.BLOCKED,)))
    assert sorted(ids(found)) == sorted(ids(children))
    assert ids(await find(store, JobQuery(tags=("x",)))) == [children[1].id]
    counts = await count(store)
    assert (counts.states[State.BLOCKED], counts.states[State.PENDING]) == (2, 1)
    await end(store, parent, state=State.FAILED)
    counts = await count(store)
    assert (counts.states[State.BLOCKED], counts.states[State.CANCELLED]) == (0, 2)


async def test_a_blocked_job_is_not_claimed_by_its_name(store: Store) -> None:
    waiting = child(new_job())
    await insert(store, waiting)
    await sign_on(store, SESSION)
    [claimed] = await store.claim([ClaimAsk(QUEUE, 1, SESSION, waiting.id)], now_ms=NOW)
    assert claimed.jobs == []
    assert await state_of(store, waiting) is State.BLOCKED


# -------------------------------------------------------------------------------------------------------------- rules


async def test_a_blocked_job_uses_no_room_and_asks_for_it_when_it_is_freed(store: Store) -> None:
    parent = new_job()
    limited = [child(parent, rules=under(at_once(1))) for _ in range(2)]
    await insert(store, parent, *limited)
    assert await meter(store) is None
    await end(store, parent)
    assert await states(store, ids(limited)) == [State.PENDING, State.HELD]
    assert await meter(store) == reading(1, used=1, held=1)
    await end(store, limited[0])
    assert await state_of(store, limited[1]) is State.PENDING


async def test_a_parent_gives_its_room_to_its_child(store: Store) -> None:
    rules = under(at_once(1))
    parent = new_job(rules=rules)
    waiting = child(parent, rules=rules)
    await insert(store, parent, waiting)
    running = await begin(store, parent)
    await store.settle([settlement(running)], now_ms=NOW)
    assert await state_of(store, waiting) is State.PENDING
    assert await meter(store) == reading(1, used=1)


async def test_those_that_were_held_before_go_before_one_that_is_freed(store: Store) -> None:
    rules = under(at_once(1))
    parent, held = new_job(rules=rules), new_job(rules=rules)
    waiting = child(parent, rules=rules)
    await insert(store, parent, waiting, held)
    await store.settle([settlement(await begin(store, parent))], now_ms=NOW)
    assert await states(store, ids([held, waiting])) == [State.PENDING, State.HELD]


async def test_a_freed_job_with_a_fair_key_takes_turns(store: Store) -> None:
    parent = new_job()
    plain = new_jobs(3, rules=under(fair="anne"))
    freed = child(parent, rules=under(fair="bert"))
    await insert(store, parent, freed, *plain)
    await end(store, parent)
    order = await order_of_claims(store)
    assert order.index(freed.id) < order.index(plain[2].id)


async def test_a_blocked_job_has_its_unique_key(store: Store) -> None:
    rules = Rules(unique=UniqueKey(b"k", tuple(sorted(LIVE))))
    parent = new_job()
    waiting = child(parent, rules=rules)
    await insert(store, parent, waiting)
    twin = child(parent, rules=rules)
    assert list(await store.insert([twin], now_ms=NOW)) == [Conflict(waiting.id, State.BLOCKED)]
    await end(store, parent)
    assert await states(store, ids([waiting, twin])) == [State.PENDING, None]


async def test_a_blocked_job_waits_and_so_takes_room_in_its_queue(store: Store) -> None:
    parent = new_job(ELSEWHERE)
    waiting = child(parent, rules=Rules(room=1))
    assert list(await store.insert([parent, waiting], now_ms=NOW)) == [Inserted.CREATED] * 2
    crowded = new_job(rules=Rules(room=1))
    assert list(await store.insert([crowded], now_ms=NOW)) == [Inserted.FULL]
    turned_away = child(parent, rules=Rules(room=1))
    assert list(await store.insert([turned_away], now_ms=NOW)) == [Inserted.FULL]
    await end(store, parent, state=State.FAILED)
    assert await states(store, ids([waiting, turned_away])) == [State.CANCELLED, None]
    assert list(await store.insert([crowded], now_ms=NOW)) == [Inserted.CREATED]


# ----------------------------------------------------------------------------------------------------------- wake-ups


async def test_a_job_that_is_freed_wakes_the_workers_of_its_queue(kit: StoreUnderTest, store: Store) -> None:
    parent = new_job(ELSEWHERE)
    await insert(store, parent, child(parent))
    running = await begin(store, parent)
    other = await kit.another()
    async with listening(other, WakeKind.PENDING) as listener:
        await store.settle([settlement(running)], now_ms=NOW)
        await heard_until(listener, Wake(WakeKind.PENDING, QUEUE))


@pytest.mark.parametrize("on", [When.SUCCESS, When.FAILURE])
async def test_a_job_that_is_ended_by_its_parent_wakes_those_who_wait_for_its_end(
    kit: StoreUnderTest, store: Store, on: When
) -> None:
    parent = new_job(ELSEWHERE)
    await insert(store, parent, child(after(parent, on)))
    running = await begin(store, parent)
    ended = State.FAILED if on is When.SUCCESS else State.COMPLETED
    other = await kit.another()
    async with listening(other, WakeKind.FINISHED) as listener:
        await store.settle([settlement(running, ENDS[ended])], now_ms=NOW)
        await heard_until(listener, Wake(WakeKind.FINISHED, QUEUE))


async def test_a_job_that_is_free_as_it_comes_wakes(kit: StoreUnderTest, store: Store) -> None:
    parent = new_job(ELSEWHERE)
    await insert(store, parent)
    await end(store, parent)
    other = await kit.another()
    async with listening(other, WakeKind.PENDING) as listener:
        await insert(store, child(parent, join=Join.ANY))
        await heard_until(listener, Wake(WakeKind.PENDING, QUEUE))
    assert len(await claim(store)) == 1


async def sign_on_now(store: Store) -> None:
    """Opens the session by the store's own clock."""
    await store.extend([Lease(session=SESSION, lease_ms=10 * MINUTE, queues=(QUEUE,), opens=True)])
