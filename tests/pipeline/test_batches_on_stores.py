"""Batch tasks through the manager, on every store: each job its own end, and halves of what took its worker down."""

from uuid import uuid4

import pytest

from longshore import ItemResult, Job, JobFailed, QueueManager, RateLimited, Retry
from longshore.batch.halving import Begun, announcement
from longshore.core.ids import format_id
from longshore.store.commands import BATCHES, HALVED, ClaimAsk, Lease, RecordAsk

PLACES = {
    "memory": lambda request: "memory://",
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path') / 'jobs.db'}",
    "postgres": lambda request: f"{request.getfixturevalue('postgres').url}?schema=batches_{uuid4().hex[:8]}",
    "redis": lambda request: (
        f"{request.getfixturevalue('redis_server').url}?prefix=batches-{uuid4().hex[:8]}"
    ),
}


@pytest.fixture(params=sorted(PLACES))
async def manager(request):
    async with QueueManager(PLACES[request.param](request), lease=5, unsafe_store=True) as opened:
        yield opened


async def die(manager, queue, name, batches):
    """A worker that claims everything, begins these batches (of places in its claim) and is gone. Gives the ids."""
    store, session = await manager.store(), f"gone:{uuid4().hex}"
    await store.extend([Lease(session=session, lease_ms=60_000, queues=(queue,), opens=True)])
    [claimed] = await store.claim([ClaimAsk(queue, 100, session)])
    ids = [job.id for job in claimed.jobs]
    begun = tuple(tuple(ids[place] for place in batch) for batch in batches)
    await store.put([announcement(session, Begun(((queue, name),), begun))])
    await store.extend([Lease(session=session, lease_ms=0)])
    return [format_id(each) for each in ids]


async def test_each_job_of_a_batch_has_its_own_end(manager):
    """S0.2, S0.12, B.9."""
    seen = []

    @manager.queue("notify", retry=Retry(2, initial=0.01)).batch_task(size=3, max_wait=0.1, by="kind")
    async def notify(items: list[dict]) -> list[ItemResult | bool]:
        seen.append(sorted(item["n"] for item in items))
        return [item["n"] != 1 and ItemResult(success=True, result=item["n"], error=None) for item in items]

    jobs = await notify.enqueue_many({"kind": n % 2, "n": n} for n in range(5))
    await manager.run_until_empty(timeout=30)
    assert [await jobs[n].result() for n in (0, 2, 3, 4)] == [0, 2, 3, 4]
    with pytest.raises(JobFailed, match="ItemFailed"):
        await jobs[1].result()
    assert (jobs[1].failures, len(jobs[1].errors), jobs[3].failures) == (2, 2, 0)
    assert sorted(seen) == [[0, 2, 4], [1], [1, 3]]


async def test_a_function_that_wants_jobs_gets_them_and_may_answer_by_id(manager):
    """B.9: a dropped job has failed, and order does not matter."""

    @manager.batch_task(queue="notify", size=4, max_wait=0.05, retry=1)
    def notify(jobs: list[Job]) -> dict:
        return {job.id: True for job in reversed(jobs) if job.data != "drop"}

    jobs = await notify.enqueue_many(["a", "drop", "b"])
    await manager.run_until_empty(timeout=30)
    for job in jobs:
        await job.refresh()
    assert [job.state for job in jobs] == ["completed", "failed", "completed"]


async def test_the_jobs_of_a_batch_that_crashed_run_in_halves_and_are_not_charged(manager):
    """B.9: what had not begun is not charged either, and comes back as it was."""
    seen = []

    @manager.queue("notify").batch_task(size=8, max_wait=0.2)
    async def notify(items: list[int]) -> list[bool]:
        seen.append(items)
        return [True] * len(items)

    jobs = await notify.enqueue_many(range(9))
    assert len(await die(manager, "notify", "notify", [range(8)])) == 9
    await manager.run_until_empty(timeout=30)
    sizes = [len(items) for items in seen if 8 not in items]
    assert sizes == [4, 4]
    assert [8] in seen  # it was in no batch: a stranger to the halves
    for job in jobs:
        await job.refresh()
    assert {(job.state, job.crashes, job.failures) for job in jobs} == {("completed", 0, 0)}
    store = await manager.store()
    await manager.shutdown()
    store = await manager.store()
    [halves] = await store.get([RecordAsk(HALVED)])
    assert halves == []


async def test_a_batch_of_one_is_charged_with_its_crash(manager):
    """B.9: the halves end at the guilty one."""
    seen = []

    @manager.queue("notify").batch_task(size=8, max_wait=0.2)
    async def notify(items: list[int]) -> list[bool]:
        seen.append(items)
        return [True] * len(items)

    jobs = await notify.enqueue_many(range(4))
    await die(manager, "notify", "notify", [[0]])
    await manager.run_until_empty(timeout=30)
    for job in jobs:
        await job.refresh()
    assert [(job.state, job.crashes) for job in jobs] == [
        ("completed", 1),
        ("completed", 0),
        ("completed", 0),
        ("completed", 0),
    ]
    assert sorted(seen) == [[0], [1, 2, 3]]


async def test_a_worker_that_runs_batches_says_so_before_they_begin_and_no_longer_when_they_ended(manager):
    said = []

    @manager.queue("notify").batch_task(size=2, max_wait=0.1)
    async def notify(items: list[int]) -> list[bool]:
        [records] = await (await manager.store()).get([RecordAsk(BATCHES)])
        said.extend(records)
        return [True] * len(items)

    await notify.enqueue_many(range(2))
    await manager.run_until_empty(timeout=30)
    assert len(said) == 1
    [left] = await (await manager.store()).get([RecordAsk(BATCHES)])
    assert left == []


async def test_a_batch_that_is_told_to_come_later_does_and_the_next_waits_unbegun(manager):
    """S2.5, B.8: for every job of it, and nothing is charged."""
    seen = []

    @manager.queue("notify").batch_task(size=2, max_wait=0.05, provider="mail")
    async def notify(items: list[int]) -> list[bool]:
        seen.append(items)
        if len(seen) == 1:
            raise RateLimited("mail", retry_after=0.3)
        return [True] * len(items)

    jobs = await notify.enqueue_many(range(4))
    await until_done(manager, jobs)
    assert sorted(item for items in seen[1:] for item in items) == [0, 1, 2, 3]
    assert {(job.state, job.failures, job.crashes) for job in jobs} == {("completed", 0, 0)}
    assert min(job.releases for job in jobs) == 1


async def until_done(manager, jobs):
    """Runs workers until all of these have ended, also those that are scheduled."""
    await manager.start_workers()
    for job in jobs:
        await job.result(timeout=30)
        await job.refresh()


async def test_one_job_of_a_batch_task_can_be_processed_here_and_now(manager):
    """S2.2."""

    @manager.queue("notify").batch_task(size=10, max_wait=60)
    async def notify(items: list[int]) -> list[ItemResult]:
        return [ItemResult(success=True, result=item) for item in items]

    jobs = await notify.enqueue_many(range(2))
    done = await manager.process_job(jobs[1].id)
    assert (done.state, await done.result()) == ("completed", 1)
    await jobs[0].refresh()
    assert jobs[0].state == "pending"
