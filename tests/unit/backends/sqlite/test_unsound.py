"""Rows that somebody's hand has spoilt break no page and no claim of their queue."""

import apsw
import pytest

from longshore.backends.sqlite.store import SqliteStore
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.store.commands import Cancel, ClaimAsk, Delete, JobQuery, Lease


@pytest.fixture
async def store(tmp_path):
    opened = SqliteStore(tmp_path / "jobs.db")
    await opened.open()
    yield opened
    await opened.close()


async def add(store, count=3, **fields):
    jobs = [NewJob(id=new_id(), queue="q", name="t", payload=b"{}", **fields) for _ in range(count)]
    await store.insert(jobs)
    return [job.id for job in jobs]


def spoil(store, statement, *parameters):
    """What a hand does with a tool of its own."""
    connection = apsw.Connection(store.url.removeprefix("sqlite:///"))
    connection.execute(statement, parameters)
    connection.close()


async def claim(store):
    await store.extend([Lease(session="s", lease_ms=60_000, opens=True)])
    [claimed] = await store.claim([ClaimAsk("q", 10, "s")])
    return [job.id for job in claimed.jobs]


async def page(store, **query):
    [found] = await store.scan([JobQuery(full=True, **query)])
    return {job.id: job for job in found.jobs}


BAD_NAME = "UPDATE job SET name = CAST(x'66ff6f' AS TEXT) WHERE id = ?"
TEXT_ID = "UPDATE job SET id = '0192f0c1-0000-7000-8000-000000000001' WHERE id = ?"


@pytest.mark.parametrize(
    ("hand", "reason"), [(BAD_NAME, "its name is not valid UTF-8"), (TEXT_ID, "its id is not 16 bytes")]
)
async def test_a_pending_job_that_cannot_be_run_is_put_aside_and_the_others_are_claimed(store, hand, reason):
    first, bad, last = await add(store)
    spoil(store, hand, bad)
    assert await claim(store) == [first, last]
    [aside] = (await page(store, states=(State.FAILED,))).values()
    assert reason in aside.error_text
    [counts] = await store.count(["q"])
    assert (counts.states[State.PENDING], counts.states[State.FAILED]) == (0, 1)


async def test_a_line_of_nothing_but_bad_names_is_put_aside(store):
    for job_id in await add(store, 30):
        spoil(store, BAD_NAME, job_id)
    assert await claim(store) == []
    assert len(await page(store, states=(State.FAILED,))) in {10, 30}


async def test_a_page_shows_a_name_that_is_not_utf_8_as_far_as_it_can(store):
    first, bad, last = await add(store)
    spoil(store, BAD_NAME, bad)
    found = await page(store)
    assert {job_id: job.name for job_id, job in found.items()} == {
        first: "t",
        bad: "f\N{REPLACEMENT CHARACTER}o",
        last: "t",
    }


@pytest.mark.parametrize("state", [42, -3, "paused"])
async def test_a_state_that_there_is_not_is_shown_as_failed_with_the_reason(store, state):
    first, bad, last = await add(store)
    spoil(store, "UPDATE job SET state = ?2 WHERE id = ?1", bad, state)
    found = await page(store)
    assert found.keys() == {first, bad, last}
    assert found[bad].state is State.FAILED
    assert repr(state) in found[bad].error_text
    assert await claim(store) == [first, last]


async def test_an_id_that_is_a_text_is_shown_as_that_uuid(store):
    [bad] = await add(store, 1)
    spoil(store, TEXT_ID, bad)
    assert [job_id.hex() for job_id in await page(store)] == ["0192f0c1000070008000000000000001"]


async def test_a_queue_that_is_not_utf_8_stops_no_promotion(store):
    good, bad = await add(store, 2, delay_ms=1)
    spoil(store, "UPDATE job SET queue = CAST(x'ff' AS TEXT) WHERE id = ?", bad)
    await store.promote(10, now_ms=2_000_000_000_000)
    assert await claim(store) == [good]
    assert "its queue is not valid UTF-8" in (await page(store))[bad].error_text


async def test_a_spoilt_job_can_be_cancelled_and_deleted(store):
    [bad] = await add(store, 1)
    spoil(store, BAD_NAME, bad)
    [cancelled] = await store.change([Cancel(where=JobQuery(ids=(bad,)))])
    assert cancelled.ids == (bad,)
    [deleted] = await store.change([Delete(where=JobQuery(queues=("q",)))])
    assert deleted.ids == (bad,)
    assert not await page(store)
