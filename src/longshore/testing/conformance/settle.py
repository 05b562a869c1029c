"""This module tests `settle`: what each verdict makes of a job, and what is stored with it."""

import pytest

from longshore.core.job import ERRORS_KEPT, JobRecord
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
    retry_at,
)
from longshore.store.commands import Cancel, ClaimAsk
from longshore.store.contract import Store
from longshore.store.replies import Settled
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, new_job, new_jobs, only, settlement
from longshore.testing.conformance.steps import (
    LEASE_MS,
    add,
    claim,
    count,
    edit,
    finish,
    ids,
    look,
    sign_on,
    start,
    states,
)

LATER = NOW + SECOND


async def test_an_empty_list_is_answered_by_an_empty_list(store: Store) -> None:
    assert await store.settle([], now_ms=NOW) == []


@pytest.mark.parametrize(
    ("verdict", "state", "run_ms"),
    [
        (COMPLETED, State.COMPLETED, None),
        (BURIED, State.FAILED, None),
        (POISONED, State.FAILED, None),
        (CANCELLED, State.CANCELLED, None),
        (retry_after(5 * SECOND), State.RETRYING, LATER + 5 * SECOND),
        (retry_at(NOW + 9 * SECOND), State.RETRYING, NOW + 9 * SECOND),
        (crashed(0), State.PENDING, None),
        (crashed(5 * SECOND), State.RETRYING, LATER + 5 * SECOND),
        (RELEASED, State.PENDING, None),
        (released(5 * SECOND), State.SCHEDULED, LATER + 5 * SECOND),
    ],
    ids=repr,
)
async def test_a_job_goes_where_its_verdict_says(
    store: Store, verdict: Verdict, state: State, run_ms: int | None
) -> None:
    [claimed] = await start(store)
    assert await finish(store, [claimed], verdict, now_ms=LATER) == [Settled.APPLIED]
    job = await look(store, claimed.id)
    assert (job.state, job.run_ms, job.updated_ms) == (state, run_ms, LATER)
    assert job.finished_ms == (LATER if state.is_terminal else None)
    assert (job.fence, job.session) == (1, claimed.session)


@pytest.mark.parametrize(
    ("verdict", "counters"),
    [
        (COMPLETED, (0, 0, 0)),
        (CANCELLED, (0, 0, 0)),
        (BURIED, (1, 0, 0)),
        (retry_after(0), (1, 0, 0)),
        (POISONED, (0, 1, 0)),
        (crashed(0), (0, 1, 0)),
        (crashed(SECOND), (0, 1, 0)),
        (RELEASED, (0, 0, 1)),
        (released(SECOND), (0, 0, 1)),
    ],
    ids=repr,
)
async def test_a_verdict_adds_to_the_counter_of_its_charge(
    store: Store, verdict: Verdict, counters: tuple[int, int, int]
) -> None:
    [claimed] = await start(store)
    await finish(store, [claimed], verdict)
    job = await look(store, claimed.id)
    assert (job.failures, job.crashes, job.releases) == counters
    assert job.attempt == 1 - job.releases


async def test_counters_add_up_over_claims_and_reach_the_worker(store: Store) -> None:
    [job] = await start(store)
    for verdict in (retry_after(0), crashed(0), RELEASED, retry_after(0), released(0)):
        await finish(store, [job], verdict)
        await store.promote(10, now_ms=NOW)
        [job] = await claim(store)
    assert (job.fence, job.failures, job.crashes, job.releases, job.attempt) == (6, 2, 1, 2, 4)


async def test_a_time_wins_over_a_delay(store: Store) -> None:
    [claimed] = await start(store)
    await finish(store, [claimed], Verdict(State.RETRYING, delay_ms=SECOND, run_ms=NOW + 7 * SECOND))
    assert (await look(store, claimed.id)).run_ms == NOW + 7 * SECOND


async def test_a_retry_whose_time_has_come_waits_for_the_next_promote(store: Store) -> None:
    [claimed] = await start(store)
    await finish(store, [claimed], retry_at(NOW - SECOND))
    assert await states(store, [claimed.id]) == [State.RETRYING]
    assert (await store.promote(10, now_ms=NOW)).count == 1


async def test_the_result_is_stored(store: Store) -> None:
    with_result, without, empty = await start(store, 3)
    await store.settle(
        [
            settlement(with_result, result=b'"\x00\xff"'),
            settlement(without),
            settlement(empty, result=b""),
        ],
        now_ms=NOW,
    )
    results = [(await look(store, job.id)).result for job in (with_result, without, empty)]
    assert results == [b'"\x00\xff"', None, b""]


async def test_errors_are_kept_oldest_first_and_the_newest_as_a_line(store: Store) -> None:
    [job] = await start(store)
    for number in range(3):
        error = settlement(job, crashed(0), error=b"error %d" % number, error_text=f"Boom: {number}")
        await store.settle([error], now_ms=NOW)
        [job] = await claim(store)
    kept = await look(store, job.id)
    assert kept.errors == (b"error 0", b"error 1", b"error 2")
    assert kept.error_text == "Boom: 2"


async def test_of_many_errors_the_newest_are_kept(store: Store) -> None:
    [job] = await start(store)
    for number in range(ERRORS_KEPT + 2):
        await store.settle([settlement(job, crashed(0), error=b"%d" % number)], now_ms=NOW)
        [job] = await claim(store)
    errors = (await look(store, job.id)).errors
    assert errors == tuple(b"%d" % number for number in range(2, ERRORS_KEPT + 2))


async def test_errors_stay_when_the_job_completes_in_the_end(store: Store) -> None:
    [job] = await start(store)
    await store.settle([settlement(job, crashed(0), error=b"first")], now_ms=NOW)
    await finish(store, await claim(store))
    assert (await look(store, job.id)).errors == (b"first",)


async def test_a_job_that_is_not_kept_is_forgotten_when_it_is_over(store: Store) -> None:
    jobs = await start(store, 4)
    verdicts = (COMPLETED, BURIED, CANCELLED, crashed(0))
    ends = [settlement(job, verdict, keep=False) for job, verdict in zip(jobs, verdicts, strict=True)]
    assert await store.settle(ends, now_ms=NOW) == [Settled.APPLIED] * 4
    assert await states(store, ids(jobs)) == [None, None, None, State.PENDING]
    assert sum((await count(store)).states.values()) == 1


async def test_a_job_that_is_not_kept_may_be_inserted_again(store: Store) -> None:
    [job] = await start(store)
    await store.settle([settlement(job, error=b"e", keep=False)], now_ms=NOW)
    assert await store.insert([new_job(id=job.id)], now_ms=NOW) == ["created"]
    fresh = await look(store, job.id)
    assert (fresh.state, fresh.fence, fresh.errors) == (State.PENDING, 0, ())


@pytest.mark.parametrize("keep", [True, False])
async def test_followers_are_inserted_with_the_settlement(store: Store, *, keep: bool) -> None:
    [job] = await start(store)
    now, later, elsewhere = new_job(), new_job(delay_ms=SECOND), new_job("reports")
    await store.settle([settlement(job, follow=(now, later, elsewhere), keep=keep)], now_ms=NOW)
    assert await states(store, ids([now, later, elsewhere])) == [
        State.PENDING,
        State.SCHEDULED,
        State.PENDING,
    ]
    assert (await look(store, later.id)).run_ms == NOW + SECOND
    assert (await count(store, "reports")).states[State.PENDING] == 1


async def test_followers_come_with_any_verdict(store: Store) -> None:
    [job] = await start(store)
    follower = new_job()
    await store.settle([settlement(job, retry_after(SECOND), follow=(follower,))], now_ms=NOW)
    assert await states(store, [job.id, follower.id]) == [State.RETRYING, State.PENDING]


async def test_a_follower_that_is_there_already_changes_nothing(store: Store) -> None:
    [there] = await add(store, queue="reports")
    [job] = await start(store)
    again = new_job("reports", id=there, payload=b'"other"')
    assert await store.settle([settlement(job, follow=(again,))], now_ms=NOW) == [Settled.APPLIED]
    assert (await look(store, there)).payload == b"{}"


async def test_a_hundred_followers_keep_their_order(store: Store) -> None:
    [job] = await start(store)
    followers = new_jobs(100)
    await store.settle([settlement(job, follow=tuple(followers))], now_ms=NOW)
    assert ids(await claim(store, 100)) == ids(followers)


async def test_a_claim_that_was_asked_to_cancel_is_settled_like_any_other(store: Store) -> None:
    jobs = await start(store, 3)
    await edit(store, Cancel(where=only(*ids(jobs))))
    verdicts = (COMPLETED, CANCELLED, retry_after(SECOND))
    for job, verdict in zip(jobs, verdicts, strict=True):
        assert await finish(store, [job], verdict) == [Settled.APPLIED]
    assert await states(store, ids(jobs)) == [State.COMPLETED, State.CANCELLED, State.RETRYING]


async def test_one_list_may_settle_jobs_of_many_queues_and_sessions(store: Store) -> None:
    running: list[JobRecord] = []
    for number in range(6):
        await sign_on(store, f"worker-{number}", queues=(f"queue-{number % 3}",))
        running += await start(store, 2, f"queue-{number % 3}", session=f"worker-{number}")
    assert await finish(store, running) == [Settled.APPLIED] * 12
    assert set(await states(store, ids(running))) == {State.COMPLETED}


async def test_one_list_settles_each_job_in_its_own_way(store: Store) -> None:
    jobs = await start(store, 40)
    verdicts = [
        retry_after(SECOND),
        COMPLETED,
        crashed(0),
        retry_at(NOW + 9),
        BURIED,
        released(7),
        RELEASED,
        CANCELLED,
    ]
    ends = [
        settlement(
            job,
            verdicts[number % 8],
            result=b"%d" % number if number % 3 else None,
            error=b"e%d" % number if number % 5 else None,
            error_text=f"E {number}" if number % 5 else None,
        )
        for number, job in enumerate(jobs)
    ]
    assert await store.settle(ends, now_ms=NOW) == [Settled.APPLIED] * 40
    due = {0: NOW + SECOND, 3: NOW + 9, 5: NOW + 7}
    for number, job in enumerate(jobs):
        kept, verdict = await look(store, job.id), verdicts[number % 8]
        assert (kept.state, kept.run_ms) == (verdict.state, due.get(number % 8))
        assert kept.result == (b"%d" % number if number % 3 else None)
        assert kept.errors == ((b"e%d" % number,) if number % 5 else ())
        assert kept.error_text == (f"E {number}" if number % 5 else None)
        assert (kept.failures, kept.crashes, kept.releases) == (
            int(number % 8 in {0, 3, 4}),
            int(number % 8 == 2),
            int(number % 8 in {5, 6}),
        )


async def test_a_session_whose_lease_is_over_may_settle_what_it_still_holds(store: Store) -> None:
    [job] = await start(store)
    assert await finish(store, [job], now_ms=NOW + 2 * LEASE_MS) == [Settled.APPLIED]


async def test_a_settled_job_frees_its_session_for_more(store: Store) -> None:
    [first] = await start(store)
    await finish(store, [first])
    second = await add(store)
    [answer] = await store.claim([ClaimAsk(QUEUE, 1, first.session or "")], now_ms=NOW)
    assert ids(answer.jobs) == second
