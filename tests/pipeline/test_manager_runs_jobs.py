"""Jobs run by a manager's workers: results, errors, hooks, control from outside. On each store without a server."""

import asyncio
import threading
from uuid import uuid4

import pytest

from longshore import (
    BaseQueue,
    Cancel,
    DrainTimeout,
    JobCancelled,
    JobConflict,
    JobContext,
    JobFailed,
    JobNotFound,
    QueueManager,
    Retention,
    Retry,
    State,
    UsageError,
    bind_context,
    current_context,
)
from longshore.core.errors import UnknownTask

SOON = Retry(3, initial=0.01, jitter=False)


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    """Of an empty store, the same one for every manager of the test."""
    return {"memory": f"memory://{uuid4().hex}", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]


@pytest.fixture
async def manager(url):
    """A manager over an empty store."""
    async with QueueManager(url, grace=5) as opened:
        yield opened


async def test_a_result_comes_back_typed_as_the_task_says(manager):
    """S1.13 S3.1: workers in the background, and many waiting at once."""

    @manager.queue("q").task
    async def pair(n: int) -> tuple[int, str]:
        return n, str(n)

    @manager.task(queue="q")
    def blocking(n: int) -> int:
        return n + threading.get_native_id() * 0

    await manager.start_workers(concurrency=4)
    jobs = await pair.enqueue_many([(n,) for n in range(50)])
    assert await asyncio.gather(*(job.result(10) for job in jobs)) == [(n, str(n)) for n in range(50)]
    assert await (await blocking.enqueue(7)).result(10) == 7
    with pytest.raises(UsageError, match="already"):
        await manager.start_workers()


async def test_a_job_that_keeps_failing_becomes_a_dead_letter_with_its_errors(manager):
    """S1.7 S1.8 S2.4 S3.4: attempts, errors and their pattern on the job; on_failure hears once."""
    heard = []

    @manager.queue("q", retry=SOON).task(on_failure=lambda job, error: heard.append((job.id, str(error))))
    async def fails(n: int) -> None:
        raise ValueError(f"no '{n}' at line {n}")

    job = await fails.options(metadata={"who": "me"}).enqueue(7)
    await manager.run_until_empty(10)
    with pytest.raises(JobFailed, match="ValueError: no '7'"):
        await job.result(1)
    assert (job.state, job.attempt, job.failures, job.max_attempts) == (State.FAILED, 3, 3, 3)
    assert job.error_patterns == {"ValueError: no <text> at line <n>": 3}
    assert heard == [(job.id, "no '7' at line 7")]
    [letter] = await manager.dead_letters.list("q")
    assert (letter.id, letter.queue, letter.data, letter.metadata) == (job.id, "q", {"n": 7}, {"who": "me"})
    assert ["raise ValueError" in error.traceback for error in letter.errors] == [True] * 3
    assert letter.failed_at >= letter.created_at


async def test_class_based_queues_run_their_own_jobs(manager):
    """S1.1 S1.2: BaseQueue with its own options and hooks."""

    class Emails(BaseQueue):
        name = "emails"
        retry = SOON
        done = ()

        async def process_job(self, job):
            if job.data["to"] == "nobody":
                raise LookupError(job.data["to"])
            return f"sent to {job.data['to']}"

        async def on_complete(self, job):
            self.done += (job.data["to"],)

    emails = manager.register(Emails)
    assert manager.get_queue("emails") is emails
    job = await emails.add_job({"to": "a"})
    lost = await emails.add_job({"to": "nobody"}, name="odd", max_attempts=1)
    await manager.run_until_empty(10)
    assert await job.result(1) == "sent to a"
    assert emails.done == ("a",)
    with pytest.raises(JobFailed):
        await lost.result(1)
    with pytest.raises(UsageError, match="register"):
        await Emails().add_job({})


async def test_processors_and_handlers_are_called_with_the_job(manager):
    """S3.1 S4.2 S4.5: register_processor, set_processor, register_handler with an object or functions."""
    heard = []

    class Handler:
        async def process(self, job):
            if job.data == "bad":
                raise ValueError(job.data)
            return job.data

        async def on_failure(self, job, error):
            heard.append(("failed", job.name, str(error)))

        async def on_complete(self, job):
            heard.append(("completed", job.name, job.state))

    manager.register_processor("a", lambda job: f"{job.name}:{job.data}")
    manager.get_queue("b").set_processor(lambda job: job.queue)
    manager.register_handler("custom", Handler())
    manager.register_handler("plain", process=lambda job: job.name)
    jobs = [
        await manager.add_job("a", "anything", 1),
        await manager.get_queue("b").add({"x": 1}),
        await manager.add_job("custom", "good"),
        await manager.add_job("plain", None),
        await manager.add_job("b", "plain", None),
    ]
    bad = await manager.add_job("custom", "bad", max_attempts=1)
    await manager.run_until_empty(10)
    assert [await job.result(1) for job in jobs] == ["anything:1", "b", "good", "plain", "plain"]
    assert (await manager.get_job(bad.id)).state is State.FAILED
    assert sorted(heard) == [("completed", "custom", "completed"), ("failed", "custom", "bad")]


async def test_a_task_sees_its_context_and_its_jobs_inherit_it(manager):
    """S1.12: captured at enqueue, restored around the task, handed on."""
    seen = {}

    @manager.queue("q").task
    async def outer(ctx: JobContext) -> str:
        seen["outer"] = dict(current_context())
        await ctx.progress(0.5, "half way")
        await ctx.log("going on")
        return (await inner.enqueue()).id

    @manager.queue("q").task
    def inner(ctx: JobContext) -> None:
        seen["inner"] = dict(current_context())
        ctx.log_sync("in a thread")
        seen["ids"] = ctx.job.correlation_id, ctx.attempt

    with bind_context(user="7"):
        job = await outer.options(correlation_id="c-1").enqueue()
    await manager.run_until_empty(10)
    assert seen == {"outer": {"user": "7"}, "inner": {"user": "7"}, "ids": ("c-1", 1)}
    await job.refresh()
    assert (job.progress, job.progress_note) == (0.5, "half way")
    assert [line.text for line in job.logs] == ["going on"]
    assert [line.text for line in (await manager.get_job(job.value)).logs] == ["in a thread"]


async def test_cancel_reaches_a_waiting_and_a_running_job(manager):
    """S4.7: cancel_job, on whatever it is."""
    started = asyncio.Event()

    @manager.queue("q").task
    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    waiting = await endless.options(delay=60).enqueue()
    assert await manager.cancel_job(waiting.id)
    await manager.start_workers()
    running = await endless.enqueue()
    await started.wait()
    assert await running.cancel()
    for job in (waiting, running):
        with pytest.raises(JobCancelled):
            await job.result(10)
    assert not await running.cancel()
    with pytest.raises(JobNotFound):
        await manager.cancel_job(uuid4())


async def test_retry_job_gives_a_dead_letter_another_life(manager):
    """S4.7 S2.6: retry_job, and retry_failed with its summary."""
    healthy = []

    @manager.queue("q", retry=Retry(1)).task
    async def fails(n: int) -> int:
        if not healthy:
            raise RuntimeError(f"down {n}")
        return n

    jobs = await fails.enqueue_many([(n,) for n in range(5)])
    await manager.run_until_empty(10)
    healthy.append(True)
    assert [job.state for job in await manager.get_jobs_by_status("failed", 10)] == [State.FAILED] * 5
    assert (await manager.retry_job(jobs[0].id)).state is State.PENDING
    some = await manager.retry_failed(queue="q", error="down 3")
    assert some.results == ({"id": jobs[3].id, "success": True},)
    rest = await manager.retry_failed(limit=2)
    assert (rest["success"], rest["processed"], rest["successful"], rest["failed"]) == (True, 2, 2, 0)
    assert rest.message == "Retried 2 failed jobs."
    await manager.run_until_empty(10)
    stats = await manager.get_stats()
    assert dict(stats) == {
        "total": 5, "pending": 0, "processing": 0, "completed": 4, "failed": 1, "cancelled": 0
    }  # fmt: skip
    with pytest.raises(JobConflict, match="completed"):
        await manager.retry_job(jobs[0].id)


async def test_a_task_sees_the_number_of_its_claim_as_a_fence(manager):
    """B.2: a resource of the user's own can refuse what an older claim still writes."""
    seen = []

    @manager.queue("q", retry=Retry(2, initial=0)).task
    async def flaky(ctx: JobContext) -> None:
        seen.append(ctx.job.fence)
        if ctx.attempt == 1:
            raise ValueError("the first time")

    job = await flaky.enqueue()
    assert job.fence == 0
    await manager.run_until_empty(timeout=10)
    await job.refresh()
    assert (seen, job.fence) == ([1, 2], 2)


async def test_process_job_runs_one_attempt_here_and_now(manager):
    """S2.2: whatever its time, its place in line, or a pause; never twice at once."""
    release, started = asyncio.Event(), asyncio.Event()

    @manager.queue("q", retry=Retry(2, initial=3600)).task
    async def flaky(ctx: JobContext) -> int:
        if ctx.attempt == 1:
            raise ValueError("the first time")
        started.set()
        await release.wait()
        return ctx.attempt

    await manager.pause_queue("q")
    others = await flaky.enqueue_many([()] * 3)
    job = await flaky.options(delay=60).enqueue()
    assert (await manager.process_job(job.id)).state is State.RETRYING
    here = asyncio.create_task(manager.process_job(job.id))
    await started.wait()
    assert await manager.has_running("flaky")
    assert (await manager.process_job(job.id, skip_if_running=True)).state is State.RUNNING
    with pytest.raises(JobConflict, match="running"):
        await manager.process_job(job.id)
    release.set()
    done = await here
    assert (done.state, done.value, done.attempt) == (State.COMPLETED, 2, 2)
    assert not await manager.has_running("flaky")
    assert {(await manager.get_job(other.id)).state for other in others} == {State.PENDING}
    with pytest.raises(JobConflict, match="completed"):
        await manager.process_job(job.id)
    with pytest.raises(UnknownTask):
        await manager.process_job((await manager.add_job("q", "unheard-of", None)).id)
    with pytest.raises(JobNotFound):
        await manager.process_job(uuid4())


async def test_a_processed_job_of_a_queue_that_keeps_nothing_still_shows_its_result(manager):
    @manager.queue("q", retention=0).task
    async def quick() -> int:
        return 7

    done = await manager.process_job((await quick.enqueue()).id)
    assert (done.state, done.value) == (State.COMPLETED, 7)
    assert await manager.get_job(done.id) is None
    assert (await manager.get_stats()).total == 0


async def test_retention_of_a_task_wins_over_that_of_its_queue(manager):
    """S2.12 S3.18"""

    @manager.queue("q", retention=Retention(completed=3600)).task(retention=0)
    async def quick() -> None: ...

    await quick.enqueue()
    await manager.run_until_empty(10)
    assert (await manager.get_stats()).total == 0


async def test_a_paused_queue_runs_nothing_until_it_is_resumed(manager):
    """S3.12"""

    @manager.queue("q").task
    async def quick() -> None: ...

    await manager.start_workers()
    await manager.pause_queue("q")
    job = await quick.enqueue()
    assert await manager.is_paused("q")
    with pytest.raises(TimeoutError):
        await job.result(0.1)
    with pytest.raises(DrainTimeout, match="1 in 'q'"):
        await manager.drain(0.05)
    await manager.get_queue("q").resume()
    await job.result(10)
    await manager.drain(10)


async def test_hooks_and_middleware_hear_of_each_job(manager):
    """S4.5: manager.on, and middleware around each attempt."""
    told = []
    for name in ("enqueued", "started", "completed"):
        manager.on(name, lambda event: told.append((event.name, event.queue)))

    @manager.middleware
    async def around(ctx, call_next):
        told.append(("before", ctx.job.name))
        try:
            return await call_next() + 1
        finally:
            told.append(("after", ctx.attempt))

    @manager.queue("q").task
    async def quick() -> int:
        return 1

    job = await quick.enqueue()
    await manager.run_until_empty(10)
    assert await job.result(1) == 2
    assert told == [
        ("enqueued", "q"),
        ("before", "quick"),
        ("after", 1),
        ("started", "q"),
        ("completed", "q"),
    ]


async def test_shutdown_hands_running_jobs_back_unharmed(url):
    """S3.19 S4.10: what does not finish in time goes back, and no attempt is lost."""
    manager = QueueManager(url, grace=0)
    started = asyncio.Event()

    @manager.queue("q").task
    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    async with QueueManager(url) as other:
        await manager.start_workers()
        job = await endless.enqueue()
        await started.wait()
        await manager.shutdown(timeout=5)
        found = await other.get_job(job.id)
        assert (found.state, found.failures, found.releases) == (State.PENDING, 0, 1)
        assert (await other.health()).workers == 0


async def test_a_task_may_cancel_itself_and_say_why(manager):
    @manager.queue("q").task
    async def unwanted() -> None:
        raise Cancel("nobody wants it")

    job = await unwanted.enqueue()
    await manager.run_until_empty(10)
    await job.refresh()
    assert (job.state, job.failures) == (State.CANCELLED, 0)


async def test_clean_queue_forgets_what_ended_long_enough_ago(manager):
    """S3.12 S2.12"""

    @manager.queue("q").task
    async def quick() -> None: ...

    await quick.enqueue_many([()] * 3)
    await manager.run_until_empty(10)
    assert await manager.clean_queue("q") == 0
    assert await manager.clean_queue("q", grace=0, status="failed") == 0
    assert await manager.clean_queue("q", grace=0) == 3
    assert (await manager.get_stats()).total == 0


async def test_nothing_to_serve_is_said_at_once(manager):
    with pytest.raises(UsageError, match="Nothing to serve"):
        await manager.start_workers()
