"""Workflows that are changed: cancelled, given another life, with more steps, started again; and refused."""

import asyncio
from uuid import uuid4

import pytest

from longshore import (
    Cancel,
    InvalidOption,
    InvalidWorkflow,
    JobContext,
    QueueManager,
    State,
    Step,
    Unique,
    Workflow,
    WorkflowCancelled,
    WorkflowConflict,
    chain,
    group,
)
from longshore.core.workflow_errors import UnknownStep, WorkflowNotFound
from longshore.workflows.record import Status

C, D, X, K = State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED


async def test_cancelling_takes_no_path_of_failure(works):
    """S3.8"""
    step = works.step
    workflow = chain(step("a", delay=900, on_failure=step("mend"), on_complete=step("tidy")), step("b"))
    run = await works.manager.execute_workflow(workflow)
    assert await run.cancel() == 4
    assert set(run.states.values()) == {X}
    with pytest.raises(WorkflowCancelled, match="step 'a'"):
        await run.result(5)
    assert await works.manager.workflows.cancel(run.id) == 0
    with pytest.raises(WorkflowNotFound):
        await works.manager.workflows.cancel("nothing")


async def test_a_task_may_cancel_its_own_step(works):
    @works.manager.queue("q").task
    async def stops() -> None:
        raise Cancel("enough")

    run = await works.run(chain(stops.step(), works.step("b")))
    assert (run.states, run.status) == ({"stops": X, "b": X}, Status.CANCELLED)


async def test_failed_steps_get_another_life(works):
    """S3.8: retry all, failed only, failed and downstream."""
    step, manager = works.step, works.manager
    works.fails = {"b"}
    run = await works.run(chain(step("a"), step("b", 2, on_failure=step("alert")), works.gather.step()))
    assert run.states == {"a": C, "b": D, "alert": C, "gather": X}
    works.fails = set()
    assert await run.retry("failed") == 1
    await manager.run_until_empty(timeout=30)
    await run.refresh()
    assert run.states == {"a": C, "b": C, "alert": C, "gather": X}
    assert await run.retry() == 1
    await manager.run_until_empty(timeout=30)
    assert await run.result(5) == [2]
    assert works.ran == ["a", "b", "alert", "b", "gather"]
    before = {job.id for job in run.steps.values()}
    assert await run.retry("all") == 4
    with pytest.raises(WorkflowConflict, match="not over"):
        await run.retry("all")
    await manager.run_until_empty(timeout=30)
    await run.refresh()
    assert run.states == {"a": C, "b": C, "alert": K, "gather": C}
    assert before.isdisjoint(job.id for job in run.steps.values())
    assert run.record.run == 2
    with pytest.raises(InvalidOption, match="failed_and_downstream"):
        await run.retry("everything")


async def test_a_step_is_not_retried_to_wait_for_one_that_is_forgotten(works):
    """S3.8: it would be blocked until it counted as an orphan, and then cancelled."""
    works.fails = {"b"}
    run = await works.run(chain([works.step("a"), works.step("b")], works.gather.step()))
    assert await works.manager.delete_job(run.steps["a"].id)
    with pytest.raises(WorkflowConflict, match="step 'gather' would wait for 'a', whose job is forgotten"):
        await run.retry()
    await run.refresh()
    assert run.states == {"a": None, "b": D, "gather": X}
    works.fails = set()
    assert await run.retry("failed") == 1


async def test_a_running_step_adds_more(works):
    """S3.8: append from inside; an attempt that is run again adds nothing twice."""

    @works.manager.queue("q", retry=1).task(retry=2)
    async def lists(ctx: JobContext) -> int:
        pages = [works.note.step(f"page {n}", n) for n in range(3)]
        added = await ctx.append(*pages, works.gather.step().options(after=pages))
        assert [job.step for job in added] == ["note", "note-2", "note-3", "gather"]
        await ctx.append(works.step("last", after="gather"))
        if ctx.attempt == 1:
            raise ValueError("again")
        return 3

    run = await works.manager.execute_workflow(lists.step().options(retry=[0, 0]))
    await works.manager.run_until_empty(timeout=30)
    await run.refresh()
    assert run.states == {"lists": C, "note": C, "note-2": C, "note-3": C, "gather": C, "last": C}
    assert sorted(works.ran) == ["gather", "last", "page 0", "page 1", "page 2"]
    assert (await run.results())["gather"] == [0, 1, 2]


async def test_steps_are_added_from_outside(works):
    """S3.8"""
    run = await works.run(works.step("a", 1))
    [job] = await works.manager.workflows.append(run.id, works.gather.step().options(after="a"))
    assert job.step == "gather"
    await works.manager.run_until_empty(timeout=30)
    await run.refresh()
    assert (await run.results(), list(run.states)) == ({"a": 1, "gather": [1]}, ["a", "gather"])
    with pytest.raises(UnknownStep, match="'b'"):
        await run.append(works.step("c", after="b"))


async def test_the_same_id_starts_one_workflow(works):
    """S3.8"""
    manager = works.manager
    first = await manager.execute_workflow(Workflow(id="w", steps=works.step("a", 1)))
    again = await manager.execute_workflow(Workflow(id="w", steps=works.step("a", 1)))
    assert (first.conflict, again.conflict) == (False, True)
    assert [job.id for job in again.steps.values()] == [job.id for job in first.steps.values()]
    with pytest.raises(WorkflowConflict, match="other steps or data"):
        await manager.execute_workflow(Workflow(id="w", steps=works.step("a", 2)))
    assert len(await manager.get_jobs()) == 1


async def test_a_start_that_was_cut_short_is_made_good_by_the_same_call(works):
    """S3.8: the record is there, and its jobs are not."""
    manager, workflow = works.manager, Workflow(id="w", steps=works.step("a", 1))
    first = await manager.execute_workflow(workflow)
    await manager.delete_job(first.job("a").id)
    assert (await manager.workflows.get("w")).status is Status.ABSENT
    again = await manager.execute_workflow(workflow)
    assert again.job("a").id == first.job("a").id
    await manager.run_until_empty(timeout=30)
    assert await again.result(5) == 1


async def test_what_cannot_be_a_workflow_is_refused_and_nothing_is_stored(works):
    """S3.8"""
    manager = works.manager
    manager.queue("quick", durable=False)

    @manager.queue("q").task(unique=Unique(within=60))
    async def once(n: int) -> None: ...

    @manager.queue("q").batch_task
    async def many(items: list[int]) -> None: ...

    for workflow, problem in [
        (chain(Step("quick", "a"), works.step("b")), "'quick', which is in memory"),
        (chain(once.step(1), works.step("b")), "is unique"),
        (Step("q", "many", 1, when="previous > 1"), "many jobs at once"),
        (Step("q", "note", {"nam": "x"}), "nam"),
    ]:
        with pytest.raises(Exception, match=problem) as raised:
            await manager.execute_workflow(workflow)
        assert isinstance(raised.value, InvalidWorkflow) or "data does not fit" in str(raised.value)
    assert await manager.get_jobs() == []
    assert await manager.workflows.list() == []
    assert await manager.execute_workflow(chain(once.step(1).options(unique=False), works.step("b")))


async def test_workflows_in_memory_beside_a_durable_store_work_too(works):
    """S4.1 S3.8"""
    manager, ran = works.manager, []
    fast = manager.queue("fast", durable=False)

    @fast.task
    async def quick(ctx: JobContext) -> int:
        ran.append(await ctx.previous)
        return len(ran)

    run = await works.run(chain(quick.step(), quick.step()))
    assert (ran, await run.result(5)) == ([None, 1], 2)


async def test_workflows_are_listed_newest_first(works):
    manager = works.manager
    await works.run(Workflow("one", steps=works.step("a")))
    await manager.execute_workflow(Workflow("two", steps=works.step("b", delay=900)))
    listed = await manager.workflows.list()
    assert sorted(run.id for run in listed) == ["one", "two"]
    assert [run.id for run in await manager.workflows.list(status="running")] == ["two"]
    assert "<WorkflowRun two running: 1 steps>" in map(repr, listed)
    with pytest.raises(InvalidOption, match="running"):
        await manager.workflows.list(status="stuck")


async def test_a_workflow_is_shown_before_it_is_started(works):
    """S3.8: export as Mermaid and JSON."""
    workflow = chain(works.step("a", 1), works.step("b", 2, when="previous == 1"))
    known = works.manager.workflows
    assert known.to_mermaid(workflow).splitlines()[-1] == "    s0 --> s1"
    plain = known.to_dict(workflow)
    assert known.to_dict(plain) == plain
    run = await works.run(plain)
    assert (await run.results(), run.to_dict()["status"]) == ({"a": 1, "b": 2}, "completed")
    assert "class s0,s1 completed" in run.to_mermaid()


async def test_who_waits_for_a_workflow_is_told_when_it_takes_too_long(works):
    run = await works.manager.execute_workflow(works.step("a", delay=900))
    with pytest.raises(TimeoutError, match="has not ended after"):
        await run.result(0.05)


def test_everything_works_without_an_event_loop():
    with QueueManager(f"memory://{uuid4().hex}") as manager:

        @manager.queue("q").task
        def one() -> int:
            return 1

        run = manager.execute_workflow_sync(chain(one.step(), one.step()))
        manager.run_until_empty_sync(timeout=30)
        assert run.result_sync(5) == 1
        assert manager.workflows.get_sync(run.id).status is Status.COMPLETED
        assert [each.id for each in manager.workflows.list_sync()] == [run.id]


async def test_a_blocked_job_says_what_it_waits_for(works):
    """S3.8: explain."""
    step = works.step
    workflow = Workflow(steps=[step("a", delay=900), step("b", delay=900), step("c", after=["a", "b"])])
    run = await works.manager.execute_workflow(workflow)
    said = await run.job("c").explain()
    assert said == "It is blocked by 2 jobs: step a (scheduled), step b (scheduled)."
    assert said.code == "blocked"


async def test_steps_of_one_workflow_started_at_once_add_under_names_of_their_own(works):
    """S3.8: many steps append at the same time."""

    @works.manager.queue("q").task
    async def adds(ctx: JobContext) -> None:
        await ctx.append(works.note.step("x"))

    run = await works.manager.execute_workflow(group([adds.step() for _ in range(8)]))
    async with asyncio.timeout(30):
        await works.manager.run_until_empty()
    await run.refresh()
    assert len(run.states) == 16
    assert set(run.states.values()) == {C}
