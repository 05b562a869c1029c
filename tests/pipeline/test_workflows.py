"""Workflows through workers: order, results, branches, conditions, and what jobs share."""

import asyncio
from uuid import uuid4

import pytest

from longshore import (
    InvalidOption,
    JobContext,
    QueueManager,
    State,
    Step,
    UsageError,
    Workflow,
    WorkflowConflict,
    WorkflowFailed,
    chain,
    chord,
    group,
)
from longshore.core.errors import UnusableConnection
from longshore.core.workflow_errors import UnknownPredicate, UnknownStep
from longshore.workflows.record import Status

C, D, X, K = State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED


async def test_steps_run_after_those_they_wait_for_and_read_their_results(works):
    """S3.7 S3.8"""
    step = works.step
    run = await works.run(chain(step("a", 1), [step("b", 2), step("c", 3)], works.gather.step()))
    assert works.ran[0] == "a"
    assert sorted(works.ran[1:3]) == ["b", "c"]
    assert await run.result(5) == [2, 3]
    assert await run.results() == {"a": 1, "b": 2, "c": 3, "gather": [2, 3]}
    assert (run.status, run.counts) == (Status.COMPLETED, {C: 4})
    assert {job.workflow_id for job in run.steps.values()} == {run.id}


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_a_reduce_gets_a_list_however_many_were_mapped(works, count):
    """S3.9"""

    @works.manager.task(queue="q")
    async def reduce(ctx: JobContext) -> int:
        return sum(await ctx.previous)

    run = await works.run(chord([works.step(f"m{number}", 7) for number in range(count)], reduce.step()))
    assert await run.result(5) == 7 * count


async def test_what_follows_jobs_that_were_added_together_gets_a_list_also_of_one(works):
    """S3.7 S3.9: a lone job gives what it returned."""

    @works.manager.task(queue="q")
    async def follow(ctx: JobContext) -> object:
        return await ctx.previous

    chained = {"chain_to": [follow.step()]}
    item = {"name": "note", "data": {"name": "x", "value": 3}, "options": chained}
    lone = await works.note.options(**chained).enqueue("a", 3)
    named = await works.manager.add_job("q", "note", {"name": "b", "value": 3}, **chained)
    [many] = await works.note.options(**chained).enqueue_many([("c", 3)])
    [bulk] = await works.manager.add_bulk("q", [item])
    await works.manager.run_until_empty(timeout=30)
    runs = [await works.manager.workflows.get(job.workflow_id) for job in (lone, named, many, bulk)]
    assert [await run.result(5) for run in runs] == [3, 3, [3], [3]]


async def test_the_workflow_of_the_seed_runs_as_it_is_written(works):
    """S3.8: the seed's JSON, with its path of failure, metadata, correlation id and tags."""
    manager, ran = works.manager, []
    for queue in ("email-notifications", "data-processing", "notifications"):
        manager.register_processor(queue, _processor(ran))
    alert = {"queueName": "notifications", "jobName": "alert-admin", "data": {"error": "x", "userId": 123}}
    profile = {
        "queueName": "data-processing",
        "jobName": "create-user-profile",
        "data": {"userId": 123, "fails": True},
        "onSuccess": [{"queueName": "email-notifications", "jobName": "send-profile-created", "data": {}}],
        "onFailure": [alert],
        "options": {"attempts": 1},
    }
    workflow = {
        "id": "user-onboarding-workflow",
        "name": "User Onboarding",
        "steps": [
            {
                "queueName": "email-notifications",
                "jobName": "send-welcome-email",
                "data": {"userId": 123},
                "onSuccess": [profile],
            },
        ],
        "metadata": {"createdBy": "system", "correlationId": "workflow-123", "tags": ["onboarding", "user"]},
    }
    run = await works.run(workflow)
    assert ran == ["send-welcome-email", "create-user-profile", "alert-admin"]
    assert run.states["send-profile-created"] is X
    job = run.job("alert-admin")
    assert (job.correlation_id, job.tags) == ("workflow-123", ("onboarding", "user"))
    assert job.metadata["createdBy"] == "system"
    assert [found.name for found in await manager.get_jobs(correlation_id="workflow-123", limit=2)]
    with pytest.raises(
        WorkflowFailed, match=r"'user-onboarding-workflow' failed in step 'create-user-profile'"
    ):
        await run.result(5)
    assert (await manager.workflows.get("user-onboarding-workflow")).status is Status.FAILED


def _processor(ran):
    async def process(job):
        ran.append(job.name)
        if job.data.get("fails"):
            raise ValueError("told to")

    return process


async def test_a_branch_that_is_not_taken_is_skipped_with_all_behind_it(works):
    """S3.8"""
    step = works.step
    run = await works.run(Workflow(steps=step("a", on_failure=step("mend", on_success=step("after")))))
    assert run.states == {"a": C, "mend": K, "after": K}
    assert "branch" in await run.job("mend").explain()
    assert run.status is Status.COMPLETED
    assert await run.result(5) == 0


@pytest.mark.parametrize(("word", "state"), [("cancel", X), ("skip", K), ("run", C)])
async def test_what_needs_a_failed_step_is_cancelled_skipped_or_run(works, word, state):
    """S3.8"""
    works.fails = {"a"}
    run = await works.run(chain(works.step("a"), works.step("b", on_failed_dependency=word)))
    assert run.states == {"a": D, "b": state}


async def test_callbacks_of_a_group_run_once_when_they_should(works):
    """S3.8: all done, all succeeded, first failure."""
    step = works.step
    calls = {"on_success": step("good"), "on_failure": step("bad"), "on_complete": step("done")}
    run = await works.run(group(step("a"), step("b"), **calls))
    assert (run.states["good"], run.states["bad"], run.states["done"]) == (C, K, C)
    works.fails = {"a", "b"}
    run = await works.run(group(step("a"), step("b"), **calls))
    assert (run.states["good"], run.states["bad"], run.states["done"]) == (X, C, C)
    assert (works.ran.count("bad"), works.ran.count("done")) == (1, 2)


async def test_a_condition_decides_whether_a_step_runs(works):
    """S3.8: predicates, as text and as functions."""
    manager, step = works.manager, works.step

    @manager.predicate
    def big(previous):
        return previous > 100

    @manager.predicate
    async def small(previous, ctx):
        return await ctx.previous <= 100 and previous <= 100

    run = await works.run(
        chain(
            step("a", 120),
            [
                step("over", when="previous > 100"),
                step("under", when="previous <= 100"),
                step("big", when=big),
                step("small", when="small"),
                works.gather.step().options(id="named", when="results.a == 120 and not data.x"),
            ],
        )
    )
    assert run.states == {"a": C, "over": C, "under": K, "big": C, "small": K, "named": C}
    assert "condition" in await run.job("under").explain()
    with pytest.raises(UnknownPredicate, match=r"'largest'.*Known: big, small"):
        await manager.execute_workflow(step("x", when=_largest()))
    with pytest.raises(InvalidOption, match="when"):
        await manager.execute_workflow(step("x", when="os.system('x')"))


async def test_a_step_whose_predicate_no_worker_knows_waits_and_says_for_what():
    """S3.8"""
    url, released = f"memory://{uuid4().hex}", asyncio.Event()
    async with QueueManager(url) as teller, QueueManager(url) as other:

        @teller.predicate
        def big(previous):
            return True

        @other.task(queue="w")
        async def load() -> int:
            return 1

        other.on("released", lambda event: released.set())
        run = await teller.execute_workflow(
            chain(Step("w", "load", id="a"), Step("w", "load", id="b", when="big"))
        )
        await other.start_workers()
        await released.wait()
        await run.refresh()
        assert run.states["b"] is State.SCHEDULED
        assert "UnknownPredicate: No predicate 'big'" in await run.job("b").explain()


def _largest():
    def largest(previous): ...

    return largest


async def test_a_condition_is_looked_at_also_for_tasks_in_threads(works):
    ran = []

    @works.manager.queue("q").task
    def threaded(ctx: JobContext) -> None:
        ran.append((ctx.previous_sync(), ctx.results_sync()))

    run = await works.run(
        chain(
            works.step("a", 7),
            [
                threaded.step().options(id="yes", when="previous == 7"),
                threaded.step().options(id="no", when="previous == 8"),
            ],
        )
    )
    assert run.states == {"a": C, "yes": C, "no": K}
    assert ran == [(7, {"a": 7})]


async def test_a_join_of_any_goes_on_with_the_first(works):
    step = works.step
    ways = [step("a", when="data.value == 1"), step("b")]
    run = await works.run(Workflow(steps=[*ways, step("j", after=["a", "b"], join="any")]))
    assert run.states == {"a": K, "b": C, "j": C}


async def test_results_are_asked_for_by_name_with_clear_errors(works):
    """S3.8"""
    said = []

    @works.manager.queue("q").task
    async def asks(ctx: JobContext) -> None:
        said.append(await ctx.results["a"])
        said.append([job.state for job in await ctx.parents])
        for name in ("b", "never"):
            try:
                await ctx.results[name]
            except (UnknownStep, WorkflowConflict) as error:
                said.append(str(error))

    await works.run(chain(works.step("a", 5), asks.step(), works.step("b")))
    assert said[:2] == [5, [C]]
    assert "no result of step 'b': it is blocked" in said[2]
    assert "a step 'never', and there is none" in said[3]

    @works.manager.queue("q").task
    async def alone(ctx: JobContext) -> None:
        assert await ctx.previous is None
        with pytest.raises(UsageError, match=r"ctx\.results is for steps"):
            await ctx.results

    job = await alone.enqueue()
    await works.manager.run_until_empty(timeout=30)
    assert await job.result(5) is None


async def test_a_chain_to_runs_one_after_the_other_and_hands_results_on(works):
    """S3.7: chainTo, in the words of the seed and in ours."""
    manager, seen = works.manager, []

    async def process(job):
        seen.append(job.name)
        return job.name

    for queue in ("data-ingestion", "data-processing", "notifications"):
        manager.register_processor(queue, process)
    follows = [
        {"queueName": "data-processing", "jobName": "process-data", "data": {"format": "csv"}},
        {
            "queueName": "notifications",
            "jobName": "notify-completion",
            "data": {"type": "ingestion-complete"},
        },
    ]
    job = await manager.add_job(
        "data-ingestion", "ingest-data", {"source": "s3://x"}, priority=2, chainTo=follows
    )
    await manager.run_until_empty(timeout=30)
    assert seen == ["ingest-data", "process-data", "notify-completion"]
    assert await job.result(5) == "ingest-data"
    assert await (await manager.workflows.get(job.workflow_id)).result(5) == "notify-completion"
    later = await works.note.options(chain_to=[works.gather.step()], priority=1).enqueue("x", 4)
    await manager.run_until_empty(timeout=30)
    assert await (await manager.workflows.get(later.workflow_id)).result(5) == [4]
    with pytest.raises(UnusableConnection, match="chain_to"):
        await manager.add_job("q", "note", {"name": "x"}, chain_to=follows, connection=object())
    chained = {"name": "note", "data": {"name": "x"}, "options": {"chain_to": follows}}
    with pytest.raises(UnusableConnection, match="chain_to"):  # before the plain job is stored
        await manager.add_bulk("q", [{"name": "note", "data": {"name": "x"}}, chained], connection=object())


async def test_jobs_added_together_share_what_follows_them(works):
    """S3.9: map-reduce as the seed writes it, with the reducer run exactly once with all results."""
    manager, reduced = works.manager, []

    async def double(job):
        return 2 * job.data["index"]

    @manager.queue("reduce-processing").task(name="reduce-results")
    async def reduce(totalChunks: int, *, ctx: JobContext) -> int:  # noqa: N803 - the seed's word
        reduced.append((totalChunks, await ctx.previous))
        return sum(reduced[0][1])

    manager.register_processor("map-processing", double)
    jobs = [
        {
            "name": "map-process",
            "data": {"index": index},
            "options": {
                "chainTo": [
                    {
                        "queueName": "reduce-processing",
                        "jobName": "reduce-results",
                        "data": {"totalChunks": 50},
                    }
                ]
            },
        }
        for index in range(50)
    ]
    plain = {"name": "plain", "data": {"index": 1}}
    added = await manager.add_bulk("map-processing", [*jobs, plain])
    assert [job.name for job in added] == ["map-process"] * 50 + ["plain"]
    await manager.run_until_empty(timeout=30)
    assert reduced == [(50, [2 * index for index in range(50)])]
    [first, second] = await works.note.options(chain_to=works.gather.step()).enqueue_many(
        [("a", 1), ("b", 2)]
    )
    assert first.workflow_id == second.workflow_id
    await manager.run_until_empty(timeout=30)
    assert await (await manager.workflows.get(first.workflow_id)).result(5) == [1, 2]


async def test_a_chord_hands_all_results_to_one_step(works):
    """S3.9"""
    run = await works.run(chord([works.step(f"m{n}", n) for n in range(20)], works.gather.step()))
    assert await run.result(5) == list(range(20))
    assert works.ran.count("gather") == 1


async def test_a_condition_on_the_result_of_a_step_that_is_not_there_is_refused(works):
    """S3.8: it could never hold, and the step would be skipped in silence."""
    wrong = works.step("b").options(after="a", when="results.aa > 3")
    with pytest.raises(UnknownStep, match="Did you mean 'a'"):
        await works.manager.execute_workflow(Workflow(steps=[works.step("a"), wrong]))
    right = works.step("b").options(after="a", when="results.a > 3")
    run = await works.run(Workflow(steps=[works.step("a", 4), right]))
    assert run.counts == {C: 2}


def test_a_predicate_that_cannot_be_called_is_refused_where_it_is_registered(works):
    """S3.8"""
    for wrong in (lambda: True, lambda a, b, c: True, lambda a, *, b: True):
        with pytest.raises(InvalidOption, match="a function of what the step before returned"):
            works.manager.predicate(name="wrong")(wrong)
    for right in (lambda a: True, lambda a, b: True, lambda *a: True, lambda a, b=1: True):
        works.manager.predicate(name="right")(right)


async def test_a_step_that_has_nothing_to_append_appends_nothing(works):
    """S3.8: a crawler at a page without links."""

    @works.manager.task(queue="q")
    async def crawl(ctx: JobContext) -> int:
        return len([*await ctx.append(), *await ctx.append([])])

    run = await works.run(chain(crawl.step()))
    assert await run.result(5) == 0
