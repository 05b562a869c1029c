"""Workflows made at random end as a pure model says, on every store."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longshore import Cancel, Discard, QueueManager, State, Step, Workflow
from longshore.core.edges import Edge, Join, Missed, When, becomes, is_met
from longshore.core.ids import new_id
from longshore.core.workflow_errors import InvalidWorkflow
from longshore.workflows.laying import WHEN, lay

ENDS = {
    "succeeds": State.COMPLETED,
    "fails": State.FAILED,
    "cancels": State.CANCELLED,
    "declines": State.SKIPPED,
}


@st.composite
def workflows(draw):
    """Up to nine steps in two queues; each waits for some of those before it, and does as it is told."""
    steps = []
    for number in range(draw(st.integers(1, 9))):
        names = [step.id for step in steps]
        after = (
            draw(st.dictionaries(st.sampled_from(names), st.sampled_from(list(WHEN)), max_size=3))
            if names
            else {}
        )
        end = draw(st.sampled_from([*ENDS, "succeeds", "fails"]))
        steps.append(
            Step(
                draw(st.sampled_from(["here", "there"])),
                "does",
                {"end": end},
                id=f"s{number}",
                after=after,
                join=draw(st.sampled_from(["all", "any"])),
                on_failed_dependency=draw(st.sampled_from(["cancel", "skip", "run"])),
                when="data.end != 'declines'",
            )
        )
    return Workflow(steps=steps)


def allowed(waits, end, states):
    """How a step may end, by how those before it did: what is missed first decides, and that is not fixed."""
    missed = [link for link in waits.links if not is_met(link.on, states[link.parent])]
    ends = {becomes(Edge(new_id(), "q", link.on, link.missed), states[link.parent]) for link in missed}
    if not missed or (waits.join is Join.ANY and len(missed) < len(waits.links)):
        return {ENDS[end]}
    if waits.join is Join.ANY:
        return {State.CANCELLED} if State.CANCELLED in ends else {State.SKIPPED}
    return ends


def manager_at(url):
    """A manager whose tasks end as they are told."""
    manager = QueueManager(url, poll=0.1)

    async def process(job):
        if job.data["end"] == "fails":
            raise Discard("told to")
        if job.data["end"] == "cancels":
            raise Cancel("told to")

    manager.register_processor("here", process)
    manager.register_processor("there", process)
    return manager


async def ended(manager, workflow):
    """How each step ended."""
    run = await manager.execute_workflow(workflow)
    await manager.run_until_empty(timeout=60)
    await run.refresh()
    return run.states


@pytest.mark.parametrize("url", ["memory://{name}", "sqlite:///{folder}/{name}.db"], ids=["memory", "sqlite"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(workflow=workflows())
def test_a_workflow_made_at_random_ends_as_the_model_says(url, tmp_path, workflow):
    """S3.8: the same terminal states on all stores."""
    url = url.format(name=uuid4().hex, folder=tmp_path)
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


def possible(workflow):
    """Its steps; None where one of them can never run, which is refused."""
    try:
        return lay(workflow)
    except InvalidWorkflow:
        return None


def test_the_model_knows_each_way_to_miss_an_edge():
    """S3.8"""
    assert {When.SUCCESS, When.FAILURE, When.ALWAYS, When.OVER} == set(WHEN.values())
    assert becomes(Edge(new_id(), "q", When.SUCCESS, Missed.SKIP), State.FAILED) is State.SKIPPED
