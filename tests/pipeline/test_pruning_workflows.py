"""Pruning beside workflows: what others may still ask for is spared, and all goes when the workflow is over."""

from longshore import State, Workflow
from longshore.core.states import TERMINAL
from longshore.store.commands import Delete, JobQuery, Order
from longshore.upkeep import sparing


def everything_over(limit=1000):
    states = tuple(sorted(TERMINAL))
    return [Delete(where=JobQuery(queues=("q",), states=states, order=Order.FINISHED, limit=limit))]


async def test_jobs_of_a_workflow_are_spared_until_all_of_it_is_over(works):
    """S3.18 S3.8"""
    manager = works.manager
    store = await manager.store()
    assert not await sparing.has_workflows(store)
    run = await works.run(Workflow("w", steps=[works.step("a", 1), works.step("b", delay=900, after="a")]))
    over = await works.run(Workflow("over", steps=works.step("c")))
    await works.note.enqueue("alone")
    await manager.run_until_empty(timeout=30)
    assert await sparing.has_workflows(store)
    assert not await sparing.prune(store, everything_over())
    assert [job.step for job in await manager.get_jobs(order="oldest")] == ["a", "b"]
    assert await manager.workflows.get(over.id) is None
    await run.refresh()
    assert run.states["a"] is State.COMPLETED
    await run.cancel()
    assert not await sparing.prune(store, everything_over())
    assert (await manager.get_jobs(), await manager.workflows.list()) == ([], [])


async def test_what_is_spared_does_not_hold_up_what_is_not(works):
    manager = works.manager
    await works.run(
        Workflow(steps=[*(works.step(f"s{n}") for n in range(30)), works.step("late", delay=900)])
    )
    await works.note.enqueue_many([(f"n{n}",) for n in range(30)])
    await manager.run_until_empty(timeout=30)
    more = True
    while more:
        more = await sparing.prune(await manager.store(), everything_over(limit=7))
    assert len(await manager.get_jobs(limit=100)) == 31


async def test_tasks_that_keep_nothing_keep_jobs_of_workflows(works):
    """S3.18"""
    manager = works.manager

    @manager.queue("q").task(retention=0)
    async def passing() -> int:
        return 5

    run = await works.run(passing.step())
    assert await run.result(5) == 5
    alone = await passing.enqueue()
    await manager.run_until_empty(timeout=30)
    assert await manager.get_job(alone.id) is None
