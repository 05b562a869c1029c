"""This module tests several limits of one job, and limits that change while jobs wait under them."""

import msgspec
import pytest

from longshore.core.rules import FlowKey, LimitKind
from longshore.core.states import State
from longshore.store.commands import (
    JobQuery,
    MeterAsk,
)
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import (
    NOW,
    QUEUE,
    SECOND,
    new_job,
)
from longshore.testing.conformance.limits import ONE, TWO, at_once, meter, reading, tune, under
from longshore.testing.conformance.steps import (
    add,
    claim,
    count,
    finish,
    ids,
    look,
    states,
)

HELD, PENDING, RUNNING = State.HELD, State.PENDING, State.RUNNING


async def test_a_job_needs_room_under_all_its_limits_and_uses_none_before(store: Store) -> None:
    await add(store, rules=under(at_once(1, "a")))
    [both] = await add(store, rules=under(at_once(1, "a"), at_once(1, "b")))
    [other] = await add(store, rules=under(at_once(1, "b")))
    assert await states(store, [both, other]) == [HELD, PENDING]
    assert (await look(store, both)).held_by == "slots:a"


async def test_a_job_that_finds_room_here_waits_where_it_is_lacking(store: Store) -> None:
    [a] = await add(store, rules=under(at_once(1, "a")))
    [b] = await add(store, rules=under(at_once(1, "b")))
    [both] = await add(store, rules=under(at_once(1, "a"), at_once(1, "b")))
    [behind] = await add(store, rules=under(at_once(1, "a")))
    assert (await look(store, both)).held_by == "slots:a"
    running = {job.id: job for job in await claim(store, 2)}
    await finish(store, [running[a]])
    assert (await look(store, both)).held_by == "slots:b"
    assert await states(store, [behind]) == [PENDING]
    await finish(store, [running[b]])
    assert (await look(store, both)).held_by == "slots:a"
    await finish(store, await claim(store))
    assert await states(store, [both]) == [PENDING]


async def test_a_job_that_moves_to_another_limit_waits_there_behind_the_others(store: Store) -> None:
    for key in ("a", "b"):
        await add(store, rules=under(at_once(1, key)))
    [both] = await add(store, rules=under(at_once(1, "a"), at_once(1, "b")))
    [behind] = await add(store, rules=under(at_once(1, "b")))
    running = await claim(store, 2)
    await finish(store, running[:1])
    assert await states(store, [both, behind]) == [HELD, HELD]
    await finish(store, running[1:])
    assert await states(store, [both, behind]) == [HELD, PENDING]


async def test_a_job_that_ends_gives_room_back_under_all_its_limits(store: Store) -> None:
    wide, narrow = at_once(9, rule="wide"), at_once(1, "a")
    jobs = await add(store, 2, rules=under(wide, narrow))
    await finish(store, await claim(store))
    await finish(store, await claim(store))
    assert await store.gauge([MeterAsk(QUEUE)], now_ms=NOW) == [[]]
    assert await states(store, jobs) == [State.COMPLETED] * 2


# ----------------------------------------------------------------------------------------------------- changed limits


async def test_a_limit_that_is_raised_lets_more_in_at_once(store: Store) -> None:
    jobs = await add(store, 5, rules=ONE)
    assert await tune(store, at_once(3)) == 1
    assert await states(store, jobs) == [PENDING] * 3 + [HELD] * 2
    assert await meter(store) == reading(3, 3, 2)


async def test_a_limit_that_is_lowered_takes_nothing_from_anybody(store: Store) -> None:
    jobs = await add(store, 4, rules=under(at_once(3)))
    await tune(store, at_once(1))
    assert await meter(store) == reading(1, 3, 1)
    await finish(store, await claim(store, 2))
    assert await states(store, jobs[3:]) == [HELD]
    await finish(store, await claim(store))
    assert await states(store, jobs[3:]) == [PENDING]


async def test_all_keys_of_a_rule_are_tuned_and_no_other_rule(store: Store) -> None:
    jobs = [
        (await add(store, 2, rules=under(limit)))[1]
        for limit in (at_once(1, "a"), at_once(1, "b"), at_once(1, "a", rule="other"))
    ]
    [elsewhere] = (await add(store, 2, "video", rules=under(at_once(1, "a"))))[1:]
    assert await tune(store, at_once(2, "whatever")) == 2
    assert await states(store, jobs) == [PENDING, PENDING, HELD]
    assert await states(store, [elsewhere]) == [HELD]


async def test_a_limit_that_nobody_uses_is_not_tuned(store: Store) -> None:
    assert await tune(store, at_once(2)) == 0
    await add(store, rules=ONE)
    await finish(store, await claim(store))
    assert await tune(store, at_once(2)) == 0


async def test_the_newest_job_says_what_the_limit_is(store: Store) -> None:
    old = await add(store, 3, rules=ONE)
    [new] = await add(store, rules=TWO)
    assert await states(store, [*old, new]) == [PENDING, PENDING, HELD, HELD]
    assert await meter(store) == reading(2, 2, 2)


async def test_a_job_that_comes_back_does_not_bring_an_old_limit(store: Store) -> None:
    [old] = await add(store, rules=ONE, delay_ms=SECOND)
    jobs = await add(store, 2, rules=under(at_once(3)))
    await store.promote(9, now_ms=NOW + SECOND)
    assert await states(store, [*jobs, old], now_ms=NOW + SECOND) == [PENDING] * 3
    assert await meter(store) == reading(3, 3)


async def test_a_job_whose_limit_was_lowered_below_its_cost_needs_all_of_it(store: Store) -> None:
    await add(store, rules=under(at_once(3)))
    [large] = await add(store, rules=under(at_once(3, cost=3)))
    await tune(store, at_once(2))
    assert await states(store, [large]) == [HELD]
    await finish(store, await claim(store))
    assert await states(store, [large]) == [PENDING]
    assert await meter(store) == reading(2, 3)


async def test_a_new_job_that_costs_more_than_its_limit_gives_needs_all_of_it(store: Store) -> None:
    [small, large, next_one] = [
        *await add(store, rules=under(at_once(2))),
        *await add(store, rules=under(at_once(2, cost=3))),
        *await add(store, rules=under(at_once(2))),
    ]
    assert await states(store, [small, large, next_one]) == [PENDING, HELD, HELD]
    await finish(store, await claim(store))
    assert await states(store, [large, next_one]) == [PENDING, HELD]
    await finish(store, await claim(store))
    assert await states(store, [next_one]) == [PENDING]


@pytest.mark.parametrize("kind", [LimitKind.BUCKET, LimitKind.SLIDING, LimitKind.FIXED])
async def test_a_new_job_that_costs_more_than_its_rate_gives_starts_when_all_of_it_is_free(
    store: Store, kind: LimitKind
) -> None:
    rate = FlowKey("rate", "", kind, 2, SECOND, burst=2 if kind is LimitKind.BUCKET else 0)
    await add(store, rules=under(rate))
    await claim(store)
    [large] = await add(store, rules=under(msgspec.structs.replace(rate, cost=5)))
    assert await states(store, [large]) == [HELD]
    await store.promote(9, now_ms=NOW + 10 * SECOND)
    assert await states(store, [large], now_ms=NOW + 10 * SECOND) == [PENDING]


async def test_a_rate_that_became_a_limit_of_concurrency_serves_when_claims_give_room(store: Store) -> None:
    was_a_rate = FlowKey("slots", "", LimitKind.BUCKET, 9, SECOND, burst=9)
    await add(store, 2, rules=under(was_a_rate))
    waits = await add(store, 3, rules=TWO)
    assert await states(store, waits) == [HELD] * 3
    await claim(store, 2)  # of jobs that count no longer: they were told of a rate
    await store.promote(9, now_ms=NOW)
    assert await states(store, waits) == [PENDING, PENDING, HELD]
    await finish(store, await claim(store))
    assert await states(store, waits[2:]) == [PENDING]


async def test_a_limit_of_nothing_lets_nobody_in(store: Store) -> None:
    await add(store, rules=ONE)
    [waits] = await add(store, rules=ONE)
    await tune(store, at_once(0))
    await finish(store, await claim(store))
    assert await states(store, [waits]) == [HELD]
    await tune(store, at_once(1))
    assert await states(store, [waits]) == [PENDING]


async def test_held_jobs_are_counted_and_found(store: Store) -> None:
    jobs = await add(store, 4, rules=ONE)
    counts = await count(store)
    assert (counts.states[PENDING], counts.states[HELD], counts.next_due_ms) == (1, 3, None)
    [page] = await store.scan([JobQuery(states=(HELD,), queues=(QUEUE,))], now_ms=NOW)
    assert sorted(ids(page.jobs)) == sorted(jobs[1:])
    assert {job.held_by for job in page.jobs} == {"slots:"}


async def test_a_thousand_jobs_of_a_hundred_keys_all_get_through(store: Store) -> None:
    keys = [at_once(1 + number % 5, f"k{number}") for number in range(100)]
    jobs = [new_job(rules=under(key)) for _ in range(10) for key in keys]
    await store.insert(jobs, now_ms=NOW)
    for _ in range(10):
        await finish(store, await claim(store, 1000))
    assert (await count(store)).states[State.COMPLETED] == 1000
    assert await store.gauge([MeterAsk(QUEUE)], now_ms=NOW) == [[]]
