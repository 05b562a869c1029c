"""This module tests concurrency limits: who is held, who is let in when, and that no room is ever lost."""

import random

import pytest

from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.core.verdict import (
    BURIED,
    CANCELLED,
    COMPLETED,
    POISONED,
    RELEASED,
    Verdict,
    crashed,
    released,
    retry_after,
)
from longshore.store.commands import (
    Cancel,
    Changes,
    ClaimAsk,
    MeterAsk,
    Update,
)
from longshore.store.contract import Store
from longshore.store.replies import Settled
from longshore.testing.conformance.jobs import (
    NOW,
    QUEUE,
    SECOND,
    only,
    settlement,
)
from longshore.testing.conformance.limits import ONE, TWO, at_once, meter, reading, those, under
from longshore.testing.conformance.steps import (
    add,
    claim,
    edit,
    finish,
    ids,
    look,
    order_of_claims,
    sign_on,
    states,
)

HELD, PENDING, RUNNING = State.HELD, State.PENDING, State.RUNNING


async def test_as_many_as_the_limit_become_pending_and_the_others_are_held(store: Store) -> None:
    jobs = await add(store, 5, rules=TWO)
    assert await states(store, jobs) == [PENDING, PENDING, HELD, HELD, HELD]
    assert await meter(store) == reading(2, 2, 3)


async def test_a_held_job_names_what_holds_it(store: Store) -> None:
    free, waits = await add(store, 2, rules=under(at_once(9, rule="wide"), at_once(1, "acme")))
    assert [(await look(store, job)).held_by for job in (free, waits)] == [None, "slots:acme"]


async def test_a_claim_tells_the_rules_and_so_does_a_scan(store: Store) -> None:
    rules = under(at_once(1, "ä", cost=1), fair="k", weight=2.5)
    [job_id] = await add(store, rules=rules)
    assert (await look(store, job_id)).rules == rules
    [job] = await claim(store)
    assert job.rules == rules


async def test_a_held_job_is_not_claimed(store: Store) -> None:
    jobs = await add(store, 3, rules=ONE)
    assert ids(await claim(store, 9)) == jobs[:1]
    assert await claim(store, 9) == []


async def test_a_held_job_is_not_claimed_by_name_either(store: Store) -> None:
    _, waits = await add(store, 2, rules=ONE)
    await sign_on(store, "s")
    [claimed] = await store.claim([ClaimAsk(QUEUE, 1, "s", waits)], now_ms=NOW)
    assert claimed.jobs == []
    assert await meter(store) == reading(1, 1, 1)


async def test_held_jobs_block_nobody_else(store: Store) -> None:
    stuck = await add(store, 50, rules=under(at_once(1, "busy")))
    others = await add(store, 2, rules=under(at_once(1, "calm")))
    [plain] = await add(store)
    assert await order_of_claims(store) == [stuck[0], others[0], plain]


async def test_a_key_has_its_own_room_and_so_has_a_queue(store: Store) -> None:
    for key, queue in (("a", QUEUE), ("b", QUEUE), ("a", "video")):
        jobs = await add(store, 2, queue, rules=under(at_once(1, key)))
        assert await states(store, jobs) == [PENDING, HELD]


@pytest.mark.parametrize(
    "verdict", [COMPLETED, BURIED, POISONED, CANCELLED, retry_after(SECOND), released(SECOND)]
)
async def test_a_job_that_ends_or_waits_lets_the_next_in(store: Store, verdict: Verdict) -> None:
    jobs = await add(store, 3, rules=ONE)
    await finish(store, await claim(store), verdict)
    assert (await states(store, jobs))[1:] == [PENDING, HELD]
    assert await meter(store) == reading(1, 1, 1)


async def test_the_room_of_a_job_whose_end_is_not_kept_is_given_back(store: Store) -> None:
    jobs = await add(store, 2, rules=ONE)
    running = await claim(store)
    await store.settle([settlement(running[0], keep=False)], now_ms=NOW)
    assert await states(store, jobs) == [None, PENDING]


async def test_a_settlement_that_tells_the_rules_is_settled_the_same(store: Store) -> None:
    jobs = await add(store, 2, rules=ONE)
    [running] = await claim(store)
    end = settlement(running, rules=running.rules)
    assert await store.settle([end], now_ms=NOW) == [Settled.APPLIED]
    assert await store.settle([end], now_ms=NOW) == [Settled.APPLIED]
    assert await states(store, jobs) == [State.COMPLETED, PENDING]
    assert await meter(store) == reading(1, 1)


async def test_a_stale_settlement_gives_no_room(store: Store) -> None:
    jobs = await add(store, 2, rules=ONE)
    [running] = await claim(store)
    stale = settlement(running, fence=running.fence + 1, rules=running.rules)
    assert await store.settle([stale], now_ms=NOW) == [Settled.STALE]
    assert await states(store, jobs) == [RUNNING, HELD]


async def test_a_limit_that_nobody_uses_is_not_told(store: Store) -> None:
    await add(store, 3, rules=TWO)
    for _ in range(3):
        await finish(store, await claim(store))
    assert await meter(store) is None
    assert await store.gauge([MeterAsk(QUEUE), MeterAsk("nowhere")], now_ms=NOW) == [[], []]


async def test_meters_are_told_by_name(store: Store) -> None:
    for key in ("b", "a", "c"):
        await add(store, rules=under(at_once(1, key)))
    [everything, some] = await store.gauge(
        [MeterAsk(QUEUE), MeterAsk(QUEUE, ("slots:c", "slots:x", "slots:a"))], now_ms=NOW
    )
    assert [one.name for one in everything] == ["slots:a", "slots:b", "slots:c"]
    assert [one.name for one in some] == ["slots:a", "slots:c"]


async def test_held_jobs_come_in_by_priority_and_then_in_their_order(store: Store) -> None:
    [first] = await add(store, rules=ONE)
    usual = await add(store, 2, rules=ONE)
    urgent = await add(store, 2, rules=ONE, priority=1)
    came = [first]
    for _ in range(4):
        await finish(store, await claim(store))
        came += await those(store, PENDING, usual + urgent)
    assert came == [first, *urgent, *usual]


async def test_many_that_are_held_come_in_by_priority_whatever_became_of_some(store: Store) -> None:
    chance, priorities = random.Random(7), dict[JobId, int]()  # noqa: S311 - a test's
    await add(store, 1, rules=ONE)
    [running] = await claim(store)
    order, expected = list[JobId](), list[JobId]()
    for _ in range(3):
        for priority in chance.choices(range(10), k=40):
            [job_id] = await add(store, 1, priority=priority, rules=ONE)
            priorities[job_id] = priority
        for job_id in chance.sample(list(priorities), 9):
            await edit(store, Update(where=only(job_id), changes=Changes(priority=4)))
            priorities[job_id] = 4
        for job_id in chance.sample(list(priorities), 7):
            await edit(store, Cancel(where=only(job_id)))
            del priorities[job_id]
        assert await meter(store) == reading(1, 1, len(priorities))
        line = sorted(priorities, key=lambda job_id: (priorities[job_id], list(priorities).index(job_id)))
        for job_id in line[:20]:
            await finish(store, [running])
            [running] = await claim(store)
            order.append(running.id)
            expected.append(job_id)
            del priorities[job_id]
    assert order == expected


async def test_a_job_that_comes_does_not_overtake_those_that_wait_for_more(store: Store) -> None:
    await add(store, rules=under(at_once(3, cost=2)))
    [large] = await add(store, rules=under(at_once(3, cost=2)))
    [small] = await add(store, rules=under(at_once(3)))
    assert await states(store, [large, small]) == [HELD, HELD]
    await finish(store, await claim(store))
    assert await states(store, [large, small]) == [PENDING, PENDING]


async def test_an_urgent_job_that_comes_is_the_first_of_those_that_wait(store: Store) -> None:
    await add(store, rules=under(at_once(3, cost=2)))
    [large] = await add(store, rules=under(at_once(3, cost=2)))
    [urgent] = await add(store, rules=under(at_once(3)), priority=0)
    assert await states(store, [large, urgent]) == [HELD, PENDING]


async def test_a_job_that_was_let_in_goes_to_the_tail(store: Store) -> None:
    first, second = await add(store, 2, rules=ONE)
    [plain] = await add(store)
    [running] = await claim(store)
    assert running.id == first
    await finish(store, [running])
    assert await order_of_claims(store) == [plain, second]


async def test_a_released_job_keeps_its_room_where_nobody_waits(store: Store) -> None:
    jobs = await add(store, 2, rules=TWO)
    held = await claim(store, 2)
    await finish(store, held[::-1], RELEASED)
    assert await meter(store) == reading(2, 2)
    assert await order_of_claims(store) == jobs


async def test_a_released_job_is_the_first_of_those_that_wait(store: Store) -> None:
    jobs = await add(store, 3, rules=ONE)
    await finish(store, await claim(store), RELEASED)
    assert await states(store, jobs) == [PENDING, HELD, HELD]


async def test_a_job_that_crashed_waits_behind_the_others(store: Store) -> None:
    jobs = await add(store, 3, rules=ONE)
    await finish(store, await claim(store), crashed(0))
    assert await states(store, jobs) == [HELD, PENDING, HELD]
    await finish(store, await claim(store))
    await finish(store, await claim(store))
    assert await states(store, jobs) == [PENDING, State.COMPLETED, State.COMPLETED]


async def test_those_that_end_together_let_in_as_many(store: Store) -> None:
    jobs = await add(store, 7, rules=under(at_once(3)))
    await finish(store, await claim(store, 3))
    assert await states(store, jobs) == [State.COMPLETED] * 3 + [PENDING] * 3 + [HELD]


async def test_free_places_go_to_the_next_also_where_some_need_more_than_a_place(store: Store) -> None:
    await add(store, 2, rules=TWO)
    [both] = await add(store, rules=under(at_once(2), at_once(1, rule="hands")))
    [taker] = await add(store, rules=under(at_once(1, rule="hands")))
    [wide] = await add(store, rules=under(at_once(2, cost=2)))
    [last] = await add(store, rules=TWO)
    await finish(store, await claim(store, 2))
    assert await states(store, [both, taker, wide, last]) == [HELD, PENDING, PENDING, HELD]
    await finish(store, await claim(store, 2))
    assert await states(store, [both, taker, wide, last]) == [
        PENDING,
        State.COMPLETED,
        State.COMPLETED,
        PENDING,
    ]
