"""This module tests `adopt`: jobs of another store are kept as they are, once, and go on from there."""

import msgspec
import pytest

from longshore.core.errors import InvalidOption
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord
from longshore.core.states import TERMINAL, WAITING_FOR_TIME, State
from longshore.core.verdict import BURIED, COMPLETED
from longshore.store.adopting import ADOPTABLE
from longshore.store.commands import JobQuery, Retry, Settlement
from longshore.store.contract import Store
from longshore.store.replies import Inserted, Settled
from longshore.testing.conformance.jobs import MINUTE, NOW, QUEUE, foreign_job, new_job, only
from longshore.testing.conformance.steps import (
    add,
    claim,
    count,
    edit,
    find,
    finish,
    ids,
    look,
    order_of_claims,
    states,
)

DETAILS = b'{"tags":["red","blue"],"reference":["User","7"],"correlation_id":"c-1"}'
KEPT = ADOPTABLE - {State.HELD, State.BLOCKED}
"""States in which a job stays whatever else is there; a held one asks for room, a blocked one looks at its parents."""
every_state = pytest.mark.parametrize("state", sorted(KEPT), ids=str)


def complete_job(state: State) -> JobRecord:
    """One with a value in every field that it can have."""
    return foreign_job(
        state,
        details=DETAILS,
        result=b"[1]" if state is State.COMPLETED else None,
        progress=0.5,
        progress_note="half way",
        errors=(b"first", b"second"),
        logs=(b"one", b"two", b"three"),
        priority=2,
    )


@every_state
async def test_every_field_is_kept(store: Store, state: State) -> None:
    job = complete_job(state)
    assert await store.adopt([job]) == [Inserted.CREATED]
    assert await look(store, job.id) == job


async def test_an_adopted_job_is_found_by_the_words_in_its_details(store: Store) -> None:
    job = complete_job(State.PENDING)
    await store.adopt([foreign_job(), job])
    for query in (
        JobQuery(tags=("red",)),
        JobQuery(tags=("blue", "red")),
        JobQuery(reference="User:7"),
        JobQuery(correlation_id="c-1"),
    ):
        assert ids(await find(store, query)) == [job.id]


@pytest.mark.parametrize("details", [b"", b"\xff", b"[]", b'{"tags":7}'])
async def test_details_of_somebody_else_are_kept_too(store: Store, details: bytes) -> None:
    job = foreign_job(details=details)
    await store.adopt([job])
    assert (await look(store, job.id)).details == details


async def test_adopted_jobs_are_counted_but_not_as_added(store: Store) -> None:
    await store.adopt([foreign_job(state) for state in KEPT] + [foreign_job()])
    counts = await count(store, minutes=60)
    assert {state for state, number in counts.states.items() if number} == KEPT
    assert counts.states[State.PENDING] == 2
    assert counts.next_due_ms == NOW + MINUTE
    assert counts.minutes == ()
    assert [queue.queue for queue in await store.count(None, now_ms=NOW)] == [QUEUE]


async def test_pending_jobs_line_up_behind_those_that_are_there(store: Store) -> None:
    old = await add(store, 2)
    jobs = [foreign_job() for _ in range(3)]
    jobs.reverse()
    urgent = foreign_job(priority=1)
    await store.adopt([*jobs, urgent])
    young = await add(store)
    assert await order_of_claims(store) == [urgent.id, *old, *ids(jobs), *young]


async def test_a_job_that_is_there_is_a_duplicate_and_stays_as_it_is(store: Store) -> None:
    running = new_job()
    await store.insert([running], now_ms=NOW)
    await claim(store)
    before = await look(store, running.id)
    other = foreign_job()
    replies = await store.adopt([foreign_job(id=running.id), other, foreign_job(State.FAILED, id=other.id)])
    assert replies == [Inserted.DUPLICATE, Inserted.CREATED, Inserted.DUPLICATE]
    assert await look(store, running.id) == before
    assert await states(store, [other.id]) == [State.PENDING]
    counts = await count(store)
    assert sum(counts.states.values()) == 2


async def test_adopting_again_changes_nothing(store: Store) -> None:
    jobs = [complete_job(state) for state in KEPT]
    await store.adopt(jobs)
    assert await store.adopt(jobs) == [Inserted.DUPLICATE] * len(jobs)
    assert {job.id: job for job in await find(store, JobQuery(full=True))} == {job.id: job for job in jobs}


async def test_an_adopted_job_goes_on_from_where_it_was(store: Store) -> None:
    job = complete_job(State.PENDING)
    await store.adopt([job])
    [claimed] = await claim(store)
    assert (claimed.fence, claimed.failures, claimed.crashes, claimed.releases) == (4, 1, 1, 1)
    assert await finish(store, [claimed], BURIED) == [Settled.APPLIED]
    assert (await look(store, job.id)).failures == 2


async def test_its_next_error_stands_behind_the_old_ones(store: Store) -> None:
    await store.adopt([complete_job(State.PENDING)])
    [job] = await claim(store)
    await store.settle(
        [
            Settlement(
                id=job.id, queue=QUEUE, session=job.session or "", fence=4, verdict=BURIED, error=b"third"
            )
        ],
        now_ms=NOW,
    )
    assert (await look(store, job.id)).errors == (b"first", b"second", b"third")


async def test_only_the_newest_errors_and_logs_are_kept(store: Store) -> None:
    errors = tuple(b"%d" % number for number in range(ERRORS_KEPT + 1))
    logs = tuple(b"%d" % number for number in range(LOGS_KEPT + 1))
    job = foreign_job(fence=40, errors=errors, logs=logs)
    await store.adopt([job])
    kept = await look(store, job.id)
    assert (kept.errors, kept.logs) == (errors[1:], logs[1:])


async def test_a_claim_made_elsewhere_cannot_be_settled_here(store: Store) -> None:
    waiting, over = foreign_job(), foreign_job(State.COMPLETED)
    await store.adopt([waiting, over])
    ends = [
        Settlement(id=job.id, queue=QUEUE, session="long-gone", fence=3, verdict=COMPLETED)
        for job in (waiting, over)
    ]
    assert await store.settle(ends, now_ms=NOW) == [Settled.STALE] * 2


@pytest.mark.parametrize("state", sorted(WAITING_FOR_TIME), ids=str)
async def test_an_adopted_job_becomes_pending_when_it_is_due(store: Store, state: State) -> None:
    early, late = foreign_job(state, run_ms=NOW - MINUTE), foreign_job(state)
    await store.adopt([late, early])
    promoted = await store.promote(10, now_ms=NOW)
    assert (promoted.count, promoted.next_due_ms) == (1, NOW + MINUTE)
    assert await states(store, [early.id, late.id]) == [State.PENDING, state]


async def test_a_dead_letter_that_was_adopted_can_be_retried(store: Store) -> None:
    job = complete_job(State.FAILED)
    await store.adopt([job])
    assert (await edit(store, Retry(where=only(job.id)))).ids == (job.id,)
    assert ids(await claim(store)) == [job.id]


@every_state
async def test_a_job_that_was_adopted_can_be_handed_on_to_another_store(store: Store, state: State) -> None:
    job = complete_job(state)
    await store.adopt([job])
    copy = msgspec.structs.replace(await look(store, job.id), id=new_job().id)
    assert await store.adopt([copy]) == [Inserted.CREATED]
    assert await look(store, copy.id) == copy


@pytest.mark.parametrize("state", sorted(set(State) - ADOPTABLE), ids=str)
async def test_a_job_that_somebody_may_still_work_on_is_refused(store: Store, state: State) -> None:
    sound = foreign_job()
    with pytest.raises(InvalidOption, match=state):
        await store.adopt([sound, foreign_job(state)])
    assert await states(store, [sound.id]) == [None]


async def test_jobs_that_are_over_can_be_pruned_by_their_own_age(store: Store) -> None:
    jobs = [foreign_job(state) for state in TERMINAL]
    await store.adopt(jobs)
    old = await find(store, JobQuery(finished_before_ms=NOW))
    assert {job.id for job in old} == set(ids(jobs))
