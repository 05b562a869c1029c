"""What is around an attempt: events, hooks, middleware, progress, logs, and the peace of an idle worker."""

import asyncio

import msgspec
import pytest

from longshore.core.job import LogLine
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.core.task_signals import Cancel, Snooze
from longshore.worker.control import Control
from longshore.worker.registry import Kind
from tests.pipeline.plant import turns, until

STEADY = Retry(2, initial=1, jitter=False)


async def test_events_are_told_in_order_with_the_job_as_it_is_now(plant):
    @plant.task(retry=STEADY)
    async def fails():
        raise ValueError("no")

    plant.hear("started", "retrying", "failed", "dead_letter")
    await plant.add("fails")
    await plant.work()
    plant.clock.advance(1)
    await plant.work()
    assert plant.names() == ["started", "retrying", "started", "failed", "dead_letter"]
    assert (plant.told[1].job.state, plant.told[1].job.failures) == (State.RETRYING, 1)
    assert (plant.told[3].job.state, str(plant.told[3].error)) == (State.FAILED, "no")
    assert plant.told[3].queue == "q"


async def test_each_end_of_an_attempt_has_its_event(plant):
    @plant.task()
    async def ends():
        return 1

    @plant.task()
    async def naps():
        raise Snooze(1)

    @plant.task()
    async def unwanted():
        raise Cancel

    plant.hear("completed", "released", "cancelled")
    for name in ("ends", "naps", "unwanted"):
        await plant.add(name)
    await plant.work(slots=1)
    assert plant.names() == ["completed", "released", "cancelled"]
    assert plant.told[0].job.result == b"1"


async def test_a_hook_that_raises_harms_no_job_and_no_other_hook(plant, caplog):
    @plant.task()
    async def ends():
        return 1

    def bad(event):
        raise KeyError("hook")

    plant.bus.on("completed", bad)
    plant.hear("completed")
    job_id = await plant.add("ends")
    await plant.work()
    assert (await plant.job(job_id)).state is State.COMPLETED
    assert plant.names() == ["completed"]
    assert "A hook of 'completed' raised" in caplog.text


async def test_a_handlers_own_hooks_are_called_when_its_job_is_over_and_may_raise(plant, caplog):
    """S1.7"""
    called = []

    async def on_complete(job):
        called.append(("complete", job.state))
        raise KeyError("hook")

    def on_failure(job, error):
        called.append(("failure", job.failures, str(error)))

    @plant.task(on_complete=on_complete, on_failure=on_failure, retry=STEADY)
    async def maybe(*, fails: bool):
        if fails:
            raise ValueError("no")

    await plant.add("maybe", b'{"fails":false}')
    await plant.add("maybe", b'{"fails":true}')
    await plant.work()
    plant.clock.advance(1)
    await plant.work()
    assert called == [("complete", State.COMPLETED), ("failure", 2, "no")]
    assert "A handler's on_complete raised" in caplog.text


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.THREAD])
async def test_middleware_wraps_the_task_in_the_order_in_which_it_was_added(plant, kind):
    order = []

    def layer(name):
        async def middleware(ctx, call_next):
            order.append(f"{name} before {ctx.record.name}")
            result = await call_next()
            order.append(f"{name} after")
            return result + 1

        return middleware

    async def one():
        order.append("task")
        return 1

    def one_thread():
        order.append("task")
        return 1

    plant.middleware = [layer("outer"), layer("inner")]
    function = one if kind is Kind.ASYNC else one_thread
    plant.task(kind=kind)(function)
    job_id = await plant.add(function.__name__)
    await plant.work()
    name = function.__name__
    assert order == [f"outer before {name}", f"inner before {name}", "task", "inner after", "outer after"]
    assert (await plant.job(job_id)).result == b"3"


async def test_middleware_may_answer_for_the_task_or_end_its_attempt(plant):
    ran = []

    async def gate(ctx, call_next):
        if ctx.record.priority == 1:
            return "answered"
        if ctx.record.priority == 2:
            raise Cancel("closed")
        return await call_next()

    @plant.task()
    async def runs():
        ran.append(1)

    plant.middleware = [gate]
    ids = [await plant.add("runs", priority=priority) for priority in (1, 2, 3)]
    await plant.work()
    jobs = [await plant.job(job_id) for job_id in ids]
    assert jobs[0].result == b'"answered"'
    assert [job.state for job in jobs] == [State.COMPLETED, State.CANCELLED, State.COMPLETED]
    assert ran == [1]


async def test_progress_and_logs_are_stored_while_the_job_runs_and_before_it_ends(plant):
    gate = asyncio.Event()

    @plant.task()
    async def reports(ctx: Control):
        await ctx.progress(0.25, "a quarter")
        await ctx.progress(0.5, "half")
        await ctx.log("first")
        plant.signal("reported").set()
        await gate.wait()
        await ctx.log("\ud800second")
        await ctx.progress(7)
        return True

    job_id = await plant.add("reports")
    async with plant.working() as worker:
        await plant.signal("reported").wait()
        await turns()
        plant.clock.advance(0.5)
        await turns()
        job = await plant.job(job_id)
        assert (job.progress, job.progress_note) == (0.5, "half")
        gate.set()
        await until(lambda: worker.stats.settled == 1)
    job = await plant.job(job_id)
    lines = [msgspec.json.decode(line, type=LogLine) for line in job.logs]
    assert [(line.text, line.attempt) for line in lines] == [("first", 1), ("\\ud800second", 1)]
    assert job.progress == 1.0


async def test_a_thread_may_report_too(plant):
    @plant.task(kind=Kind.THREAD)
    def reports(ctx: Control):
        ctx.progress_sync(0.5)
        ctx.log_sync("from a thread")

    job_id = await plant.add("reports")
    await plant.work()
    job = await plant.job(job_id)
    assert len(job.logs) == 1
    assert job.progress == 0.5


async def test_an_idle_worker_makes_few_calls_to_the_store(plant):
    """At most 60 a minute, with everything that every worker has beside it."""
    plant.use_upkeep()
    async with plant.working(lease_seconds=30) as worker:
        await until(lambda: worker.session)
        await turns(200)
        calls = plant.store.round_trips
        for _ in range(600):
            plant.clock.advance(0.1)
            await turns(10)
        assert 0 < plant.store.round_trips - calls <= 60


async def test_an_idle_worker_starts_a_new_job_without_any_time_passing(plant):
    """S1.4: it is woken, and does not poll for it."""
    plant.task()(_ends)
    plant.hear("completed")
    async with plant.working() as worker:
        await until(lambda: worker.session)
        await turns(100)
        await plant.add("_ends")
        await plant.signal("completed").wait()
    assert plant.clock.monotonic() == 0.0


async def _ends():
    return None


async def test_many_quick_jobs_need_few_claims(plant):
    plant.task()(_ends)
    for _ in range(2_000):
        await plant.add("_ends")
    before = plant.store.round_trips
    worker = await plant.work()
    assert worker.stats.settled == 2_000
    assert plant.store.round_trips - before < 500
