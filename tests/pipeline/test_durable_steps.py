"""Durable steps, sleeps and signals: what a task has done is not done again. On every store."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import pytest

from longshore import JobContext, JobNotFound, QueueManager, Retry, State, Workflow
from longshore.core.clock import SystemClock
from longshore.core.workflow_errors import WorkflowNotFound
from servers import running

clock = SystemClock()
SOON = Retry(5, initial=0.01, jitter=False)


@pytest.fixture(params=["memory", "sqlite", "postgres", "redis", "cluster"])
def url(request, tmp_path):
    """Of an empty store."""
    place = running.name_for(tmp_path)
    return {
        "memory": lambda: f"memory://{uuid4().hex}",
        "sqlite": lambda: f"sqlite:///{tmp_path}/jobs.db",
        "postgres": lambda: f"{running.postgres().url}?schema={place}",
        "redis": lambda: f"{running.redis().url}?prefix={place}",
        "cluster": lambda: f"{running.cluster().url}?prefix={place}",
    }[request.param]()


@pytest.fixture
async def manager(url):
    async with QueueManager(url, grace=5) as opened:
        yield opened


class Breaking(Exception):
    """What a task of these tests raises on purpose."""


class Times:
    """How often something was done, and a way to fail once."""

    def __init__(self):
        self.done = []
        self._failed = set()

    async def do(self, what: str) -> str:
        self.done.append(what)
        return what.upper()

    def fail_once(self, where):
        if where not in self._failed:
            self._failed.add(where)
            raise Breaking(where)


@dataclass
class Receipt:
    """A result with a type."""

    number: int
    lines: tuple[str, ...]


async def until_it_waits(job, code):
    """Waits until the job was let go of, for a reason of this code."""
    while (said := await job.explain()).code != code:
        await clock.sleep(0.02)
    return said


async def test_a_step_that_was_done_is_not_done_again_after_a_failure(manager):
    """B.12"""
    times = Times()

    @manager.task(queue="q", retry=SOON)
    async def work(ctx: JobContext) -> list[str]:
        first = await ctx.step("first", times.do, "a")
        times.fail_once("after the first")
        second = await ctx.step("second", times.do, first + "b")
        times.fail_once("after the second")
        return [first, second]

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(30) == ["A", "AB"]
    assert times.done == ["a", "Ab"]
    await job.refresh()
    assert job.failures == 2
    assert [(step.name, step.kind, step.attempt, step.value) for step in await job.steps()] == [
        ("first", "step", 1, "A"),
        ("second", "step", 2, "AB"),
    ]


async def test_a_name_that_comes_again_is_numbered(manager):
    """B.12"""
    times = Times()

    @manager.task(queue="q", retry=SOON)
    async def work(ctx: JobContext) -> list[str]:
        found = [await ctx.step("each", times.do, what) for what in "abc"]
        times.fail_once("then")
        return found

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(30) == ["A", "B", "C"]
    assert times.done == ["a", "b", "c"]
    assert [step.name for step in await job.steps()] == ["each", "each#2", "each#3"]


async def test_steps_at_once_are_each_recorded(manager):
    """B.12"""
    times = Times()

    @manager.task(queue="q", retry=SOON)
    async def work(ctx: JobContext) -> list[str]:
        found = await asyncio.gather(*(ctx.step("each", times.do, f"{n}") for n in range(20)))
        times.fail_once("then")
        return found

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(30) == [f"{n}" for n in range(20)]
    assert sorted(times.done) == sorted(f"{n}" for n in range(20))


async def test_a_step_that_is_given_a_coroutine_says_what_it_takes(manager):
    """S3.4: `ctx.step("charge", charge(7))` is the likeliest mistake."""

    async def charge(order: int) -> None: ...

    @manager.task(queue="orders", retry=1)
    async def fulfil(ctx: JobContext) -> None:
        await ctx.step("charge", charge(7))

    job = await fulfil.enqueue()
    await manager.run_until_empty()
    await job.refresh()
    assert job.state is State.FAILED
    assert "ctx.step('charge', function, 7)" in job.errors[-1].message


async def test_a_result_comes_back_in_its_type(manager):
    """B.12"""
    seen = []

    def receipt() -> Receipt:
        return Receipt(7, ("a", "b"))

    @manager.task(queue="q", retry=SOON)
    async def work(ctx: JobContext) -> None:
        seen.append(await ctx.step("receipt", receipt))
        if len(seen) == 1:
            raise Breaking

    job = await work.enqueue()
    await manager.start_workers()
    await job.result(30)
    assert seen == [Receipt(7, ("a", "b"))] * 2


async def test_a_job_that_sleeps_leaves_its_slot_to_others_and_comes_back(manager):
    """B.12"""
    times = Times()
    slept = asyncio.Event()

    @manager.task(queue="q")
    async def sleeper(ctx: JobContext) -> str:
        await ctx.step("before", times.do, "before")
        slept.set()
        await ctx.sleep(1.5)
        return await ctx.step("after", times.do, "after")

    @manager.task(queue="q")
    async def other() -> str:
        return "ran meanwhile"

    job = await sleeper.enqueue()
    await manager.start_workers(concurrency=1)
    await slept.wait()
    said = await until_it_waits(job, "sleeping")
    assert said.startswith("It sleeps until ")
    assert await (await other.enqueue()).result(30) == "ran meanwhile"
    assert await job.result(30) == "AFTER"
    assert times.done == ["before", "after"]
    await job.refresh()
    assert (job.attempt, job.failures, job.releases) == (1, 0, 1)
    [step] = [step for step in await job.steps() if step.kind == "sleep"]
    assert (step.until - step.started_at).total_seconds() == 1.5


async def test_a_signal_wakes_the_job_that_waits_for_it(manager, url):
    """B.12"""

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> object:
        return await ctx.wait_for("approved", timeout=3600)

    job = await work.enqueue()
    await manager.start_workers()
    said = await until_it_waits(job, "waiting")
    assert said.startswith("It waits for event 'approved', until ")
    await manager.signal(job, "other", 1)
    async with QueueManager(url) as elsewhere:
        assert await elsewhere.signal(job.id, "approved", {"by": "ann"})
    assert await job.result(30) == {"by": "ann"}
    assert not await manager.signal(job, "approved")


async def test_signals_that_come_early_are_kept_and_each_is_for_one_wait(manager):
    """B.12"""
    times = Times()

    @manager.task(queue="q", retry=SOON)
    async def work(ctx: JobContext) -> list[object]:
        found = [await ctx.wait_for("item")]
        times.fail_once("between")
        return [*found, await ctx.wait_for("item"), await ctx.wait_for("item", timeout=0.1 + 3600)]

    job = await work.enqueue()
    for number in range(3):
        assert await manager.signal(job, "item", number)
    await manager.start_workers()
    assert await job.result(30) == [0, 1, 2]
    assert [(step.name, step.value) for step in await job.steps()] == [
        ("item", 0),
        ("item#2", 1),
        ("item#3", 2),
    ]


async def test_a_wait_that_timed_out_has_timed_out_in_every_later_attempt(manager):
    """B.12"""
    times, outcomes = Times(), []

    @manager.task(queue="q", retry=SOON)
    async def work(ctx: JobContext) -> None:
        try:
            outcomes.append(await ctx.wait_for("never", timeout=0.05))
        except TimeoutError:
            outcomes.append("timed out")
        times.fail_once("then")
        await ctx.wait_for("go")

    job = await work.enqueue()
    await manager.start_workers()
    await until_it_waits(job, "waiting")
    await manager.signal(job, "never", "too late")
    await manager.signal(job, "go")
    await job.result(30)
    assert set(outcomes) == {"timed out"}
    [never, _] = await job.steps()
    assert never.timed_out


async def test_many_signals_sent_while_jobs_let_go_of_their_slots_are_all_heard(manager):
    """B.12: no moment between the look for a signal and the end of the attempt in which one is lost."""
    rounds, count = 5, 20

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> list[int]:
        return [await ctx.wait_for("number", timeout=3600) for _ in range(rounds)]

    jobs = await work.enqueue_many([()] * count)
    await manager.start_workers(concurrency=4)

    async def send(job):
        for number in range(rounds):
            await manager.signal(job, "number", number)

    await asyncio.gather(*map(send, jobs))
    assert [await job.result(60) for job in jobs] == [list(range(rounds))] * count


async def test_what_is_recorded_goes_with_the_job(manager):
    """B.12"""
    from longshore.steps.entries import BUCKETS, bucket, steps_of
    from longshore.steps.forgetting import sweep
    from longshore.store.commands import RecordAsk

    @manager.task(queue="q")
    async def work(ctx: JobContext, n: int) -> int:
        return await ctx.step("one", int, "1")

    goes, stays = await work.enqueue(1), await work.enqueue(2)
    await manager.signal(goes, "unheard")
    await manager.start_workers()
    assert [await goes.result(30), await stays.result(30)] == [1, 1]
    await goes.delete()
    store = await manager.store()
    for number in range(BUCKETS):
        await sweep(store, number)
    with pytest.raises(JobNotFound):
        await goes.steps()
    assert [step.value for step in await stays.steps()] == [1]
    named = await store.get([RecordAsk(bucket(number)) for number in range(BUCKETS)])
    assert [record.key for records in named for record in records] == [stays.key.hex()]
    [left] = await store.get([RecordAsk(steps_of(goes.key))])
    assert left == []


async def test_a_job_that_failed_for_good_goes_on_where_it_was_when_it_is_retried(manager):
    """B.12"""
    times = Times()

    @manager.task(queue="q", retry=Retry(1))
    async def work(ctx: JobContext) -> str:
        await ctx.step("once", times.do, "once")
        times.fail_once("then")
        return "done"

    job = await work.enqueue()
    await manager.start_workers()
    while job.state is not State.FAILED:
        await job.refresh()
        await clock.sleep(0.01)
    await job.retry()
    assert await job.result(30) == "done"
    assert times.done == ["once"]


async def test_a_signal_to_a_workflow_reaches_its_steps_also_those_to_come(manager):
    """B.12"""
    queue = manager.queue("q")

    @queue.task
    async def approve(ctx: JobContext) -> object:
        return await ctx.wait_for("go")

    @queue.task
    async def publish(ctx: JobContext) -> object:
        return await ctx.wait_for("go", timeout=60)

    steps = [approve.step().options(on_success=[publish.step()])]
    run = await manager.execute_workflow(Workflow(id=f"order-{uuid4().hex}", steps=steps))
    await manager.start_workers()
    await until_it_waits(run.steps["approve"], "waiting")
    assert await manager.signal(run, "go", 7)
    await run.result(timeout=30)
    assert [job.value for job in run.steps.values()] == [7, 7]
    assert not await manager.signal(run.id, "go")
    with pytest.raises(WorkflowNotFound):
        await manager.signal("order-of-nobody", "go")


async def test_a_job_that_is_added_again_under_its_id_has_steps_and_signals_of_its_own(manager):
    """B.12"""
    times = Times()

    @manager.task(queue="q", retry=SOON)
    async def work(ctx: JobContext) -> list[object]:
        done = await ctx.step("once", times.do, f"{len(times.done)}")
        times.fail_once(f"then {done}")
        return [done, await ctx.wait_for("go", timeout=60)]

    await manager.start_workers()
    job_id = f"{uuid4()}"
    for number in range(2):
        job = await work.options(job_id=job_id).enqueue()
        await manager.signal(job, "go", number)
        await manager.signal(job, "go", "left over")
        assert await job.result(30) == [f"{number}", number]
        assert [step.value for step in await job.steps()] == [f"{number}", number]
        await job.delete()
