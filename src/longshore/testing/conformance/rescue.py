"""This module tests rescues: how the jobs of a session that is over are found, and settled by somebody else."""

from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.core.verdict import POISONED, Verdict, crashed
from longshore.store.commands import ClaimAsk, JobQuery, Lease
from longshore.store.contract import Store
from longshore.store.replies import Claimed, Extended, Settled
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, SESSION, settlement
from longshore.testing.conformance.steps import (
    LEASE_MS,
    add,
    claim,
    find,
    finish,
    ids,
    look,
    start,
    states,
)

LATE = NOW + LEASE_MS
"""The moment in which the lease of a session that began NOW is over."""


async def rescue(
    store: Store, jobs: list[JobRecord], verdict: Verdict | None = None, *, now_ms: int = LATE
) -> list[Settled]:
    """Settles jobs of sessions that may be over."""
    ends = [settlement(job, verdict or crashed(0), if_lost=True) for job in jobs]
    return await store.settle(ends, now_ms=now_ms)


async def test_jobs_of_a_session_whose_lease_is_over_are_lost(store: Store) -> None:
    lost = await start(store, 3)
    [kept] = await start(store, 1, session="alive", now_ms=LATE)
    await add(store, 2)
    found = await find(store, JobQuery(lost=True), now_ms=LATE)
    assert sorted(ids(found)) == sorted(ids(lost))
    assert {(job.session, job.fence) for job in found} == {(SESSION, 1)}
    assert await find(store, JobQuery(lost=True, ids=(kept.id,)), now_ms=LATE) == []


async def test_no_job_of_a_living_session_is_lost(store: Store) -> None:
    await start(store, 3)
    assert await find(store, JobQuery(lost=True), now_ms=LATE - 1) == []
    assert len(await find(store, JobQuery(lost=True), now_ms=LATE)) == 3


async def test_a_lost_job_is_rescued_and_runs_again(store: Store) -> None:
    lost = await start(store, 2)
    assert await rescue(store, lost) == [Settled.APPLIED] * 2
    again = await claim(store, 5, session="worker-2", now_ms=LATE)
    assert [(job.id, job.fence, job.crashes) for job in again] == [(job.id, 2, 1) for job in lost]


async def test_a_job_of_a_living_session_is_not_rescued(store: Store) -> None:
    [job] = await start(store)
    assert await rescue(store, [job], now_ms=NOW + LEASE_MS - 1) == [Settled.STALE]
    assert await states(store, [job.id]) == [State.RUNNING]
    assert await store.claim([ClaimAsk(QUEUE, 1, SESSION)], now_ms=NOW) == [Claimed([])]


async def test_a_session_that_was_extended_in_time_is_not_rescued_from(store: Store) -> None:
    [job] = await start(store)
    [found] = await find(store, JobQuery(lost=True), now_ms=LATE)
    await store.extend([Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,))], now_ms=LATE)
    assert await rescue(store, [found]) == [Settled.STALE]
    assert await finish(store, [job], now_ms=LATE) == [Settled.APPLIED]


async def test_after_a_rescue_the_session_is_over_for_good(store: Store) -> None:
    lost = await start(store, 2)
    await rescue(store, lost[:1])
    extended = await store.extend([Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,))], now_ms=LATE)
    assert extended == [Extended(held=False)]
    assert await store.claim([ClaimAsk(QUEUE, 1, SESSION)], now_ms=LATE) == [Claimed([], session_lost=True)]
    assert await rescue(store, lost[1:]) == [Settled.APPLIED]


async def test_the_old_worker_cannot_settle_what_was_rescued(store: Store) -> None:
    [job] = await start(store)
    await rescue(store, [job])
    assert await finish(store, [job], now_ms=LATE) == [Settled.STALE]
    [again] = await claim(store, session="worker-2", now_ms=LATE)
    assert await finish(store, [job], now_ms=LATE) == [Settled.STALE]
    assert await finish(store, [again], now_ms=LATE) == [Settled.APPLIED]


async def test_what_the_old_worker_settled_first_is_not_rescued(store: Store) -> None:
    [job] = await start(store)
    await finish(store, [job], now_ms=LATE)
    assert await rescue(store, [job]) == [Settled.STALE]
    assert await states(store, [job.id]) == [State.COMPLETED]


async def test_the_old_worker_may_settle_what_was_not_rescued_yet(store: Store) -> None:
    first, second = await start(store, 2)
    await rescue(store, [first])
    assert await finish(store, [second], now_ms=LATE) == [Settled.APPLIED]
    assert (await look(store, second.id)).crashes == 0


async def test_a_rescue_that_is_repeated_is_answered_applied(store: Store) -> None:
    lost = await start(store, 2)
    assert await rescue(store, lost) == [Settled.APPLIED] * 2
    assert await rescue(store, lost, now_ms=LATE + SECOND) == [Settled.APPLIED] * 2
    assert [(await look(store, job.id)).crashes for job in lost] == [1, 1]


async def test_a_rescue_may_bury(store: Store) -> None:
    [job] = await start(store)
    assert await rescue(store, [job], POISONED) == [Settled.APPLIED]
    assert await states(store, [job.id]) == [State.FAILED]


async def test_rescued_jobs_go_to_the_tail(store: Store) -> None:
    lost = await start(store, 2)
    waiting = await add(store, 1)
    await rescue(store, lost)
    assert await claim(store, 0, session="worker-2", now_ms=LATE) == []
    [answer] = await store.claim([ClaimAsk(QUEUE, 9, "worker-2")], now_ms=LATE)
    assert ids(answer.jobs) == [*waiting, *ids(lost)]


async def test_one_list_may_rescue_from_sessions_that_are_over_and_spare_the_living(store: Store) -> None:
    dead = await start(store, 2, session="dead")
    alive = await start(store, 2, session="alive", now_ms=LATE)
    ended = await start(store, 2, session="ended", now_ms=LATE)
    await store.extend([Lease(session="ended", lease_ms=0, queues=(QUEUE,))], now_ms=LATE)
    replies = await rescue(store, [dead[0], alive[0], ended[0], dead[1], alive[1], ended[1]])
    applied, stale = Settled.APPLIED, Settled.STALE
    assert replies == [applied, stale, applied, applied, stale, applied]


async def test_the_lost_can_be_read_page_by_page_and_by_queue(store: Store) -> None:
    lost = await start(store, 7)
    await start(store, 2, "reports", session="other")
    found = await find(store, JobQuery(lost=True, queues=(QUEUE,), limit=2), now_ms=LATE)
    assert sorted(ids(found)) == sorted(ids(lost))
