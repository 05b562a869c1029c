"""This module tests `insert`: what is created, what is a duplicate, and that every field comes back as it went in."""

import string

import pytest

from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.names import LENGTH_LIMIT
from longshore.core.states import State
from longshore.store.commands import JobQuery
from longshore.store.contract import Store
from longshore.store.replies import Inserted
from longshore.testing.conformance.jobs import NOW, SECOND, new_job, new_jobs, only
from longshore.testing.conformance.steps import (
    add,
    claim,
    count,
    find,
    finish,
    ids,
    look,
    order_of_claims,
    start,
    states,
)

EVERY_BYTE = bytes(range(256))


async def test_an_empty_list_is_answered_by_an_empty_list(store: Store) -> None:
    assert await store.insert([], now_ms=NOW) == []


async def test_a_new_job_is_created_and_pending(store: Store) -> None:
    job = new_job()
    assert await store.insert([job], now_ms=NOW) == [Inserted.CREATED]
    assert await states(store, [job.id]) == [State.PENDING]


async def test_every_field_comes_back_as_it_went_in(store: Store) -> None:
    job = new_job(
        "reports",
        name="render",
        payload=b'{"n": 1}',
        priority=1,
        max_attempts=7,
        details=b'{"metadata": {}}',
        tags=("red", "blue"),
        reference="invoice:4711",
        correlation_id="c-1",
    )
    await store.insert([job], now_ms=NOW)
    assert await look(store, job.id) == JobRecord(
        id=job.id,
        queue="reports",
        name="render",
        payload=b'{"n": 1}',
        state=State.PENDING,
        priority=1,
        max_attempts=7,
        created_ms=NOW,
        updated_ms=NOW,
        details=b'{"metadata": {}}',
    )


async def test_replies_stand_in_the_order_of_the_jobs(store: Store) -> None:
    known, first, second = new_jobs(3)
    await store.insert([known], now_ms=NOW)
    replies = await store.insert([first, known, second, first], now_ms=NOW)
    assert replies == [Inserted.CREATED, Inserted.DUPLICATE, Inserted.CREATED, Inserted.DUPLICATE]


async def test_an_insert_that_is_repeated_creates_nothing(store: Store) -> None:
    jobs = new_jobs(5)
    await store.insert(jobs, now_ms=NOW)
    assert await store.insert(jobs, now_ms=NOW + SECOND) == [Inserted.DUPLICATE] * 5
    assert (await count(store)).states[State.PENDING] == 5


async def test_a_duplicate_changes_nothing(store: Store) -> None:
    job = new_job(payload=b'"first"')
    await store.insert([job], now_ms=NOW)
    before = await look(store, job.id)
    twin = new_job(id=job.id, name="other", payload=b'"second"', priority=1, delay_ms=SECOND)
    assert await store.insert([twin], now_ms=NOW + SECOND) == [Inserted.DUPLICATE]
    assert await look(store, job.id) == before


async def test_of_two_jobs_with_one_id_in_a_list_the_first_is_created(store: Store) -> None:
    job_id = new_id()
    twins = [new_job(id=job_id, payload=b"1"), new_job(id=job_id, payload=b"2")]
    assert await store.insert(twins, now_ms=NOW) == [Inserted.CREATED, Inserted.DUPLICATE]
    assert (await look(store, job_id)).payload == b"1"


async def test_the_id_of_a_running_job_and_of_one_that_ended_are_duplicates(store: Store) -> None:
    running, ended = await start(store, 2)
    await finish(store, [ended])
    again = [new_job(id=running.id), new_job(id=ended.id)]
    assert await store.insert(again, now_ms=NOW) == [Inserted.DUPLICATE] * 2
    assert await states(store, [running.id, ended.id]) == [State.RUNNING, State.COMPLETED]


async def test_a_delayed_job_is_scheduled(store: Store) -> None:
    [job_id] = await add(store, delay_ms=5 * SECOND)
    job = await look(store, job_id)
    assert (job.state, job.run_ms) == (State.SCHEDULED, NOW + 5 * SECOND)


async def test_a_time_in_the_future_wins_over_a_delay(store: Store) -> None:
    [job_id] = await add(store, run_ms=NOW + 9 * SECOND, delay_ms=5 * SECOND)
    assert (await look(store, job_id)).run_ms == NOW + 9 * SECOND


@pytest.mark.parametrize("run_ms", [0, NOW - 1, NOW])
async def test_a_job_whose_time_is_not_in_the_future_is_pending(store: Store, run_ms: int) -> None:
    [job_id] = await add(store, run_ms=run_ms, delay_ms=5 * SECOND)
    job = await look(store, job_id)
    assert (job.state, job.run_ms) == (State.PENDING, None)


async def test_times_and_delays_may_be_thousands_of_years(store: Store) -> None:
    end_of_time = 253_402_300_799_999
    [at] = await add(store, run_ms=end_of_time)
    [after] = await add(store, delay_ms=end_of_time - NOW)
    assert [(await look(store, at)).run_ms, (await look(store, after)).run_ms] == [end_of_time] * 2


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x00", b"\xff\xfe", EVERY_BYTE, b"'; DROP TABLE jobs; --", b"\r\n\r\n", b"x" * 1_048_576],
    ids=["empty", "nul", "not utf-8", "every byte", "sql", "line ends", "1 MB"],
)
async def test_a_payload_is_bytes_and_nothing_else(store: Store, payload: bytes) -> None:
    job = new_job(payload=payload, details=payload)
    await store.insert([job], now_ms=NOW)
    [claimed] = await claim(store)
    assert (claimed.payload, claimed.details) == (payload, payload)
    assert (await look(store, job.id)).payload == payload


async def test_details_may_be_missing_or_empty(store: Store) -> None:
    missing, empty = new_job(details=None), new_job(details=b"")
    await store.insert([missing, empty], now_ms=NOW)
    assert [(await look(store, job.id)).details for job in (missing, empty)] == [None, b""]


@pytest.mark.parametrize(
    "name",
    ["a", "_", "A.b:c/d@e+f-g_h", string.ascii_letters + string.digits + "_.:/@+-", "n" * LENGTH_LIMIT],
)
async def test_every_legal_name_names_a_queue_a_task_and_a_tag(store: Store, name: str) -> None:
    job = new_job(name, name=name, tags=(name,))
    await store.insert([job], now_ms=NOW)
    assert ids(await find(store, JobQuery(queues=(name,), names=(name,), tags=(name,)))) == [job.id]
    [claimed] = await claim(store, queue=name, session=name)
    assert (claimed.queue, claimed.name, claimed.session) == (name, name, name)
    assert [counts.queue for counts in await store.count(None, now_ms=NOW)] == [name]


async def test_names_that_differ_in_case_are_different(store: Store) -> None:
    [lower] = await add(store, queue="mail")
    [upper] = await add(store, queue="Mail")
    assert ids(await claim(store, 9, "mail")) == [lower]
    assert ids(await claim(store, 9, "Mail", session="other")) == [upper]


@pytest.mark.parametrize("max_attempts", [None, 0, 1, 2**31 - 1])
async def test_max_attempts_may_be_any_whole_number_or_none(store: Store, max_attempts: int | None) -> None:
    await add(store, max_attempts=max_attempts)
    [claimed] = await claim(store)
    assert claimed.max_attempts == max_attempts


async def test_jobs_of_one_list_keep_their_order(store: Store) -> None:
    jobs = new_jobs(50)
    backwards = jobs[::-1]  # the order of the list counts, not that of the ids
    await store.insert(backwards, now_ms=NOW)
    assert await order_of_claims(store) == ids(backwards)


async def test_a_list_may_hold_jobs_of_many_queues(store: Store) -> None:
    jobs = [new_job(f"queue-{number % 7}") for number in range(70)]
    assert await store.insert(jobs, now_ms=NOW) == [Inserted.CREATED] * 70
    for number in range(7):
        queue = f"queue-{number}"
        assert await order_of_claims(store, queue=queue) == [job.id for job in jobs if job.queue == queue]


async def test_ten_thousand_jobs_are_inserted_in_one_call(store: Store) -> None:
    jobs = new_jobs(10_000)
    assert await store.insert(jobs, now_ms=NOW) == [Inserted.CREATED] * 10_000
    assert (await count(store)).states[State.PENDING] == 10_000
    assert ids(await claim(store, 10_000)) == ids(jobs)


async def test_without_a_given_time_the_store_reads_its_own_clock(store: Store) -> None:
    job = new_job()
    await store.insert([job])
    [page] = await store.scan([only(job.id)])
    assert page.jobs[0].created_ms > NOW
