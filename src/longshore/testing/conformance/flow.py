"""This module tests concurrency limits: who is held, who is let in when, and that no room is ever lost."""

import msgspec
import pytest

from longshore.core.ids import JobId
from longshore.core.rules import FlowKey, LimitKind
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
    PAUSE,
    Cancel,
    Changes,
    ClaimAsk,
    Delete,
    JobQuery,
    MeterAsk,
    Put,
    Retry,
    Update,
)
from longshore.store.contract import Store
from longshore.store.replies import Inserted, MeterReading, Settled
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
from longshore.testing.conformance.limits import at_once, meter, those, tune, under
from longshore.testing.conformance.steps import (
    LEASE_MS,
    add,
    claim,
    count,
    edit,
    finish,
    ids,
    look,
    order_of_claims,
    put,
    sign_on,
    states,
)

ONE = under(at_once(1))
TWO = under(at_once(2))
HELD, PENDING, RUNNING = State.HELD, State.PENDING, State.RUNNING


def reading(limit: int, used: int, held: int = 0) -> MeterReading:
    """A concurrency limit that stands so."""
    return MeterReading(
        name="slots:",
        kind=LimitKind.CONCURRENCY,
        limit=limit,
        room=limit - used,
        used=used,
        held=held,
        next_ms=None,
    )


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


# ------------------------------------------------------------------------------------------------------------ order


async def test_held_jobs_come_in_by_priority_and_then_in_their_order(store: Store) -> None:
    [first] = await add(store, rules=ONE)
    usual = await add(store, 2, rules=ONE)
    urgent = await add(store, 2, rules=ONE, priority=1)
    came = [first]
    for _ in range(4):
        await finish(store, await claim(store))
        came += await those(store, PENDING, usual + urgent)
    assert came == [first, *urgent, *usual]


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


# ------------------------------------------------------------------------------------- what gives room, what takes it


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


# ----------------------------------------------------------------------------------------------------- several limits


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
    keys: list[FlowKey] = [at_once(1 + number % 5, f"k{number}") for number in range(100)]
    jobs = [new_job(rules=under(key)) for _ in range(10) for key in keys]
    await store.insert(jobs, now_ms=NOW)
    for _ in range(10):
        await finish(store, await claim(store, 1000))
    assert (await count(store)).states[State.COMPLETED] == 1000
    assert await store.gauge([MeterAsk(QUEUE)], now_ms=NOW) == [[]]
