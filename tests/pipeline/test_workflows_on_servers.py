"""Workflows on servers: what a join, a branch and another life come to does not depend on where jobs are kept."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings

from longshore import JobContext, State, Step, chain, chord
from servers import running
from tests.pipeline.test_random_workflows import allowed, ended, manager_at, possible, workflows


@pytest.fixture(params=["postgres", "redis", "cluster"])
def url(request, tmp_path):
    """Of an empty store."""
    place = running.name_for(tmp_path)
    return {
        "postgres": lambda: f"{running.postgres().url}?schema={place}",
        "redis": lambda: f"{running.redis().url}?prefix={place}",
        "cluster": lambda: f"{running.cluster().url}?prefix={place}",
    }[request.param]()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(workflow=workflows())
def test_a_workflow_made_at_random_ends_as_the_model_says(url, workflow):
    """S3.8: the same terminal states on all stores."""
    steps = possible(workflow)
    if steps is None:
        return

    async def run():
        async with manager_at(url) as manager:
            return await ended(manager, workflow)

    states = asyncio.run(run())
    for laid in steps:
        name, end = laid.waits.name, laid.step.data["end"]
        assert states[name] in allowed(laid.waits, end, states), (name, states)


async def test_what_failed_gets_another_life_with_all_behind_it(url):
    """S3.8"""
    async with manager_at(url) as manager:
        fails = {"now": True}

        @manager.queue("here", retry=1).task
        async def part(n: int) -> int:
            if n == 3 and fails["now"]:
                raise ValueError("not yet")
            return n

        @manager.queue("there").task
        async def total(ctx: JobContext) -> int:
            return sum(await ctx.previous)

        last = part.step(11).options(id="last", when="previous == 45")
        parts = [part.step(n) for n in range(10)]
        run = await manager.execute_workflow(chain(chord(parts, total.step()), last))
        await manager.run_until_empty(timeout=60)
        await run.refresh()
        assert run.states["total"] is State.CANCELLED
        fails["now"] = False
        assert await run.retry() == 3
        await manager.run_until_empty(timeout=60)
        await run.refresh()
        assert (await run.result(10), (await run.results())["total"]) == (11, 45)


async def test_running_until_empty_waits_for_what_is_told_late(url):
    """S3.8: where queues lie apart, a step learns of those before it a moment later; that moment ends nothing."""
    async with manager_at(url) as manager:
        for number in range(10):
            steps = [
                Step(["here", "there"][n % 2], "does", {"end": "succeeds"}, id=f"s{n}") for n in range(6)
            ]
            run = await manager.execute_workflow(chain(*steps))
            await manager.run_until_empty(timeout=60)
            await run.refresh()
            assert set(run.states.values()) == {State.COMPLETED}, number
