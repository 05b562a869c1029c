"""This module tests `change` where it gives jobs new values."""

import asyncio

import pytest

from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.core.verdict import retry_after
from longshore.store.commands import Changes, JobQuery, Update
from longshore.store.contract import Store
from longshore.store.replies import Changed
from longshore.testing.conformance.every_state import one_in_every_state
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, new_job, only
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
    start,
    states,
)

SOON = NOW + SECOND


async def retrying_job(store: Store) -> JobId:
    """A job that waits for its next attempt."""
    [job] = await start(store)
    await finish(store, [job], retry_after(9 * SECOND))
    return job.id


async def test_every_value_can_be_changed_and_the_others_stay(store: Store) -> None:
    job = new_job(payload=b"1", priority=2, max_attempts=3, details=b"{}", tags=("red",), reference="a")
    await store.insert([job], now_ms=NOW)
    before = await look(store, job.id)
    changes = Changes(payload=b"2", priority=4, max_attempts=None, details=None)
    assert await edit(store, Update(where=only(job.id), changes=changes), now_ms=SOON) == Changed((job.id,))
    after = await look(store, job.id)
    assert (after.payload, after.priority, after.max_attempts, after.details) == (b"2", 4, None, None)
    assert (after.name, after.created_ms, after.updated_ms) == (before.name, NOW, SOON)


async def test_unset_leaves_the_old_value(store: Store) -> None:
    job = new_job(
        payload=b"1", priority=2, max_attempts=3, details=b"{}", delay_ms=SECOND, correlation_id="c"
    )
    await store.insert([job], now_ms=NOW)
    before = await look(store, job.id)
    await edit(store, Update(where=only(job.id), changes=Changes(payload=b"2")))
    after = await look(store, job.id)
    after.payload = b"1"
    assert after == before
    assert ids(await find(store, JobQuery(correlation_id="c"))) == [job.id]


async def test_a_worker_gets_the_new_values(store: Store) -> None:
    [job_id] = await add(store)
    await edit(
        store, Update(where=only(job_id), changes=Changes(payload=b"2", max_attempts=9, details=b"[]"))
    )
    [claimed] = await claim(store)
    assert (claimed.payload, claimed.max_attempts, claimed.details) == (b"2", 9, b"[]")


async def test_new_search_keys_replace_the_old_ones(store: Store) -> None:
    job = new_job(tags=("red", "round"), reference="old", correlation_id="old")
    await store.insert([job], now_ms=NOW)
    changes = Changes(tags=("blue", "round"), reference="new", correlation_id=None)
    await edit(store, Update(where=only(job.id), changes=changes))
    finds = [JobQuery(tags=("blue",)), JobQuery(tags=("round",)), JobQuery(reference="new")]
    misses = [JobQuery(tags=("red",)), JobQuery(reference="old"), JobQuery(correlation_id="old")]
    assert [ids(await find(store, query)) for query in finds] == [[job.id]] * 3
    assert [ids(await find(store, query)) for query in misses] == [[]] * 3


async def test_running_jobs_and_those_that_are_over_keep_their_values(store: Store) -> None:
    by_state = await one_in_every_state(store)
    fixed = [by_state[state] for state in (State.RUNNING, State.COMPLETED, State.FAILED, State.CANCELLED)]
    before = [await look(store, job_id) for job_id in fixed]
    update = Update(where=only(*by_state.values()), changes=Changes(payload=b'"new"'))
    changed = await edit(store, update)
    assert set(changed.ids) == set(by_state.values()) - set(fixed)
    assert [await look(store, job_id) for job_id in fixed] == before


async def test_a_pending_job_with_a_time_in_the_future_becomes_scheduled(store: Store) -> None:
    [job_id] = await add(store)
    await edit(store, Update(where=only(job_id), changes=Changes(run_ms=SOON)))
    job = await look(store, job_id)
    assert (job.state, job.run_ms) == (State.SCHEDULED, SOON)
    assert await claim(store) == []
    assert (await store.promote(10, now_ms=SOON)).count == 1
    assert ids(await claim(store, now_ms=SOON)) == [job_id]


async def test_a_scheduled_job_gets_another_time(store: Store) -> None:
    [job_id] = await add(store, delay_ms=9 * SECOND)
    await edit(store, Update(where=only(job_id), changes=Changes(run_ms=SOON)))
    job = await look(store, job_id)
    assert (job.state, job.run_ms) == (State.SCHEDULED, SOON)
    assert (await count(store)).next_due_ms == SOON


async def test_a_retrying_job_with_another_time_stays_retrying(store: Store) -> None:
    job_id = await retrying_job(store)
    await edit(store, Update(where=only(job_id), changes=Changes(run_ms=SOON)))
    job = await look(store, job_id)
    assert (job.state, job.run_ms, job.failures) == (State.RETRYING, SOON, 1)


@pytest.mark.parametrize("run_ms", [0, NOW])
async def test_a_job_whose_new_time_is_not_in_the_future_becomes_pending(store: Store, run_ms: int) -> None:
    retrying = await retrying_job(store)
    [scheduled] = await add(store, delay_ms=9 * SECOND)
    [waiting] = await add(store)
    for job_id in (retrying, scheduled):
        await edit(store, Update(where=only(job_id), changes=Changes(run_ms=run_ms)))
        job = await look(store, job_id)
        assert (job.state, job.run_ms) == (State.PENDING, None)
    assert await order_of_claims(store) == [waiting, retrying, scheduled]


async def test_a_job_that_waits_for_a_time_takes_its_new_priority_along(store: Store) -> None:
    [scheduled] = await add(store, delay_ms=SECOND)
    [waiting] = await add(store)
    await edit(store, Update(where=only(scheduled), changes=Changes(priority=0)))
    await store.promote(10, now_ms=SOON)
    assert await order_of_claims(store, now_ms=SOON) == [scheduled, waiting]


async def test_an_update_by_query_changes_all_that_it_finds(store: Store) -> None:
    jobs = await add(store, 4)
    [elsewhere] = await add(store, queue="reports")
    changed = await edit(store, Update(where=JobQuery(queues=(QUEUE,)), changes=Changes(payload=b"2")))
    assert set(changed.ids) == set(jobs)
    assert {(await look(store, job_id)).payload for job_id in jobs} == {b"2"}
    assert (await look(store, elsewhere)).payload == b"{}"


async def test_an_update_that_is_repeated_leaves_the_same_values(store: Store) -> None:
    [job_id] = await add(store)
    update = Update(where=only(job_id), changes=Changes(run_ms=SOON, priority=1, tags=("red",)))
    await edit(store, update)
    before = await look(store, job_id)
    await edit(store, update)
    assert await look(store, job_id) == before
    assert ids(await find(store, JobQuery(tags=("red",)))) == [job_id]


async def test_an_update_that_names_the_old_payload_changes_no_other(store: Store) -> None:
    job = new_job(payload=b"1")
    await store.insert([job], now_ms=NOW)
    stale = JobQuery(ids=(job.id,), payload=b"0")
    assert await edit(store, Update(where=stale, changes=Changes(payload=b"2"))) == Changed(())
    fresh = JobQuery(ids=(job.id,), payload=b"1")
    assert await edit(store, Update(where=fresh, changes=Changes(payload=b"2"))) == Changed((job.id,))
    assert (await look(store, job.id)).payload == b"2"


async def test_no_change_is_lost_of_many_who_name_what_they_have_read(store: Store) -> None:
    job = new_job(payload=b"0")
    await store.insert([job], now_ms=NOW)

    async def count_up() -> None:
        changed = Changed(())
        while not changed.ids:
            old = (await look(store, job.id)).payload
            where = JobQuery(ids=(job.id,), payload=old)
            changed = await edit(store, Update(where=where, changes=Changes(payload=b"%d" % (int(old) + 1))))

    await asyncio.gather(*(count_up() for _ in range(8)))
    assert (await look(store, job.id)).payload == b"8"


async def test_one_list_may_update_many_jobs_each_in_its_way(store: Store) -> None:
    jobs = await add(store, 10)
    updates = [
        Update(where=only(job_id), changes=Changes(payload=b"%d" % number, priority=9 - number))
        for number, job_id in enumerate(jobs)
    ]
    assert await store.change(updates, now_ms=NOW) == [Changed((job_id,)) for job_id in jobs]
    assert await states(store, jobs) == [State.PENDING] * 10
    claimed = await claim(store, 10)
    assert [job.payload for job in claimed] == [b"%d" % number for number in range(9, -1, -1)]
