"""Providers that want to be asked later: parked for all, at the cost of no attempt. On each store without a server."""

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import pytest

from longshore import InvalidOption, JobContext, JobNotFound, QueueManager, RateLimited, Retry, State
from longshore.core.ids import format_id, new_id

ONCE = Retry(1)


class TooManyRequests(Exception):
    """As an HTTP client raises it."""

    def __init__(self, seconds):
        super().__init__("429")
        headers = {"Retry-After": str(seconds)}
        self.response = SimpleNamespace(status_code=429, headers=headers, url="https://api.example.com/")


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    """Of an empty store, the same one for every manager of the test."""
    return {"memory": f"memory://{uuid4().hex}", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]


@pytest.fixture
async def manager(url):
    async with QueueManager(url, grace=5) as opened:
        yield opened


async def refreshed(job):
    await job.refresh()
    return job


async def test_a_job_that_is_rate_limited_waits_and_no_attempt_is_lost(manager):
    """S2.5, B.8"""
    calls = []

    @manager.task(queue="q", retry=ONCE)
    async def ask():
        calls.append(1)
        if len(calls) == 1:
            raise RateLimited("model", retry_after=0.2)

    job = await ask.enqueue()
    await manager.start_workers()
    await job.result(10)
    await refreshed(job)
    assert (len(calls), job.failures, job.releases, job.attempt) == (2, 0, 1, 1)
    assert job.failed_providers == ("model",)


async def test_a_parked_provider_keeps_the_jobs_of_its_tasks_waiting_in_every_process(manager, url):
    """S2.5, B.8"""

    @manager.task(queue="q", provider="model")
    async def ask(): ...

    @manager.task(queue="q", provider="other")
    async def other(): ...

    released = asyncio.Event()
    async with QueueManager(url) as elsewhere:
        await elsewhere.park_provider("model", 3600)
    waits, runs = await ask.enqueue(), await other.enqueue()
    manager.on("released", lambda event: released.set() if event.job.id == waits.id else None)
    await manager.start_workers()
    await asyncio.wait_for(released.wait(), 10)
    await runs.result(10)
    assert (await refreshed(waits)).state is State.SCHEDULED
    assert (waits.failures, waits.attempt) == (0, 0)
    explained = await waits.explain()
    assert explained.code == "parked"
    assert "'model' wants to be asked again" in explained
    assert list(await manager.parked_providers()) == ["model"]


async def test_an_answer_429_with_retry_after_parks_the_tasks_provider_without_a_word_of_code(manager, url):
    """B.8"""

    @manager.task(queue="q", provider="model", retry=ONCE)
    async def ask():
        raise TooManyRequests(3600)

    @manager.task(queue="q", retry=ONCE)
    async def plain():
        raise TooManyRequests(1800)

    jobs = [await ask.enqueue(), await plain.enqueue()]
    await manager.run_until_empty(10)
    for job in jobs:
        assert (await refreshed(job)).state is State.SCHEDULED
        assert (job.failures, job.releases) == (0, 1)
    assert jobs[0].failed_providers == ("model",)
    assert jobs[1].failed_providers == ("api.example.com",)
    assert "TooManyRequests" in await jobs[1].explain()
    async with QueueManager(url) as elsewhere:
        assert sorted(await elsewhere.parked_providers()) == ["api.example.com", "model"]


async def test_a_job_fails_over_to_the_next_provider_at_once(manager):
    """B.8"""
    asked = []

    @manager.task(queue="q", retry=ONCE)
    async def ask(ctx: JobContext):
        asked.append(await ctx.provider(["first", "second"]))
        if asked[-1] == "first":
            raise TooManyRequests(3600)
        return asked[-1]

    first, second = await ask.enqueue(), await ask.enqueue()
    await manager.start_workers()
    assert {await first.result(10), await second.result(10)} == {"second"}
    assert asked.count("first") <= 2
    assert (await refreshed(first)).failures == 0


async def test_a_job_waits_when_all_its_providers_are_parked(manager):
    """B.8"""

    @manager.task(queue="q", retry=ONCE)
    async def ask(ctx: JobContext):
        return await ctx.provider(["first", "second"])

    await manager.park_provider("first", 3600)
    await manager.park_provider("second", 1800)
    job = await ask.enqueue()
    await manager.run_until_empty(10)
    assert (await refreshed(job)).state is State.SCHEDULED
    assert 1700 < (job.run_at - job.created_at).total_seconds() < 1900
    assert job.failed_providers == ("second",)


async def test_a_task_in_a_thread_picks_a_provider_too(manager):
    @manager.task(queue="q")
    def ask(ctx: JobContext):
        return ctx.provider_sync(["first", "second"])

    await manager.park_provider("first", 3600)
    job = await ask.enqueue()
    await manager.run_until_empty(10)
    assert await job.result(1) == "second"


async def test_a_failure_names_the_provider_that_it_came_from(manager):
    @manager.task(queue="q", retry=Retry(2, initial=0), provider="model")
    async def ask():
        raise ValueError("nonsense")

    job = await ask.enqueue()
    await manager.run_until_empty(10)
    assert (await refreshed(job)).state is State.FAILED
    assert job.failed_providers == ("model",)


async def test_a_rate_limit_can_be_handled_by_the_id_of_a_job_that_waits(manager):
    """S2.5"""

    @manager.task(queue="q")
    async def ask(): ...

    job = await ask.enqueue()
    assert await manager.handle_rate_limit(job.id, "model", 300)
    assert (await refreshed(job)).state is State.SCHEDULED
    assert 299 < (job.run_at - job.created_at).total_seconds() < 320
    assert list(await manager.parked_providers()) == ["model"]
    with pytest.raises(JobNotFound):
        await manager.handle_rate_limit(format_id(new_id()), "model", 300)
    with pytest.raises(InvalidOption, match="at most 30 days"):
        await manager.handle_rate_limit(job.id, "model", -1)


@pytest.mark.parametrize("ending", ["returns", "raises"])
async def test_a_task_may_handle_its_own_rate_limit_in_the_words_of_the_seed(manager, ending):
    """S2.5: the job waits, however the attempt ends, and no attempt is lost."""
    calls = []

    @manager.task(queue="q", retry=ONCE)
    async def ask(ctx: JobContext):
        calls.append(1)
        if len(calls) == 1:
            assert await ctx.manager.handle_rate_limit(ctx.job.id, "model", 0.1)
            if ending == "raises":
                raise ValueError("not now")
        return "done"

    job = await ask.enqueue()
    await manager.start_workers()
    assert await job.result(10) == "done"
    assert ((await refreshed(job)).failures, job.releases, job.failed_providers) == (0, 1, ("model",))
    await manager.unpark_provider("model")
    assert not await manager.handle_rate_limit(job.id, "model", 3600)
    assert not await manager.parked_providers()


@pytest.mark.parametrize("lift", ["zero", "unpark", "elsewhere"])
async def test_a_person_lifts_a_park_and_jobs_start_again(manager, url, lift):
    @manager.task(queue="q", provider="big")
    async def ask(ctx: JobContext):
        return await ctx.provider(["big", "small"])

    await manager.park_provider("big", 3600)
    if lift == "zero":
        await manager.park_provider("big", 0)
    elif lift == "unpark":
        await manager.unpark_provider("big")
    else:
        async with QueueManager(url) as elsewhere:
            await elsewhere.unpark_provider("big")
    assert not await manager.parked_providers()
    job = await ask.enqueue()
    await manager.run_until_empty(10)
    assert await job.result(1) == "big"


async def test_a_person_shortens_a_park_and_what_jobs_hear_only_lengthens_it(manager, url):
    @manager.task(queue="q")
    async def ask():
        raise RateLimited("big", retry_after=60)

    await manager.park_provider("big", 3600)
    await manager.park_provider("big", 1800)
    async with QueueManager(url) as elsewhere:
        assert 1700 < (await elsewhere.parked_providers())["big"] <= 1800
        waits = await elsewhere.add_job("other", "ask", {})
        await elsewhere.handle_rate_limit(waits.id, "big", 60)
        assert 1700 < (await elsewhere.parked_providers())["big"] <= 1800
    await ask.enqueue()
    await manager.run_until_empty(10)
    assert 1700 < (await manager.parked_providers())["big"] <= 1800


def test_a_nonsensical_retry_after_is_refused():
    for wrong in (-1, "soon", True, 10**9):
        with pytest.raises(InvalidOption, match="'retry_after'"):
            RateLimited("model", wrong)
