"""How an attempt ends that sleeps or waits, whatever its task does about it. On a store in memory."""

import asyncio
from uuid import uuid4

import pytest

from longshore import JobContext, QueueManager, Retry, State, UsageError
from longshore.core.attempt_errors import ResultNotEncodable
from longshore.core.clock import SystemClock
from longshore.core.errors import InvalidName, InvalidOption, JobNotFound
from longshore.core.ids import format_id, new_id

clock = SystemClock()
ONCE = Retry(1)
LONG = 3600


@pytest.fixture
async def manager():
    async with QueueManager(f"memory://{uuid4().hex}", grace=5) as opened:
        yield opened


async def let_go(job):
    """Waits until the job's attempt has ended; gives the reason."""
    while job.state in (State.PENDING, State.RUNNING):
        await clock.sleep(0.005)
        await job.refresh()
    return (await job.explain()).code


async def test_no_except_clause_of_a_task_keeps_it_from_sleeping(manager):
    """B.12"""

    @manager.task(queue="q", retry=ONCE)
    async def with_exception(ctx: JobContext) -> None:
        try:
            await ctx.sleep(LONG)
        except Exception:  # noqa: BLE001 - what is tested
            raise AssertionError("a sleep is no exception") from None

    @manager.task(queue="q", retry=ONCE)
    async def with_base_exception(ctx: JobContext) -> str:
        try:
            await ctx.sleep(LONG)
        except BaseException:  # noqa: BLE001 - what is tested
            return "swallowed"
        return "woke"

    @manager.task(queue="q", retry=ONCE)
    async def with_a_finally_that_raises(ctx: JobContext) -> None:
        try:
            await ctx.sleep(LONG)
        finally:
            raise ValueError("on the way out")

    @manager.task(queue="q", retry=ONCE)
    async def with_gather(ctx: JobContext) -> object:
        return await asyncio.gather(ctx.sleep(LONG), ctx.sleep(2 * LONG), return_exceptions=True)

    @manager.task(queue="q", retry=ONCE)
    async def with_a_group(ctx: JobContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.sleep(LONG))
            group.create_task(ctx.wait_for("never"))

    tasks = [with_exception, with_base_exception, with_a_finally_that_raises, with_gather, with_a_group]
    jobs = [await task.enqueue() for task in tasks]
    await manager.start_workers()
    assert [await let_go(job) for job in jobs] == ["sleeping"] * 4 + ["waiting"]
    assert {(job.failures, job.releases) for job in jobs} == {(0, 1)}


async def test_a_failure_beside_a_sleep_is_a_failure(manager):
    """B.12"""

    async def fail() -> None:
        raise ValueError("for good")

    @manager.task(queue="q", retry=ONCE)
    async def gathers(ctx: JobContext) -> None:
        await asyncio.gather(ctx.sleep(LONG), ctx.step("fail", fail))

    @manager.task(queue="q", retry=ONCE)
    async def groups(ctx: JobContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.sleep(LONG))
            group.create_task(ctx.step("fail", fail))

    jobs = [await gathers.enqueue(), await groups.enqueue()]
    await manager.start_workers()
    assert [await let_go(job) for job in jobs] == ["failed", "failed"]


async def test_a_sleep_lets_steps_beside_it_end_first(manager):
    """B.12"""
    go, done = asyncio.Event(), []

    async def slow(what: str) -> None:
        await go.wait()
        done.append(what)

    async def branch(ctx: JobContext) -> None:
        await ctx.step("slow", slow, "one")
        await ctx.step("slow", slow, "two")

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> None:
        await asyncio.gather(ctx.sleep(LONG), branch(ctx))

    job = await work.enqueue()
    manager.on("started", lambda _: go.set())
    await manager.start_workers()
    assert await let_go(job) == "sleeping"
    assert done == ["one", "two"]
    assert job.releases == 1


async def test_a_short_sleep_and_a_short_wait_keep_their_slot(manager):
    """B.12"""

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> str:
        await ctx.sleep(0.02)
        try:
            await ctx.wait_for("never", timeout=0.02)
        except TimeoutError:
            return "timed out"

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(30) == "timed out"
    await job.refresh()
    assert job.releases == 0


async def test_a_task_in_a_thread_has_steps_sleeps_and_waits(manager):
    """B.12"""
    ran = []

    def add(a: int, b: int) -> int:
        ran.append((a, b))
        return a + b

    async def add_later(a: int, b: int) -> int:
        return add(a, b)

    @manager.task(queue="q", retry=Retry(2, initial=0.01))
    def work(ctx: JobContext) -> list[object]:
        first = ctx.step_sync("add", add, 1, 2)
        second = ctx.step_sync("add", add_later, first, b=3)
        third = ctx.options(timeout=10).step_sync("add", add, second, 4)
        ctx.sleep_sync(1.2)
        return [first, second, third, ctx.wait_for_sync("go")]

    job = await work.enqueue()
    await manager.start_workers()
    assert await let_go(job) == "sleeping"
    await manager.signal(job, "go", "gone")
    assert await job.result(30) == [3, 6, 10, "gone"]
    assert ran == [(1, 2), (3, 3), (6, 4)]


async def test_a_step_has_retries_and_a_time_out_of_its_own(manager):
    """B.12"""
    tries = []

    async def shaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    async def hangs() -> None:
        await asyncio.Event().wait()

    @manager.task(queue="q", retry=ONCE)
    async def work(ctx: JobContext) -> int:
        with pytest.raises(TimeoutError):
            await ctx.options(timeout=0.01).step("hangs", hangs)
        return await ctx.options(retry=Retry(3, initial=0.001)).step("shaky", shaky)

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(30) == 3
    await job.refresh()
    assert (job.attempt, job.failures) == (1, 0)


async def test_a_plain_step_runs_in_a_thread_with_its_tasks_context(manager):
    """B.12"""
    import threading

    def where() -> str:
        return threading.current_thread().name

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> list[str]:
        async def later() -> str:
            return "later"

        return [await ctx.step("where", where), await ctx.step("lambda", lambda: later())]  # noqa: PLW0108 - plain, until called

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(30) == ["longshore-step", "later"]


async def test_changed_code_is_told(manager):
    """B.12: what was recorded is never taken for something else."""
    codes = []

    async def number() -> int:
        return 7

    async def text() -> str:
        return "7"

    @manager.task(queue="q", retry=Retry(2, initial=0.01))
    async def other_type(ctx: JobContext) -> None:
        first = not codes
        codes.append(1)
        await ctx.step("value", number if first else text)
        raise ValueError("again")

    @manager.task(queue="q", retry=Retry(2, initial=0.01))
    async def other_kind(ctx: JobContext) -> None:
        if len(codes) == 2:
            codes.append(2)
            await ctx.step("value", number)
            raise ValueError("again")
        await ctx.wait_for("value")

    await manager.start_workers()
    for task, said in [
        (other_type, "does not fit"),
        (other_kind, "was recorded as a step and is a wait now"),
    ]:
        job = await task.enqueue()
        assert await let_go(job) in ("failed", "retrying")
        while job.state is not State.FAILED:
            await clock.sleep(0.005)
            await job.refresh()
        assert job.errors[-1].type == "StepMismatch"
        assert said in job.errors[-1].message
        assert "another name" in job.errors[-1].message


async def test_a_result_without_json_form_is_told_with_the_step(manager):
    """B.12"""

    @manager.task(queue="q", retry=ONCE)
    async def work(ctx: JobContext) -> None:
        await ctx.step("make", object)

    job = await work.enqueue()
    await manager.start_workers()
    await let_go(job)
    assert job.errors[-1].type == ResultNotEncodable.__name__
    assert "step make" in job.errors[-1].message


async def test_wrong_names_are_refused_where_they_are_written(manager):
    """B.12"""

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> None:
        with pytest.raises(InvalidName):
            ctx.step("two words", int)
        with pytest.raises(InvalidName):
            ctx.wait_for("a#2")
        with pytest.raises(InvalidOption):
            ctx.sleep(-1)
        with pytest.raises(InvalidOption):
            ctx.options(timeout=0)

    job = await work.enqueue()
    with pytest.raises(InvalidName):
        await manager.signal(job, "two words")
    with pytest.raises(JobNotFound):
        await manager.signal(format_id(new_id()), "event")
    await manager.start_workers()
    await job.result(30)


async def test_a_plain_call_does_its_steps_and_keeps_nothing(manager):
    """B.12"""

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> int:
        await ctx.sleep(0.001)
        return await ctx.step("one", int, "1")

    @manager.task(queue="q")
    async def waits(ctx: JobContext) -> None:
        await ctx.wait_for("event")

    assert await work() == 1
    with pytest.raises(UsageError, match="Enqueue the task"):
        await waits()


async def test_jobs_in_memory_keep_their_steps_in_memory(tmp_path):
    """B.12: beside the job, so that no other process takes them for those of a job that is gone."""
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db", grace=5) as manager:

        @manager.queue("quick", durable=False).task
        async def work(ctx: JobContext) -> object:
            return await ctx.wait_for("go")

        job = await work.enqueue()
        await manager.start_workers()
        assert await let_go(job) == "waiting"
        await manager.signal(job, "go", 1)
        assert await job.result(30) == 1
        assert [step.name for step in await job.steps()] == ["go"]
        from longshore.steps.entries import read

        assert await read(await manager.store(), job.key, job.record.created_ms) == []


async def test_a_task_in_a_process_has_steps_sleeps_and_waits(tmp_path, monkeypatch):
    """B.12"""
    monkeypatch.setenv("STEPS_URL", f"sqlite:///{tmp_path}/jobs.db")
    monkeypatch.setenv("STEPS_MARKS", f"{tmp_path}/marks")
    from tests.pipeline import step_tasks

    job = await step_tasks.work.enqueue(20)
    other = await step_tasks.swallows.enqueue()
    try:
        await step_tasks.manager.start_workers()
        assert await let_go(other) == "sleeping"
        while await let_go(job) != "waiting":
            job.record.state = State.RUNNING
        await step_tasks.manager.signal(job, "go", 22)
        assert await job.result(60) == 42
    finally:
        await step_tasks.manager.shutdown()
    assert (tmp_path / "marks").read_text() == "once\n"


async def test_a_step_may_sleep_and_take_steps_of_its_own(manager):
    """B.12: what it recorded inside is there when it begins again, and is taken for nothing outside."""
    ran, failed = [], []

    async def inner(where: str) -> str:
        ran.append(where)
        return where

    def plain(ctx: JobContext) -> str:
        return ctx.step_sync("inner", lambda: "in a thread")

    @manager.task(queue="q", retry=Retry(2, initial=0.01))
    async def work(ctx: JobContext) -> list[str]:
        async def outer() -> str:
            ran.append("outer")
            found = await ctx.step("inner", inner, "inside")
            await ctx.sleep(1.1)
            return found

        found = await asyncio.gather(ctx.step("outer", outer), ctx.step("beside", inner, "beside"))
        if not failed:
            failed.append(1)
            raise ValueError("again")
        return [*found, await ctx.step("plain", plain, ctx), await ctx.step("inner", inner, "outside")]

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(30) == ["inside", "beside", "in a thread", "outside"]
    await job.refresh()
    assert job.releases == 1
    assert sorted(ran) == ["beside", "inside", "outer", "outer", "outside"]
    assert sorted(step.name for step in await job.steps()) == [
        "beside",
        "inner",
        "outer",
        "outer>inner",
        "outer>sleep",
        "plain",
        "plain>inner",
    ]


async def test_a_signal_between_the_last_look_and_the_end_of_the_attempt_wakes_the_job(manager):
    """B.12: by the worker, at once; a sweep would find it after 12 seconds."""
    ends = []

    @manager.task(queue="q")
    async def work(ctx: JobContext) -> object:
        try:
            return await ctx.wait_for("go")
        finally:
            ends.append(1)
            if len(ends) == 1:
                await ctx.manager.signal(ctx.job, "go", 7)

    job = await work.enqueue()
    await manager.start_workers()
    assert await job.result(10) == 7
    assert len(ends) == 2
