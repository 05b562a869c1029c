"""This module tests turns: jobs with a fair key are claimed by key in turn, heavier keys more often."""

from collections import Counter

from longshore.core.rules import FairKey, Rules
from longshore.core.states import State
from longshore.core.verdict import RELEASED, Verdict, crashed
from longshore.store.commands import Cancel, Changes, Delete, Retry, Update
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, foreign_job, new_job, only
from longshore.testing.conformance.limits import at_once, under
from longshore.testing.conformance.steps import add, claim, edit, finish, ids, order_of_claims, states


def of(tenant: str, weight: float = 1.0) -> Rules:
    """Jobs of this tenant."""
    return under(fair=tenant, weight=weight)


async def test_tenants_take_turns_however_many_jobs_one_has(store: Store) -> None:
    crowd = await add(store, 6, rules=of("crowd"))
    few = await add(store, 2, rules=of("few"))
    one = await add(store, 1, rules=of("one"))
    assert await order_of_claims(store) == [*crowd[:2], few[0], one[0], crowd[2], few[1], *crowd[3:]]


async def test_a_tenant_that_comes_late_is_served_soon_but_not_for_what_it_missed(store: Store) -> None:
    crowd = await add(store, 20, rules=of("crowd"))
    assert ids(await claim(store, 10)) == crowd[:10]
    late = await add(store, 3, rules=of("late"))
    order = await order_of_claims(store)
    assert order == [crowd[10], crowd[11], late[0], crowd[12], late[1], crowd[13], late[2], *crowd[14:]]


async def test_a_heavier_tenant_is_served_more_often(store: Store) -> None:
    light = await add(store, 40, rules=of("light"))
    heavy = await add(store, 40, rules=of("heavy", 3.0))
    first = ids(await claim(store, 40))
    assert Counter(job in heavy for job in first) in ({True: 30, False: 10}, {True: 31, False: 9})
    assert [job for job in first if job in light] == light[: sum(job in light for job in first)]


async def test_priority_comes_before_turns(store: Store) -> None:
    crowd = await add(store, 3, rules=of("crowd"), priority=1)
    few = await add(store, 1, rules=of("few"))
    assert await order_of_claims(store) == [*crowd, *few]


async def test_jobs_without_a_tenant_come_first(store: Store) -> None:
    fair = await add(store, 2, rules=of("a"))
    plain = await add(store, 2)
    ruled = await add(store, 1, rules=under(at_once(5)))
    assert await order_of_claims(store) == [*plain, *ruled, *fair]


async def test_a_tenant_has_its_turns_in_each_queue_and_priority(store: Store) -> None:
    await add(store, 5, rules=of("a"))
    await add(store, 5, rules=of("a"), priority=5)
    await add(store, 5, "video", rules=of("a"))
    [b] = await add(store, 1, rules=of("b"), priority=5)
    assert (await order_of_claims(store))[7] == b


async def test_a_released_job_goes_back_to_its_place(store: Store) -> None:
    a = await add(store, 3, rules=of("a"))
    b = await add(store, 3, rules=of("b"))
    running = await claim(store, 3)
    await finish(store, running[::-1], RELEASED)
    assert await order_of_claims(store) == [a[0], a[1], b[0], a[2], b[1], b[2]]


async def test_a_job_that_crashed_waits_for_another_turn(store: Store) -> None:
    a = await add(store, 2, rules=of("a"))
    b = await add(store, 2, rules=of("b"))
    await finish(store, await claim(store), crashed(0))
    assert await order_of_claims(store) == [a[1], b[0], b[1], a[0]]


async def test_a_job_that_goes_back_uncharged_waits_for_another_turn(store: Store) -> None:
    a = await add(store, 2, rules=of("a"))
    await finish(store, await claim(store), Verdict(State.PENDING))
    assert await order_of_claims(store) == [a[1], a[0]]


async def test_an_empty_line_goes_on_where_it_was(store: Store) -> None:
    await add(store, 9, rules=of("a"))
    await claim(store, 9)
    a = await add(store, 2, rules=of("a"))
    b = await add(store, 2, rules=of("b"))
    assert await order_of_claims(store) == [a[0], a[1], b[0], b[1]]


async def test_jobs_that_become_due_take_turns(store: Store) -> None:
    a = [new_job(rules=of("a"), run_ms=NOW + number) for number in (1, 2, 3)]
    b = [new_job(rules=of("b"), run_ms=NOW + number) for number in (4, 5)]
    await store.insert([*a, *b], now_ms=NOW)
    await store.promote(9, now_ms=NOW + SECOND)
    order = await order_of_claims(store, now_ms=NOW + SECOND)
    assert order == ids([a[0], a[1], b[0], a[2], b[1]])


async def test_jobs_that_leave_the_line_leave_the_turns_of_others_alone(store: Store) -> None:
    a = await add(store, 4, rules=of("a"))
    b = await add(store, 4, rules=of("b"))
    await edit(store, Cancel(where=only(a[0], b[1])))
    await edit(store, Delete(where=only(b[0])))
    await edit(store, Update(where=only(a[3]), changes=Changes(run_ms=NOW + SECOND)))
    assert await order_of_claims(store) == [a[1], a[2], b[2], b[3]]


async def test_a_retried_job_takes_the_last_turn_of_its_tenant(store: Store) -> None:
    a = await add(store, 3, rules=of("a"))
    b = await add(store, 2, rules=of("b"))
    await edit(store, Cancel(where=only(a[0])))
    await edit(store, Retry(where=only(a[0])))
    assert await order_of_claims(store) == [a[1], b[0], a[2], b[1], a[0]]


async def test_held_jobs_take_turns_when_they_are_let_in(store: Store) -> None:
    rules = Rules(flow=(at_once(2, "a"),), fair=FairKey("a"))
    a = await add(store, 4, rules=rules)
    b = await add(store, 3, rules=of("b"))
    running = await claim(store, 2)
    assert ids(running) == a[:2]
    await finish(store, running[:1])
    assert await order_of_claims(store) == [b[0], b[1], a[2], b[2]]
    assert await states(store, a[3:]) == [State.HELD]


async def test_adopted_jobs_take_turns(store: Store) -> None:
    a = [foreign_job(rules=of("a")) for _ in range(2)]
    b = [foreign_job(rules=of("b"))]
    await store.adopt([*a, *b], now_ms=NOW)
    assert await order_of_claims(store) == ids([a[0], a[1], b[0]])


async def test_nine_small_tenants_are_done_before_a_large_one_has_had_two_hundred(store: Store) -> None:
    crowd = [new_job(rules=of("crowd")) for _ in range(1000)]
    small = [new_job(rules=of(f"small-{number}")) for number in range(9) for _ in range(10)]
    await store.insert(crowd, now_ms=NOW)
    await store.insert(small, now_ms=NOW)
    order = await order_of_claims(store, queue=QUEUE)
    assert max(order.index(job) for job in ids(small)) < 200 + len(small)
