"""This module tests rates: what is reserved by pending jobs, spent by claims, and given back by time."""

import pytest

from longshore.core.rules import LimitKind
from longshore.core.states import State
from longshore.core.verdict import RELEASED
from longshore.store.commands import Cancel, Changes, Update
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import MINUTE, NOW, QUEUE, SECOND, only
from longshore.testing.conformance.limits import a_second, at_once, meter, tune, under
from longshore.testing.conformance.steps import add, claim, edit, finish, ids, look, order_of_claims, states

HELD, PENDING, RUNNING = State.HELD, State.PENDING, State.RUNNING
THREE = under(a_second(10, burst=3))
every_kind = pytest.mark.parametrize("kind", [LimitKind.SLIDING, LimitKind.FIXED, LimitKind.BUCKET], ids=str)


async def test_as_many_as_the_burst_become_pending(store: Store) -> None:
    jobs = await add(store, 5, rules=THREE)
    assert await states(store, jobs) == [PENDING] * 3 + [HELD] * 2
    told = await meter(store, "rate:")
    assert told is not None
    assert (told.kind, told.limit, told.per_ms, told.burst) == (LimitKind.BUCKET, 10, SECOND, 3)
    assert (told.room, told.used, told.held, told.next_ms) == (0, 3, 2, None)


async def test_time_gives_nothing_while_all_of_the_burst_is_reserved(store: Store) -> None:
    jobs = await add(store, 5, rules=THREE)
    assert (await store.promote(9, now_ms=NOW + MINUTE)).next_due_ms is None
    assert await states(store, jobs) == [PENDING] * 3 + [HELD] * 2


async def test_after_claims_time_lets_the_next_in(store: Store) -> None:
    jobs = await add(store, 5, rules=THREE)
    await claim(store, 3)
    told = await meter(store, "rate:")
    assert told is not None
    assert (told.room, told.used, told.held, told.next_ms) == (0, 0, 2, NOW + 100)
    early = await store.promote(9, now_ms=NOW + 99)
    assert (early.count, early.queues, early.next_due_ms) == (0, (), NOW + 100)
    on_time = await store.promote(9, now_ms=NOW + 100)
    assert (on_time.count, on_time.queues, on_time.next_due_ms, on_time.more) == (
        0,
        (QUEUE,),
        NOW + 200,
        False,
    )
    assert await states(store, jobs) == [RUNNING] * 3 + [PENDING, HELD]
    assert (await look(store, jobs[3])).updated_ms == NOW + 100


async def test_the_end_of_a_job_gives_nothing_of_a_rate_back(store: Store) -> None:
    jobs = await add(store, 4, rules=THREE)
    await finish(store, await claim(store, 3))
    assert await states(store, jobs[3:]) == [HELD]


async def test_a_pending_job_that_goes_gives_back_what_it_had_reserved(store: Store) -> None:
    jobs = await add(store, 4, rules=THREE)
    await edit(store, Cancel(where=only(jobs[0])))
    assert await states(store, jobs) == [State.CANCELLED] + [PENDING] * 3


async def test_a_released_job_has_spent_and_asks_again(store: Store) -> None:
    [first] = await add(store, rules=under(a_second(10)))
    await finish(store, await claim(store), RELEASED)
    assert await states(store, [first]) == [HELD]
    await store.promote(9, now_ms=NOW + 100)
    assert await order_of_claims(store, now_ms=NOW + 100) == [first]


async def test_a_job_that_comes_finds_what_time_gave_though_nobody_promoted(store: Store) -> None:
    jobs = await add(store, 5, rules=THREE)
    await claim(store, 3)
    [late] = await add(store, rules=THREE, now_ms=NOW + 150)
    assert await states(store, [*jobs, late]) == [RUNNING] * 3 + [PENDING, HELD, HELD]


@every_kind
async def test_no_more_than_the_limit_starts_in_a_second(store: Store, kind: LimitKind) -> None:
    jobs = await add(store, 12, rules=under(a_second(4, burst=4, kind=kind)))
    started = await claim(store, 99)
    assert ids(started) == jobs[:4]
    await store.promote(9, now_ms=NOW + 1)
    assert await claim(store, 99, now_ms=NOW + 1) == []


@pytest.mark.parametrize(
    ("kind", "again_ms"),
    [(LimitKind.FIXED, 1000), (LimitKind.SLIDING, 1050), (LimitKind.BUCKET, 250)],
    ids=str,
)
async def test_each_kind_of_rate_gives_again_at_its_time(
    store: Store, kind: LimitKind, again_ms: int
) -> None:
    await add(store, 12, rules=under(a_second(4, burst=4, kind=kind)))
    await claim(store, 99)
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + again_ms
    await store.promote(9, now_ms=NOW + again_ms - 1)
    assert await claim(store, 99, now_ms=NOW + again_ms - 1) == []
    await store.promote(9, now_ms=NOW + again_ms)
    expected = 1 if kind is LimitKind.BUCKET else 4
    assert len(await claim(store, 99, now_ms=NOW + again_ms)) == expected


async def test_a_large_job_waits_until_time_has_given_enough(store: Store) -> None:
    await add(store, rules=under(a_second(10, burst=5, cost=5)))
    [large] = await add(store, rules=under(a_second(10, burst=5, cost=3)))
    [small] = await add(store, rules=under(a_second(10, burst=5)))
    await claim(store)
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + 300
    await store.promote(9, now_ms=NOW + 299)
    assert await states(store, [large, small]) == [HELD, HELD]
    await store.promote(9, now_ms=NOW + 300)
    assert await states(store, [large, small]) == [PENDING, HELD]


async def test_the_next_time_is_that_of_the_first_in_order(store: Store) -> None:
    await add(store, rules=under(a_second(10, burst=5, cost=5)))
    [large] = await add(store, rules=under(a_second(10, burst=5, cost=4)))
    await claim(store)
    await add(store, rules=under(a_second(10, burst=5, cost=2)), priority=0)
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + 200
    await edit(store, Update(where=only(large), changes=Changes(priority=0)))
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + 400


async def test_the_next_time_is_the_earliest_of_jobs_and_meters(store: Store) -> None:
    await add(store, 2, rules=under(a_second(10)))
    await add(store, 2, "video", rules=under(a_second(20)))
    for queue in (QUEUE, "video"):
        await claim(store, queue=queue)
    [job_id] = await add(store, delay_ms=20)
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + 20
    await edit(store, Cancel(where=only(job_id)))
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + 50
    promoted = await store.promote(9, now_ms=NOW + 50)
    assert (promoted.queues, promoted.next_due_ms) == (("video",), NOW + 100)


async def test_a_rate_and_a_concurrency_limit_hold_together(store: Store) -> None:
    both = under(at_once(1), a_second(10, burst=2))
    jobs = await add(store, 4, rules=both)
    for started in range(2):
        running = await claim(store, 9)
        assert ids(running) == [jobs[started]]
        await finish(store, running)
    assert (await look(store, jobs[2])).held_by == "rate:"
    assert await meter(store) is None
    await store.promote(9, now_ms=NOW + 100)
    assert ids(await claim(store, 9, now_ms=NOW + 100)) == [jobs[2]]


async def test_a_rate_that_is_raised_gives_earlier(store: Store) -> None:
    jobs = await add(store, 3, rules=under(a_second(1)))
    await claim(store)
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + SECOND
    assert await tune(store, a_second(1, burst=2)) == 1
    assert await states(store, jobs) == [RUNNING, PENDING, HELD]


async def test_a_rate_that_is_raised_gives_back_faster_what_was_spent(store: Store) -> None:
    jobs = await add(store, 5, rules=under(a_second(1, burst=3)))
    await claim(store, 3)
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + SECOND
    await tune(store, a_second(10, burst=3))
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + 100
    await store.promote(9, now_ms=NOW + 100)
    assert await states(store, jobs) == [RUNNING] * 3 + [PENDING, HELD]


async def test_a_rate_that_is_lowered_gives_nothing_for_it(store: Store) -> None:
    jobs = await add(store, 5, rules=under(a_second(10, burst=3)))
    await claim(store, 3)
    await tune(store, a_second(1, burst=2))
    assert await states(store, jobs) == [RUNNING] * 3 + [HELD, HELD]
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + SECOND


async def test_what_was_spent_is_forgotten_when_it_is_given_back(store: Store) -> None:
    await add(store, 3, rules=THREE)
    await finish(store, await claim(store, 3))
    assert await meter(store, "rate:", now_ms=NOW + 299) is not None
    assert await meter(store, "rate:", now_ms=NOW + 300) is None
    assert await tune(store, a_second(1), now_ms=NOW + 300) == 0
