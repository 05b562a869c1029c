"""This module tests the fences of `settle`: only the newest claim counts, and a repeat is harmless."""

import msgspec
import pytest

from longshore.core.ids import JobId, new_id
from longshore.core.job import JobRecord
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
from longshore.store.commands import Cancel, Delete, Retry
from longshore.store.contract import Store
from longshore.store.replies import Settled
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, new_job, only, settlement
from longshore.testing.conformance.steps import add, claim, count, edit, finish, ids, look, start, states

VERDICTS = [
    COMPLETED,
    BURIED,
    POISONED,
    CANCELLED,
    retry_after(SECOND),
    crashed(0),
    crashed(SECOND),
    RELEASED,
    released(SECOND),
]
STILL_WAITING = [verdict for verdict in VERDICTS if not verdict.state.is_terminal]


async def test_another_session_cannot_settle(store: Store) -> None:
    [job] = await start(store)
    assert await store.settle([settlement(job, session="thief")], now_ms=NOW) == [Settled.STALE]
    assert await states(store, [job.id]) == [State.RUNNING]


@pytest.mark.parametrize("fence", [0, 1, 3])
async def test_another_fence_cannot_settle(store: Store, fence: int) -> None:
    [first] = await start(store)
    await finish(store, [first], crashed(0))
    [job] = await claim(store)
    before = await look(store, job.id)
    late = settlement(
        job, BURIED, fence=fence, error=b"late", error_text="late", follow=(new_job("reports"),)
    )
    assert await store.settle([late], now_ms=NOW) == [Settled.STALE]
    assert await look(store, job.id) == before
    assert sum((await count(store, "reports")).states.values()) == 0


async def test_a_job_that_was_never_claimed_cannot_be_settled(store: Store) -> None:
    pending, scheduled = *(await add(store)), *(await add(store, delay_ms=SECOND))
    for job_id, state in ((pending, State.PENDING), (scheduled, State.SCHEDULED)):
        job = await look(store, job_id)
        assert await store.settle([settlement(job)], now_ms=NOW) == [Settled.STALE]
        assert await states(store, [job_id]) == [state]


async def test_a_job_that_is_not_there_cannot_be_settled(store: Store) -> None:
    nobody = JobRecord(
        id=new_id(), queue=QUEUE, name="x", payload=b"", state=State.RUNNING, priority=3, fence=1, session="s"
    )
    follower = new_job()
    assert await store.settle([settlement(nobody, follow=(follower,))], now_ms=NOW) == [Settled.STALE]
    assert await states(store, [nobody.id, follower.id]) == [None, None]


async def test_a_stale_settlement_spoils_nothing_around_it(store: Store) -> None:
    first, stolen, last = await start(store, 3)
    ends = [settlement(first), settlement(stolen, session="thief"), settlement(last, BURIED)]
    assert await store.settle(ends, now_ms=NOW) == [Settled.APPLIED, Settled.STALE, Settled.APPLIED]
    assert await states(store, ids([first, stolen, last])) == [State.COMPLETED, State.RUNNING, State.FAILED]


@pytest.mark.parametrize("verdict", VERDICTS, ids=repr)
async def test_a_crowd_that_ends_alike_is_judged_one_by_one(store: Store, verdict: Verdict) -> None:
    """A store may settle those that say the same in one statement: their fences still count, each its own."""
    waiting = await look(store, (await add(store, queue="reports"))[0])
    crowd = await start(store, 9)
    assert await finish(store, crowd[:3], verdict) == [Settled.APPLIED] * 3
    alone = [await look(store, job.id) for job in crowd[:3]]
    thieves = [settlement(job, verdict, session="thief") for job in crowd[3:]]
    assert await store.settle(thieves, now_ms=NOW) == [Settled.STALE] * 6
    late = [settlement(job, verdict, fence=2) for job in crowd[3:]]
    assert await store.settle(late, now_ms=NOW) == [Settled.STALE] * 6
    strangers = msgspec.structs.replace(waiting, session=crowd[0].session, fence=1)
    replies = await finish(store, [*crowd[3:], strangers], verdict)
    assert replies == [Settled.APPLIED] * 6 + [Settled.STALE]
    assert await look(store, waiting.id) == waiting
    for job in crowd[3:]:
        found = await look(store, job.id)
        assert _without_place(found) in [_without_place(one) for one in alone]
    other = COMPLETED if verdict.state is not State.COMPLETED else BURIED
    assert await finish(store, crowd, other) == [Settled.STALE] * 9
    assert sum((await count(store)).states.values()) == 9


def _without_place(job: JobRecord) -> JobRecord:
    return msgspec.structs.replace(job, id=JobId(b""), payload=b"")


@pytest.mark.parametrize("verdict", VERDICTS, ids=repr)
async def test_a_repeat_is_answered_applied_and_changes_nothing(store: Store, verdict: Verdict) -> None:
    [job] = await start(store)
    follower = new_job("reports")
    end = settlement(job, verdict, result=b"1", error=b"e", error_text="E", follow=(follower,))
    assert await store.settle([end], now_ms=NOW) == [Settled.APPLIED]
    before = await look(store, job.id)
    assert await store.settle([end], now_ms=NOW + SECOND) == [Settled.APPLIED]
    assert await look(store, job.id) == before
    assert (await count(store, "reports")).states[State.PENDING] == 1


@pytest.mark.parametrize("verdict", VERDICTS, ids=repr)
async def test_a_claim_that_ended_cannot_end_otherwise(store: Store, verdict: Verdict) -> None:
    [job] = await start(store)
    await finish(store, [job], verdict)
    before = await look(store, job.id)
    other = BURIED if verdict.state is not State.FAILED else COMPLETED
    assert await finish(store, [job], other, now_ms=NOW + SECOND) == [Settled.STALE]
    assert await look(store, job.id) == before


async def test_a_settlement_that_stands_twice_in_a_list_is_applied_once(store: Store) -> None:
    [job] = await start(store)
    end = settlement(job, retry_after(SECOND), error=b"e")
    assert await store.settle([end, end], now_ms=NOW) == [Settled.APPLIED] * 2
    kept = await look(store, job.id)
    assert (kept.failures, kept.errors) == (1, (b"e",))


async def test_of_two_ends_in_a_list_the_first_counts(store: Store) -> None:
    [job] = await start(store)
    ends = [settlement(job, COMPLETED), settlement(job, BURIED)]
    assert await store.settle(ends, now_ms=NOW) == [Settled.APPLIED, Settled.STALE]
    assert await states(store, [job.id]) == [State.COMPLETED]


@pytest.mark.parametrize("verdict", STILL_WAITING, ids=repr)
async def test_a_repeat_after_a_new_claim_is_stale(store: Store, verdict: Verdict) -> None:
    [job] = await start(store)
    await finish(store, [job], verdict)
    await store.promote(10, now_ms=NOW + SECOND)
    [newer] = await claim(store, now_ms=NOW + SECOND)
    assert await finish(store, [job], verdict, now_ms=NOW + SECOND) == [Settled.STALE]
    assert await states(store, [job.id]) == [State.RUNNING]
    assert await finish(store, [newer], now_ms=NOW + SECOND) == [Settled.APPLIED]


@pytest.mark.parametrize("verdict", STILL_WAITING, ids=repr)
async def test_a_repeat_after_a_promote_is_answered_applied(store: Store, verdict: Verdict) -> None:
    [job] = await start(store)
    await finish(store, [job], verdict)
    await store.promote(10, now_ms=NOW + SECOND)
    before = await look(store, job.id)
    assert await finish(store, [job], verdict, now_ms=NOW + SECOND) == [Settled.APPLIED]
    assert await look(store, job.id) == before


@pytest.mark.parametrize("verdict", [BURIED, CANCELLED, retry_after(SECOND)], ids=repr)
async def test_a_repeat_after_somebody_retried_the_job_is_answered_applied(
    store: Store, verdict: Verdict
) -> None:
    [job] = await start(store)
    await finish(store, [job], verdict)
    await edit(store, Retry(where=only(job.id)))
    assert await finish(store, [job], verdict) == [Settled.APPLIED]
    assert await states(store, [job.id]) == [State.PENDING]


async def test_a_repeat_after_somebody_cancelled_the_job_is_answered_applied(store: Store) -> None:
    [job] = await start(store)
    await finish(store, [job], retry_after(SECOND))
    await edit(store, Cancel(where=only(job.id)))
    assert await finish(store, [job], retry_after(SECOND)) == [Settled.APPLIED]
    assert await states(store, [job.id]) == [State.CANCELLED]


async def test_a_repeat_after_the_job_was_deleted_is_stale(store: Store) -> None:
    [job] = await start(store)
    follower = new_job()
    end = settlement(job, follow=(follower,))
    await store.settle([end], now_ms=NOW)
    await edit(store, Delete(where=only(job.id, follower.id)))
    assert await store.settle([end], now_ms=NOW) == [Settled.STALE]
    assert await states(store, [job.id, follower.id]) == [None, None]


async def test_a_repeat_does_not_bring_back_a_follower_that_is_gone(store: Store) -> None:
    [job] = await start(store)
    follower = new_job("reports")
    end = settlement(job, follow=(follower,))
    await store.settle([end], now_ms=NOW)
    await edit(store, Delete(where=only(follower.id)))
    assert await store.settle([end], now_ms=NOW) == [Settled.APPLIED]
    assert await states(store, [follower.id]) == [None]


async def test_the_fence_goes_on_over_a_new_life(store: Store) -> None:
    [job] = await start(store)
    await finish(store, [job], BURIED)
    await edit(store, Retry(where=only(job.id)))
    [again] = await claim(store)
    assert again.fence == 2
    assert await finish(store, [job], BURIED) == [Settled.STALE]
    assert await finish(store, [again]) == [Settled.APPLIED]
