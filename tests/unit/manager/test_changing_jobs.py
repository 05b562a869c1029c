"""Jobs that are read, updated and deleted by their ids."""

import asyncio
from datetime import UTC, datetime

import pytest

from longshore import (
    InvalidOption,
    JobConflict,
    JobNotFound,
    PayloadError,
    QueueManager,
    Reference,
    State,
    UnknownOption,
)
from longshore.core.clock import ManualClock
from longshore.core.errors import InvalidId
from longshore.core.verdict import Charge, Verdict
from longshore.manager import jobs
from longshore.store.commands import ClaimAsk, Lease, Settlement

NOBODY = "0192f0c1-0000-7000-8000-000000000001"


@pytest.fixture
async def running(manager):
    """A job that a worker of some other process holds."""
    job = await manager.add_job("busy", "long", None)
    store = await manager.store()
    await store.extend([Lease(session="s", lease_ms=60_000, queues=("busy",), opens=True)])
    await store.claim([ClaimAsk("busy", 1, "s")])
    return job


async def test_a_waiting_job_gets_other_data_and_options(manager):
    """S2.3: update_job, and what is not named stays."""
    job = await manager.add_job("q", "t", {"n": 1}, tags=["old"], metadata={"a": 1}, timeout=5)
    at = datetime(2099, 1, 1, tzinfo=UTC)
    updated = await manager.update_job(
        job.id, data={"n": 2}, priority=1, run_at=at, max_attempts=7, tags=["new"], reference=("User", "7")
    )
    assert (updated.data, updated.priority, updated.max_attempts) == ({"n": 2}, 1, 7)
    assert (updated.state, updated.run_at) == (State.SCHEDULED, at)
    assert (updated.tags, updated.reference) == (("new",), Reference("User", "7"))
    assert (updated.metadata, updated.details.timeout) == ({"a": 1}, 5)
    assert [found.id for found in await manager.get_jobs(tags=["new"], reference=("User", "7"))] == [job.id]
    assert await manager.get_jobs(tags=["old"]) == []
    assert (await manager.update_job(job.id, delay=0)).state is State.PENDING


async def test_where_a_job_goes_when_it_dies_can_be_changed(manager):
    job = await manager.add_job("q", "t", None, dead_letter="old")
    assert (await manager.update_job(job.id, dead_letter="new")).details.dead_letter == "new"


async def test_what_a_job_keeps_as_it_was_added_with_is_no_option_of_an_update(manager):
    job = await manager.add_job("q", "t", None)
    for words in ({"unique": True}, {"limit": "5/s"}, {"durability": "fsync"}):
        with pytest.raises(UnknownOption):
            await manager.update_job(job.id, **words)


async def test_retrying_all_that_failed_ends_though_they_fail_again(monkeypatch):
    """S4.7: each once, oldest first."""
    monkeypatch.setattr(jobs, "SCAN_LIMIT", 2)
    clock = ManualClock()
    async with QueueManager("memory://", clock=clock) as manager:
        added = [(await manager.add_job("q", "t", n)).id for n in range(5)]
        engine = await manager.runtime.engines.here()
        await engine.store.extend([Lease(session="s", lease_ms=999_000, queues=("q",), opens=True)])
        await fail_all(engine.store)
        clock.advance(60)
        change = engine.change

        async def change_and_fail_again(edits):
            replies = await change(edits)
            await fail_all(engine.store)
            return replies

        monkeypatch.setattr(engine, "change", change_and_fail_again)
        summary = await asyncio.wait_for(manager.retry_failed(), 30)
    assert [result["id"] for result in summary.results] == sorted(added)


async def fail_all(store):
    """Every pending job fails for good."""
    [claimed] = await store.claim([ClaimAsk("q", 9, "s")])
    failed = Verdict(State.FAILED, Charge.FAILURE)
    await store.settle(
        [
            Settlement(id=job.id, queue="q", session="s", fence=job.fence, verdict=failed)
            for job in claimed.jobs
        ]
    )


async def test_an_update_that_makes_no_sense_changes_nothing(manager):
    """S2.3"""

    @manager.queue("q").task
    async def typed(n: int) -> None: ...

    job = await typed.enqueue(1)
    for words, error in (
        ({"data": {"n": "one"}}, PayloadError),
        ({"prioritty": 1}, UnknownOption),
        ({"priority": 10}, InvalidOption),
    ):
        with pytest.raises(error):
            await manager.update_job(job.id, **words)
    assert (await manager.get_job(job.id)).data == {"n": 1}


async def test_what_runs_or_is_not_there_cannot_be_changed(manager, running):
    """S2.3 S2.7"""
    assert await manager.has_running("long")
    assert not await manager.has_running("short")
    with pytest.raises(JobConflict, match="running and cannot be updated"):
        await manager.update_job(running.id, priority=1)
    with pytest.raises(JobConflict, match="running and cannot be deleted"):
        await manager.delete_job(running.id)
    with pytest.raises(JobNotFound):
        await manager.update_job(NOBODY, priority=1)
    with pytest.raises(InvalidId):
        await manager.get_job("mine")
    assert await manager.get_job(NOBODY) is None


async def test_a_deleted_job_is_gone(manager):
    """S2.3"""
    job = await manager.add_job("q", "t", None)
    assert await manager.delete_job(job.id)
    assert await manager.get_job(job.id) is None
    assert not await job.delete()


async def test_jobs_are_searched_in_pages_and_by_the_seeds_words(manager, running):
    """S4.7 S3.20: get_jobs and get_jobs_by_status."""
    await manager.add_bulk("q", [{"name": f"t{n % 2}", "data": {"word": f"w{n}"}} for n in range(25)])
    late = await manager.add_job("q", "later", None, delay=60)
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = await manager.get_jobs(queue="q", state="pending", limit=10, cursor=cursor)
        seen += [job.id for job in page]
        cursor, pages = page.cursor, pages + 1
    assert (len(seen), len(set(seen)), pages) == (25, 25, 3)
    assert len(await manager.get_jobs(name="t1")) == 12
    assert [job.data for job in await manager.get_jobs(text="W17")] == [{"word": "w17"}]
    assert [job.id for job in await manager.get_jobs_by_status("delayed")] == [late.id]
    assert [job.id for job in await manager.get_jobs_by_status("processing", 5)] == [running.id]
    assert len(await manager.get_jobs(state=["pending", State.SCHEDULED])) == 26
    with pytest.raises(InvalidOption, match="waiting"):
        await manager.get_jobs_by_status("pendin")
    with pytest.raises(InvalidOption, match="cursor"):
        await manager.get_jobs(limit=5000)


async def test_a_handle_shows_itself_in_a_line(manager):
    job = await manager.add_job("q", "t", None)
    assert repr(job) == f"<Job {job.id} q/t pending>"
    assert job._repr_html_() == f"<code>{job.id}</code> q/t · <b>pending</b>"
    assert (job.args, job.kwargs, job.workflow_id, job.failed_providers) == ((), {}, None, ())
