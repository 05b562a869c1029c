"""Limits and fairness through managers and workers. On each store without a server."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from longshore import Concurrency, InvalidOption, QueueManager, Rate, State
from longshore.core.clock import ManualClock, SystemClock
from longshore.core.limit_errors import UnknownLimit
from longshore.flow.overrides import Overrides, look, override_of, set_override

clock = SystemClock()


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    """Of an empty store, the same one for every manager of the test."""
    return {"memory": f"memory://{uuid4().hex}", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]


@pytest.fixture
async def manager(url):
    async with QueueManager(url, grace=5) as opened:
        yield opened


class Watch:
    """How many run at once, for each key."""

    def __init__(self):
        self.running = Counter()
        self.most = Counter()

    async def attend(self, key, seconds=0.002):
        self.running[key] += 1
        self.most[key] = max(self.most[key], self.running[key])
        await clock.sleep(seconds)
        self.running[key] -= 1


def above(times, *, rate, burst):
    """By how many starts the busiest stretch of time went over what the rate allows; 0 or less: by none."""
    times = sorted(times)
    return max(
        (last - first + 1) - burst - rate * (times[last] - times[first])
        for first in range(len(times))
        for last in range(first, len(times))
    )


async def test_no_more_start_in_any_time_than_a_rate_allows_whoever_starts_them(manager, url):
    """S3.6, B.6: two workers, and a burst that is used at once."""

    def define(manager):
        @manager.queue("q", rate_limit=Rate(50, per=1, burst=5)).task
        async def ask(n: int): ...

        return ask

    async with QueueManager(url, grace=5) as elsewhere:
        define(elsewhere)
        jobs = await define(manager).enqueue_many([(n,) for n in range(30)])
        await manager.start_workers(concurrency=10)
        await elsewhere.start_workers(concurrency=10)
        await asyncio.gather(*(job.result(20) for job in jobs))
    started = [(await manager.get_job(job.id)).started_at.timestamp() for job in jobs]
    assert max(started) - min(started) >= 0.45
    assert above(started, rate=50, burst=5) <= 0.2  # times are whole milliseconds


async def test_no_more_run_at_once_than_the_key_allows_and_others_are_not_held_up(manager, url):
    """B.6: two workers, two limits that compose."""
    watch = Watch()

    def define(manager):
        @manager.queue("q", limit=[Concurrency(2, by="tenant"), Concurrency(4)]).task
        async def work(n: int, tenant: str):
            await watch.attend(tenant)

        return work

    async with QueueManager(url, grace=5) as elsewhere:
        define(elsewhere)
        jobs = await define(manager).enqueue_many([(n, f"tenant-{n // 20}") for n in range(60)])
        await manager.start_workers(concurrency=10)
        await elsewhere.start_workers(concurrency=10)
        await asyncio.gather(*(job.result(20) for job in jobs))
    assert set(watch.most.values()) == {2}


async def test_two_jobs_with_the_same_concurrency_key_never_run_at_once(manager):
    """S1.6"""
    watch = Watch()

    @manager.task(queue="q", concurrency_key="account")
    async def book(account: str):
        await watch.attend(account)

    @manager.task(queue="q")
    async def audit(account: str):
        await watch.attend(account)

    jobs = await book.enqueue_many([("a",), ("b",)] * 5)
    jobs += [await audit.options(concurrency_key="a").enqueue("a") for _ in range(3)]
    await manager.start_workers(concurrency=10)
    await asyncio.gather(*(job.result(20) for job in jobs))
    assert watch.most == {"a": 1, "b": 1}


async def test_tenants_take_turns_and_a_heavy_one_gets_more(manager):
    """B.7: the jobs of small tenants do not wait for those of a big one that came before them."""
    order = []

    @manager.queue("q", fair_by="tenant", fair_weights={"gold": 3}).task
    async def work(tenant: str):
        order.append(tenant)

    await work.enqueue_many([("big",)] * 300)
    await work.enqueue_many([(f"small-{n % 9}",) for n in range(90)])
    await work.enqueue_many([("gold",)] * 30)
    await manager.run_until_empty(30)
    last_small = max(place for place, tenant in enumerate(order) if tenant.startswith("small"))
    assert order[:last_small].count("big") <= 20
    assert order[: order.index("gold") + 44].count("gold") >= 9


async def test_what_a_job_costs_is_taken_from_the_limit(manager):
    """B.6"""

    @manager.queue("llm", rate_limit=Rate(100, per=3600, cost="tokens")).task
    async def ask(tokens: int): ...

    jobs = [await ask.enqueue(tokens) for tokens in (60, 30, 20)]
    await manager.run_until_empty(10)
    for job in jobs:
        await job.refresh()
    assert [job.state for job in jobs] == [State.COMPLETED, State.COMPLETED, State.HELD]
    [limit] = await manager.get_limits("llm")
    assert (limit.name, limit.free, limit.held, limit.per) == ("rate", 10, 1, 3600.0)
    assert 300 < limit.free_in < 400
    assert (await manager.get_queue_metrics("llm")).held == 1
    explained = await jobs[2].explain()
    assert explained.code == "held"
    assert "limit 'rate' of queue 'llm': 100 per 3600 s; free in " in explained


async def test_a_held_job_says_which_key_holds_it_and_how_many_wait(manager):
    """B.10"""

    @manager.queue("q", limit=Concurrency(2, by="tenant")).task
    async def work(tenant: str): ...

    jobs = await work.enqueue_many([("acme",)] * 4)
    assert await jobs[3].explain() == (
        "It is held by limit 'concurrency' of queue 'q' for 'acme': 2 of 2 are in use, and another waits for it."
    )


async def test_a_limit_is_changed_while_everything_runs(manager, url):
    """B.6: at once for jobs that wait, and for those that are added elsewhere."""

    def define(manager):
        @manager.queue("q", limit=Concurrency(2)).task
        async def work(): ...

        return work

    work = define(manager)
    jobs = await work.enqueue_many([()] * 5)
    assert await manager.get_queue("q").set_limit(Concurrency(4)) == 1
    [limit] = await manager.get_limits("q")
    assert (limit.limit, limit.used, limit.held) == (4, 4, 1)
    async with QueueManager(url) as elsewhere:
        await define(elsewhere).enqueue()
    [limit] = await manager.get_limits("q")
    assert (limit.limit, limit.held) == (4, 2)
    await manager.reset_limit("q", "concurrency")
    [limit] = await manager.get_limits("q")
    assert (limit.limit, limit.free) == (2, -2)
    await manager.run_until_empty(10)
    await jobs[0].result(1)


async def test_who_adds_jobs_hears_of_a_changed_limit_within_a_second(url):
    """B.6"""
    time = ManualClock()
    async with QueueManager(f"memory://{uuid4().hex}", clock=time) as manager:

        @manager.queue("q", limit=Concurrency(2)).task
        async def work(): ...

        await work.enqueue()
        store = await manager.store()
        await set_override(store, override_of("q", Concurrency(7).flow_key("concurrency", "", 1)))
        await work.enqueue()
        assert [limit.limit for limit in await manager.get_limits("q")] == [2]
        time.advance(1.0)
        await work.enqueue()
        assert [limit.limit for limit in await manager.get_limits("q")] == [7]


async def test_a_limit_that_is_not_there_cannot_be_changed(manager):
    queue = manager.queue("q", limit=Concurrency(2))

    @queue.task(rate_limit="5/s")
    async def work(): ...

    with pytest.raises(UnknownLimit, match=r"No limit 'rate' of queue 'q'.*work/rate"):
        await queue.set_limit("7/s")
    await queue.set_limit("7/s", task="work")
    with pytest.raises(InvalidOption, match="a Concurrency, which limit 'concurrency' is"):
        await queue.set_limit(Rate(3, per=1), name="concurrency")
    with pytest.raises(InvalidOption, match="stay as the code has them"):
        await queue.set_limit(Concurrency(3, by="tenant"))
    with pytest.raises(UnknownLimit, match="Did you mean 'concurrency'"):
        await queue.reset_limit("concurency")


async def test_a_changed_rate_keeps_the_burst_and_kind_of_the_code_unless_told(manager, url):
    def define(manager):
        queue = manager.queue("q", rate_limit=Rate(10, per="second", burst=1))

        @queue.task(limit=Rate(9, per=1, kind="sliding"))
        async def work(): ...

        return work

    async def stands():
        return {each.name: (each.kind, each.limit, each.burst) for each in await manager.get_limits("q")}

    await define(manager).enqueue_many([()] * 9)
    await manager.set_limit("q", "60/second")
    assert (await stands())["rate"] == ("bucket", 60, 1)
    await manager.set_limit("q", Rate(60, per=1, burst=7))
    assert (await stands())["rate"] == ("bucket", 60, 7)
    await manager.set_limit("q", "5/second", task="work")
    assert (await stands())["work/rate"] == ("sliding", 5, None)
    await manager.reset_limit("q", "rate")
    async with QueueManager(url) as without_code:
        await without_code.set_limit("q", "30/second")
    assert (await stands())["rate"] == ("bucket", 30, 1)


async def test_a_rate_that_nobody_uses_now_keeps_its_burst_too(manager, url):
    """A person at the command line knows no code."""

    @manager.queue("q", rate_limit=Rate(1000, per="second", burst=1)).task
    async def work(): ...

    await work.enqueue()
    await manager.run_until_empty()
    async with QueueManager(url) as without_code:
        await (await without_code.store()).promote(10)
        await without_code.set_limit("q", "500/second")
    assert (await override_in(manager, "q", "rate")).burst == 1


async def test_a_rate_is_no_concurrency_for_who_does_not_know_the_code_either(manager, url):
    @manager.queue("q", rate_limit=Rate(1000, per="second")).task(limit=Concurrency(2))
    async def work(): ...

    await work.enqueue()
    async with QueueManager(url) as without_code:
        with pytest.raises(InvalidOption, match="a Rate, which limit 'rate' is"):
            await without_code.set_limit("q", Concurrency(4), name="rate")
        with pytest.raises(InvalidOption, match="a Concurrency, which limit 'work/concurrency' is"):
            await without_code.set_limit("q", "5/second", task="work", name="concurrency")
    assert {each.name: each.kind for each in await manager.get_limits("q")} == {
        "rate": "bucket",
        "work/concurrency": "concurrency",
    }


async def override_in(manager, queue, rule):
    """What was set at run time."""
    overrides = Overrides()
    await look(await manager.store(), overrides)
    return overrides.get(queue, rule)


async def test_a_job_that_costs_more_than_a_limit_was_lowered_to_runs_alone(manager):
    """B.6: who lowers a limit does not break those who add jobs."""
    watch = Watch()

    @manager.queue("q", limit=Concurrency(4, cost="weight")).task
    async def work(weight: int):
        await watch.attend("any")

    await manager.set_limit("q", Concurrency(2))
    jobs = await work.enqueue_many([(3,), (1,), (4,), (1,), (1,)])
    with pytest.raises(InvalidOption, match="at most 4"):
        await work.enqueue(5)
    held = (await manager.get_jobs(state="held"))[0]
    assert (await held.explain()).code == "held"
    await manager.start_workers(concurrency=10)
    await asyncio.gather(*(job.result(20) for job in jobs))
    assert watch.most["any"] == 2
    await manager.set_limit("q", Concurrency(9))
    assert await (await work.enqueue(5)).result(20) is None


async def test_a_number_is_no_limit_and_the_error_says_what_may_be_given(manager):
    manager.queue("q", limit=Concurrency(2))
    with pytest.raises(InvalidOption, match=r"'limit' cannot be 4.*Concurrency\(4\).*Rate.*100/minute"):
        await manager.set_limit("q", 4)
    with pytest.raises(InvalidOption, match=r"'limit' cannot be 'abc'.*Concurrency.*Rate.*100/minute"):
        await manager.set_limit("q", "abc")


async def test_jobs_that_wait_are_served_in_the_order_of_their_priority(manager):
    order = []

    @manager.queue("q", limit=Concurrency(1)).task
    async def work(n: int):
        order.append(n)

    await work.enqueue(0)
    await work.options(priority=5).enqueue(2)
    await work.options(priority=1).enqueue(1)
    await manager.run_until_empty(10)
    assert order == [0, 1, 2]
