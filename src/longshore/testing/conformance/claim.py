"""This module tests `claim`: who gets which jobs, in which order, and what a claimed job carries."""

import pytest

from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.core.verdict import crashed, released, retry_after
from longshore.store.commands import PAUSE, Cancel, Changes, ClaimAsk, Delete, Lease, Put, Retry, Update
from longshore.store.contract import Store
from longshore.store.replies import Claimed
from longshore.testing.conformance.every_state import one_in_every_state
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, SESSION, new_job, only
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
    start,
    states,
)


async def test_an_empty_list_is_answered_by_an_empty_list(store: Store) -> None:
    assert await store.claim([], now_ms=NOW) == []


async def test_a_claimed_job_carries_what_a_worker_needs(store: Store) -> None:
    job = new_job(name="render", payload=b"[1]", priority=2, max_attempts=4, details=b"{}", tags=("red",))
    await store.insert([job], now_ms=NOW)
    [claimed] = await claim(store, now_ms=NOW + SECOND)
    carried = JobRecord(
        id=job.id,
        queue=QUEUE,
        name="render",
        payload=b"[1]",
        state=State.RUNNING,
        priority=2,
        max_attempts=4,
        fence=1,
        session=SESSION,
        created_ms=NOW,
        details=b"{}",
    )
    assert needed(claimed) == needed(carried)
    assert claimed.attempt == 1


def needed(job: JobRecord) -> list[object]:
    """The fields up to `details`, which are those that `claim` fills."""
    names = list(JobRecord.__struct_fields__)
    return [getattr(job, name) for name in names[: names.index("details") + 1]]


async def test_a_claimed_job_is_running_under_its_session(store: Store) -> None:
    [claimed] = await start(store, now_ms=NOW)
    job = await look(store, claimed.id)
    assert (job.state, job.fence, job.session) == (State.RUNNING, 1, SESSION)
    assert (job.started_ms, job.updated_ms, job.finished_ms) == (NOW, NOW, None)


async def test_a_job_is_claimed_once(store: Store) -> None:
    await start(store)
    assert await claim(store) == []
    assert await claim(store, session="worker-2") == []


async def test_every_claim_raises_the_fence_by_one(store: Store) -> None:
    [job] = await start(store)
    for fence in range(2, 6):
        await finish(store, [job], crashed(0))
        [job] = await claim(store)
        assert (job.fence, job.crashes) == (fence, fence - 1)


async def test_lower_priorities_come_first_and_equal_ones_in_their_order(store: Store) -> None:
    jobs = [new_job(priority=number * 7 % 10) for number in range(40)]
    await store.insert(jobs, now_ms=NOW)
    assert await order_of_claims(store) == ids(sorted(jobs, key=lambda job: job.priority))


async def test_a_job_of_a_better_priority_overtakes_those_that_wait(store: Store) -> None:
    [late] = await add(store, priority=5)
    [first] = await add(store, priority=0, now_ms=NOW + SECOND)
    assert await order_of_claims(store) == [first, late]


async def test_jobs_are_claimed_in_the_order_of_their_inserts_whatever_their_ids(store: Store) -> None:
    older, newer = new_job(), new_job()
    await store.insert([newer], now_ms=NOW)
    await store.insert([older], now_ms=NOW)
    assert await order_of_claims(store) == [newer.id, older.id]


async def test_a_job_that_crashed_goes_to_the_tail(store: Store) -> None:
    first, second = await add(store, 2)
    await finish(store, await claim(store), crashed(0))
    assert await order_of_claims(store) == [second, first]


async def test_a_job_that_was_promoted_goes_to_the_tail(store: Store) -> None:
    first, second = await add(store, 2)
    await finish(store, await claim(store), retry_after(SECOND))
    await store.promote(10, now_ms=NOW + SECOND)
    assert await order_of_claims(store) == [second, first]


async def test_a_job_that_somebody_retries_goes_to_the_tail(store: Store) -> None:
    first, second = await add(store, 2)
    await finish(store, await claim(store), retry_after(SECOND))
    await edit(store, Retry(where=only(first)))
    assert await order_of_claims(store) == [second, first]


async def test_a_released_job_goes_back_to_its_old_place(store: Store) -> None:
    jobs = [job_id for _ in range(5) for job_id in await add(store)]
    held = await claim(store, 4)
    for number in (2, 0, 3, 1):
        await finish(store, [held[number]], released(0))
    assert await order_of_claims(store) == jobs


async def test_a_released_job_that_is_cancelled_or_deleted_leaves_its_place(store: Store) -> None:
    first, second, third, fourth = await add(store, 4)
    await finish(store, await claim(store, 3), released(0))
    await edit(store, Cancel(where=only(first)))
    await edit(store, Delete(where=only(second)))
    assert (await count(store)).oldest_pending_ms == NOW
    assert await order_of_claims(store) == [third, fourth]


async def test_a_job_released_after_a_delay_goes_to_the_tail(store: Store) -> None:
    first, second = await add(store, 2)
    await finish(store, await claim(store), released(SECOND))
    await store.promote(10, now_ms=NOW + SECOND)
    assert await order_of_claims(store) == [second, first]


async def test_a_job_with_a_new_priority_stands_among_those_of_that_priority(store: Store) -> None:
    first, second, third = await add(store, 3)
    await edit(store, Update(where=only(third), changes=Changes(priority=1)))
    await edit(store, Update(where=only(first), changes=Changes(priority=7)))
    assert await order_of_claims(store) == [third, second, first]


@pytest.mark.parametrize("wanted", [0, 1, 5])
async def test_an_ask_gets_at_most_its_count(store: Store, wanted: int) -> None:
    jobs = await add(store, 7)
    assert ids(await claim(store, wanted)) == jobs[:wanted]


async def test_an_ask_for_more_than_there_is_gets_what_there_is(store: Store) -> None:
    jobs = await add(store, 3)
    assert ids(await claim(store, 1000)) == jobs


async def test_a_queue_that_nobody_knows_has_no_jobs(store: Store) -> None:
    await sign_on(store, SESSION, queues=("nowhere",))
    assert await store.claim([ClaimAsk("nowhere", 5, SESSION)], now_ms=NOW) == [Claimed([])]


async def test_replies_stand_in_the_order_of_the_asks(store: Store) -> None:
    mail = await add(store, 3, "mail")
    [report] = await add(store, 1, "reports")
    await sign_on(store, "a", "b", queues=("mail", "reports", "empty"))
    asks = [
        ClaimAsk("reports", 5, "a"),
        ClaimAsk("mail", 2, "nobody"),
        ClaimAsk("mail", 2, "b"),
        ClaimAsk("empty", 5, "a"),
        ClaimAsk("mail", 5, "a"),
    ]
    claimed = await store.claim(asks, now_ms=NOW)
    assert [ids(answer.jobs) for answer in claimed] == [[report], [], mail[:2], [], mail[2:]]
    assert [answer.session_lost for answer in claimed] == [False, True, False, False, False]
    assert [job.session for answer in claimed for job in answer.jobs] == ["a", "b", "b", "a"]


async def test_jobs_that_wait_for_a_time_are_not_claimed_even_when_it_has_come(store: Store) -> None:
    await add(store, delay_ms=SECOND)
    assert await claim(store, now_ms=NOW + 2 * SECOND) == []


async def test_a_session_that_was_never_opened_gets_nothing_and_is_told(store: Store) -> None:
    jobs = await add(store)
    assert await store.claim([ClaimAsk(QUEUE, 5, "nobody")], now_ms=NOW) == [Claimed([], session_lost=True)]
    assert await states(store, jobs) == [State.PENDING]


async def test_a_session_whose_lease_is_over_gets_nothing_and_is_told(store: Store) -> None:
    await add(store)
    await sign_on(store, SESSION)
    lost = await store.claim([ClaimAsk(QUEUE, 5, SESSION)], now_ms=NOW + LEASE_MS)
    assert lost == [Claimed([], session_lost=True)]
    [kept] = await store.claim([ClaimAsk(QUEUE, 5, SESSION)], now_ms=NOW + LEASE_MS - 1)
    assert len(kept.jobs) == 1


async def test_a_session_that_was_ended_gets_nothing_and_is_told(store: Store) -> None:
    await add(store)
    await sign_on(store, SESSION)
    await store.extend([Lease(session=SESSION, lease_ms=0, queues=(QUEUE,))], now_ms=NOW)
    assert await store.claim([ClaimAsk(QUEUE, 5, SESSION)], now_ms=NOW) == [Claimed([], session_lost=True)]


async def test_an_ask_for_one_job_gets_it_wherever_it_stands_in_line(store: Store) -> None:
    jobs = await add(store, 5)
    await sign_on(store, SESSION)
    [answer] = await store.claim([ClaimAsk(QUEUE, 1, SESSION, id=jobs[3])], now_ms=NOW)
    assert [(job.id, job.fence, job.session) for job in answer.jobs] == [(jobs[3], 1, SESSION)]
    assert await finish(store, answer.jobs, released(0)) == ["applied"]
    assert await order_of_claims(store) == jobs


async def test_an_ask_for_one_job_gets_it_even_while_its_queue_is_paused(store: Store) -> None:
    wanted, other = await add(store, 2)
    await put(store, Put(kind=PAUSE, key=QUEUE, value=b"{}"))
    await sign_on(store, SESSION)
    [answer] = await store.claim([ClaimAsk(QUEUE, 1, SESSION, id=wanted)], now_ms=NOW)
    assert ids(answer.jobs) == [wanted]
    assert await states(store, [other]) == [State.PENDING]


async def test_an_ask_for_one_job_gets_nothing_where_that_job_cannot_be_claimed(store: Store) -> None:
    by_state = await one_in_every_state(store)
    [elsewhere] = await add(store, queue="reports")
    await sign_on(store, SESSION, queues=(QUEUE, "reports"))
    wanted = [
        *(job_id for state, job_id in by_state.items() if state is not State.PENDING),
        elsewhere,
        new_id(),
    ]
    asks = [ClaimAsk(QUEUE, 5, SESSION, id=job_id) for job_id in wanted]
    asks.append(ClaimAsk(QUEUE, 0, SESSION, id=by_state[State.PENDING]))
    assert await store.claim(asks, now_ms=NOW) == [Claimed([])] * len(asks)
    stranger = ClaimAsk(QUEUE, 1, "nobody", id=by_state[State.PENDING])
    assert await store.claim([stranger], now_ms=NOW) == [Claimed([], session_lost=True)]


async def test_a_paused_queue_gives_nothing_until_it_is_resumed(store: Store) -> None:
    jobs = await add(store, 2)
    await put(store, Put(kind=PAUSE, key=QUEUE, value=b"{}"))
    await sign_on(store, SESSION)
    assert await store.claim([ClaimAsk(QUEUE, 5, SESSION)], now_ms=NOW) == [Claimed([])]
    await put(store, Put(kind=PAUSE, key=QUEUE, value=None))
    assert ids(await claim(store, 5)) == jobs


async def test_a_pause_is_over_with_its_time(store: Store) -> None:
    jobs = await add(store)
    await put(store, Put(kind=PAUSE, key=QUEUE, value=b"", ttl_ms=SECOND))
    assert await claim(store, now_ms=NOW + SECOND - 1) == []
    assert ids(await claim(store, now_ms=NOW + SECOND)) == jobs


async def test_a_pause_holds_one_queue_and_only_claims(store: Store) -> None:
    [running] = await start(store)
    await put(store, Put(kind=PAUSE, key=QUEUE, value=b"{}"))
    waiting = await add(store)
    elsewhere = await add(store, queue="reports")
    assert await finish(store, [running]) == ["applied"]
    assert await states(store, waiting) == [State.PENDING]
    await sign_on(store, SESSION, queues=(QUEUE, "reports"))
    answers = await store.claim([ClaimAsk(QUEUE, 5, SESSION), ClaimAsk("reports", 5, SESSION)], now_ms=NOW)
    assert [ids(answer.jobs) for answer in answers] == [[], elsewhere]


async def test_a_record_of_another_kind_pauses_nothing(store: Store) -> None:
    jobs = await add(store)
    await put(store, Put(kind="schedule", key=QUEUE, value=b"{}"))
    assert ids(await claim(store)) == jobs


async def test_a_new_claim_begins_without_the_wish_to_cancel(store: Store) -> None:
    [job] = await start(store)
    await edit(store, Cancel(where=only(job.id)))
    assert (await look(store, job.id)).cancel_requested
    await finish(store, [job], crashed(0))
    await claim(store)
    assert not (await look(store, job.id)).cancel_requested
    [extended] = await store.extend([Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,))], now_ms=NOW)
    assert extended.cancel == ()
