"""This module tests what gives room under a limit back, what asks for it, and that none is lost on the way."""

import msgspec
import pytest

from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.core.verdict import (
    BURIED,
    crashed,
)
from longshore.store.commands import (
    PAUSE,
    Cancel,
    Changes,
    Delete,
    JobQuery,
    Put,
    Retry,
    Update,
)
from longshore.store.contract import Store
from longshore.store.replies import Inserted
from longshore.testing.conformance.jobs import (
    MINUTE,
    NOW,
    QUEUE,
    SECOND,
    foreign_job,
    new_job,
    only,
    settlement,
)
from longshore.testing.conformance.limits import ONE, TWO, at_once, meter, reading, under
from longshore.testing.conformance.steps import (
    LEASE_MS,
    add,
    claim,
    edit,
    finish,
    ids,
    look,
    put,
    states,
)

HELD, PENDING, RUNNING = State.HELD, State.PENDING, State.RUNNING


@pytest.mark.parametrize(
    "change",
    [
        Cancel(where=JobQuery()),
        Delete(where=JobQuery()),
        Update(where=JobQuery(), changes=Changes(run_ms=NOW + MINUTE)),
    ],
    ids=("cancelled", "deleted", "put off"),
)
async def test_a_pending_job_that_goes_lets_the_next_in(
    store: Store, change: Cancel | Delete | Update
) -> None:
    jobs = await add(store, 3, rules=ONE)
    await edit(store, aimed(change, jobs[0]))
    assert (await states(store, jobs))[1:] == [PENDING, HELD]
    assert await meter(store) == reading(1, 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        Cancel(where=JobQuery()),
        Delete(where=JobQuery()),
        Update(where=JobQuery(), changes=Changes(run_ms=NOW + MINUTE)),
    ],
    ids=("cancelled", "deleted", "put off"),
)
async def test_a_held_job_that_goes_frees_those_that_wait_behind_it(
    store: Store, change: Cancel | Delete | Update
) -> None:
    await add(store, rules=under(at_once(3, cost=2)))
    [large] = await add(store, rules=under(at_once(3, cost=3)))
    [small] = await add(store, rules=under(at_once(3)))
    await edit(store, aimed(change, large))
    assert await states(store, [small]) == [PENDING]
    assert await meter(store) == reading(3, 3)
    there = await states(store, [large])
    assert there[0] is not HELD
    if there[0] is not None:
        assert (await look(store, large)).held_by is None


async def test_an_end_that_frees_too_little_lets_nobody_in(store: Store) -> None:
    """Not the smaller job behind it either: who asked first has its turn first."""
    await add(store, 3, rules=under(at_once(3)))
    [large] = await add(store, rules=under(at_once(3, cost=3)))
    [small] = await add(store, rules=under(at_once(3)))
    running = await claim(store, 3)
    await finish(store, running[:2])
    assert await states(store, [large, small]) == [HELD, HELD]
    assert await meter(store) == reading(3, 1, 2)
    await finish(store, running[2:])
    assert await states(store, [large, small]) == [PENDING, HELD]
    assert await meter(store) == reading(3, 3, 1)


async def test_ends_in_one_call_let_in_one_after_the_other_by_priority(store: Store) -> None:
    """However many wait: more than a store may keep at hand."""
    running = await add(store, 20, rules=under(at_once(20)))
    waiting = [(await add(store, priority=number % 10, rules=under(at_once(20))))[0] for number in range(50)]
    expected = sorted(waiting, key=lambda job_id: (waiting.index(job_id) % 10, waiting.index(job_id)))
    claimed = await claim(store, 20)
    assert sorted(job.id for job in claimed) == sorted(running)
    for begin in (0, 20, 40):
        await finish(store, claimed)
        claimed = await claim(store, 20)
        assert {job.id for job in claimed} == set(expected[begin : begin + 20])
    assert await meter(store) == reading(20, 10)


def aimed(change: Cancel | Delete | Update, *wanted: JobId) -> Cancel | Delete | Update:
    """The edit, of these jobs only."""
    return msgspec.structs.replace(change, where=only(*wanted))


async def test_a_held_job_with_another_priority_takes_its_turn_by_it(store: Store) -> None:
    _, second, third = await add(store, 3, rules=ONE)
    await edit(store, Update(where=only(third), changes=Changes(priority=0)))
    assert await states(store, [second, third]) == [HELD, HELD]
    await finish(store, await claim(store))
    assert await states(store, [second, third]) == [HELD, PENDING]


async def test_a_smaller_job_that_gets_urgent_is_let_in_at_once(store: Store) -> None:
    await add(store, rules=under(at_once(3, cost=2)))
    [large] = await add(store, rules=under(at_once(3, cost=2)))
    [small] = await add(store, rules=under(at_once(3)))
    await edit(store, Update(where=only(small), changes=Changes(priority=0)))
    assert await states(store, [large, small]) == [HELD, PENDING]


async def test_a_pending_job_with_another_priority_keeps_its_room(store: Store) -> None:
    first, second = await add(store, 2, rules=ONE)
    await edit(store, Update(where=only(first), changes=Changes(priority=0)))
    assert await states(store, [first, second]) == [PENDING, HELD]
    assert await meter(store) == reading(1, 1, 1)


async def test_a_held_job_that_gets_a_time_that_has_passed_stays_held(store: Store) -> None:
    jobs = await add(store, 3, rules=ONE)
    await edit(store, Update(where=only(jobs[1]), changes=Changes(run_ms=NOW - 1)))
    assert await states(store, jobs) == [PENDING, HELD, HELD]
    await finish(store, await claim(store))
    assert await states(store, jobs[1:]) == [PENDING, HELD]


async def test_a_job_that_becomes_due_asks_for_room(store: Store) -> None:
    await add(store, rules=ONE)
    [waits] = await add(store, rules=ONE, delay_ms=SECOND)
    promoted = await store.promote(9, now_ms=NOW + SECOND)
    assert (promoted.count, promoted.queues, promoted.next_due_ms) == (1, (), None)
    assert await states(store, [waits]) == [HELD]
    assert (await look(store, waits)).run_ms is None


async def test_a_scheduled_job_uses_no_room(store: Store) -> None:
    await add(store, 5, rules=ONE, delay_ms=SECOND)
    assert await meter(store) is None
    assert await states(store, await add(store, rules=ONE)) == [PENDING]


async def test_a_retried_job_asks_for_room(store: Store) -> None:
    [over] = await add(store, rules=ONE)
    await finish(store, await claim(store), BURIED)
    [other] = await add(store, rules=ONE)
    await edit(store, Retry(where=only(over)))
    assert await states(store, [over, other]) == [HELD, PENDING]
    await finish(store, await claim(store))
    assert await states(store, [over]) == [PENDING]


async def test_a_held_job_is_not_retried_but_cancelled_and_back_it_waits_behind(store: Store) -> None:
    _, second, third = await add(store, 3, rules=ONE)
    assert (await edit(store, Retry(where=only(second)))).ids == ()
    await edit(store, Cancel(where=only(second)))
    await edit(store, Retry(where=only(second)))
    await finish(store, await claim(store))
    assert await states(store, [second, third]) == [HELD, PENDING]


async def test_a_rescue_lets_the_next_in(store: Store) -> None:
    jobs = await add(store, 2, rules=ONE)
    [running] = await claim(store)
    late = NOW + LEASE_MS + 1
    await store.settle([settlement(running, crashed(0), if_lost=True)], now_ms=late)
    assert await states(store, jobs, now_ms=late) == [HELD, PENDING]


async def test_a_follower_asks_for_room_and_gets_what_its_parent_had(store: Store) -> None:
    await add(store, rules=ONE)
    [running] = await claim(store)
    child = new_job(rules=ONE)
    await store.settle([settlement(running, follow=(child,))], now_ms=NOW)
    assert await states(store, [child.id]) == [PENDING]


async def test_those_that_are_held_come_before_a_follower(store: Store) -> None:
    _, waits = await add(store, 2, rules=ONE)
    [running] = await claim(store)
    child = new_job(rules=ONE)
    await store.settle([settlement(running, follow=(child,))], now_ms=NOW)
    assert await states(store, [waits, child.id]) == [PENDING, HELD]


async def test_an_adopted_job_asks_for_room(store: Store) -> None:
    jobs = [
        foreign_job(HELD, rules=ONE, held_by="slots:"),
        foreign_job(PENDING, rules=ONE),
        foreign_job(State.RETRYING, rules=ONE),
    ]
    assert await store.adopt(jobs, now_ms=NOW) == [Inserted.CREATED] * 3
    assert await states(store, ids(jobs)) == [PENDING, HELD, State.RETRYING]
    assert [(await look(store, job)).held_by for job in ids(jobs)] == [None, "slots:", None]
    assert (await look(store, jobs[0].id)).rules == ONE


async def test_a_job_that_was_inserted_again_takes_no_more_room(store: Store) -> None:
    job = new_job(rules=TWO)
    await store.insert([job, job], now_ms=NOW)
    await store.insert([job], now_ms=NOW)
    assert await meter(store) == reading(2, 1)


async def test_a_paused_queue_keeps_its_room(store: Store) -> None:
    jobs = await add(store, 2, rules=ONE)
    await put(store, Put(kind=PAUSE, key=QUEUE, value=b""))
    assert await claim(store, 9) == []
    assert await states(store, jobs) == [PENDING, HELD]
