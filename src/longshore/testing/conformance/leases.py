"""This module tests `extend`: how sessions begin, live on and end."""

from longshore.core.states import State
from longshore.store.commands import ClaimAsk, JobQuery, Lease
from longshore.store.contract import Store
from longshore.store.replies import Extended, Settled
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, SESSION
from longshore.testing.conformance.steps import (
    LEASE_MS,
    add,
    claim,
    find,
    finish,
    ids,
    sign_on,
    start,
    states,
)


def lease(session: str = SESSION, *, lease_ms: int = LEASE_MS, opens: bool = False) -> Lease:
    """A sign of life."""
    return Lease(session=session, lease_ms=lease_ms, queues=(QUEUE,), opens=opens)


async def may_claim(store: Store, session: str = SESSION, *, now_ms: int = NOW) -> bool:
    """Whether the session is alive."""
    [answer] = await store.claim([ClaimAsk(QUEUE, 0, session)], now_ms=now_ms)
    return not answer.session_lost


async def test_an_empty_list_is_answered_by_an_empty_list(store: Store) -> None:
    assert await store.extend([], now_ms=NOW) == []


async def test_a_session_begins_when_it_is_opened(store: Store) -> None:
    assert await store.extend([lease(opens=True)], now_ms=NOW) == [Extended(held=True)]
    assert await may_claim(store)


async def test_a_session_that_was_not_opened_is_over(store: Store) -> None:
    assert await store.extend([lease()], now_ms=NOW) == [Extended(held=False)]
    assert not await may_claim(store)


async def test_opening_again_is_harmless(store: Store) -> None:
    jobs = await start(store, 2)
    assert await store.extend([lease(opens=True)], now_ms=NOW + SECOND) == [Extended(held=True)]
    assert await finish(store, jobs) == [Settled.APPLIED] * 2


async def test_a_lease_lasts_for_its_time(store: Store) -> None:
    await store.extend([lease(opens=True, lease_ms=5 * SECOND)], now_ms=NOW)
    assert await may_claim(store, now_ms=NOW + 5 * SECOND - 1)
    assert not await may_claim(store, now_ms=NOW + 5 * SECOND)


async def test_extending_begins_the_lease_anew(store: Store) -> None:
    await store.extend([lease(opens=True, lease_ms=5 * SECOND)], now_ms=NOW)
    assert await store.extend([lease(lease_ms=5 * SECOND)], now_ms=NOW + 4 * SECOND) == [Extended(held=True)]
    assert await may_claim(store, now_ms=NOW + 9 * SECOND - 1)
    assert not await may_claim(store, now_ms=NOW + 9 * SECOND)


async def test_a_session_whose_lease_is_over_lives_on_when_it_is_extended(store: Store) -> None:
    jobs = await start(store, 2)
    late = NOW + LEASE_MS + SECOND
    assert len(await find(store, JobQuery(lost=True), now_ms=late)) == 2
    assert await store.extend([lease()], now_ms=late) == [Extended(held=True)]
    assert await find(store, JobQuery(lost=True), now_ms=late) == []
    assert await may_claim(store, now_ms=late)
    assert await finish(store, jobs, now_ms=late) == [Settled.APPLIED] * 2


async def test_a_session_with_running_jobs_outlives_promote(store: Store) -> None:
    await start(store)
    late = NOW + 100 * LEASE_MS
    await store.promote(100, now_ms=late)
    assert await store.extend([lease()], now_ms=late) == [Extended(held=True)]


async def test_a_session_ends_with_a_lease_of_nothing(store: Store) -> None:
    await store.extend([lease(opens=True)], now_ms=NOW)
    assert await store.extend([lease(lease_ms=0)], now_ms=NOW) == [Extended(held=False)]
    assert not await may_claim(store)


async def test_a_session_that_was_ended_stays_over(store: Store) -> None:
    await start(store)
    await store.extend([lease(lease_ms=0)], now_ms=NOW)
    assert await store.extend([lease()], now_ms=NOW) == [Extended(held=False)]
    assert not await may_claim(store)


async def test_ending_a_session_that_nobody_opened_is_harmless(store: Store) -> None:
    await store.extend([lease(lease_ms=0)], now_ms=NOW)
    assert not await may_claim(store)


async def test_jobs_of_a_session_that_was_ended_are_lost_and_still_running(store: Store) -> None:
    jobs = await start(store, 2)
    await store.extend([lease(lease_ms=0)], now_ms=NOW)
    assert await states(store, ids(jobs)) == [State.RUNNING] * 2
    assert sorted(ids(await find(store, JobQuery(lost=True)))) == sorted(ids(jobs))


async def test_sessions_live_and_end_each_for_itself(store: Store) -> None:
    await sign_on(store, "a", "b")
    answers = await store.extend(
        [lease("b"), lease("nobody"), lease("a", lease_ms=0), lease("c", opens=True)], now_ms=NOW
    )
    assert [answer.held for answer in (answers[0], answers[1], answers[3])] == [True, False, True]
    alive = [await may_claim(store, session) for session in ("a", "b", "nobody", "c")]
    assert alive == [False, True, False, True]


async def test_one_sign_of_life_keeps_all_jobs_of_the_session(store: Store) -> None:
    await add(store, 100)
    await claim(store, 100)
    await store.extend([lease()], now_ms=NOW + LEASE_MS - 1)
    assert await find(store, JobQuery(lost=True), now_ms=NOW + LEASE_MS + SECOND) == []


async def test_five_hundred_sessions_are_extended_in_one_call(store: Store) -> None:
    names = [f"worker-{number}" for number in range(500)]
    await sign_on(store, *names)
    answers = await store.extend([lease(name) for name in names], now_ms=NOW + SECOND)
    assert answers == [Extended(held=True)] * 500
