"""Child processes as places to run a task: what goes in, and what comes back. One child serves all these tests."""

import os
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from longshore.core.attempt_errors import ResultNotEncodable, TaskRaised
from longshore.core.errors import PayloadUndecodable
from longshore.core.task_signals import Cancel, Discard, RetryAt, Snooze
from longshore.engine.policy import Policy
from longshore.worker.runners.processes import ProcessRunner
from tests.unit.worker.runners import tasks
from tests.unit.worker.runners.errands import Awaited, run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner() -> AsyncIterator[ProcessRunner]:
    runner = ProcessRunner(1, random=random.Random(1))
    yield runner
    await runner.close()


async def test_a_function_runs_in_another_process_and_its_result_comes_back_as_json(runner):
    assert await run(runner, tasks.add, b'{"a": 1}') == b"11"
    assert int(await run(runner, tasks.pid)) != os.getpid()


async def test_an_async_function_runs_on_a_loop_of_its_own(runner):
    assert await run(runner, tasks.add_async, b'{"a": 1, "b": 2}') == b"3"
    assert await run(runner, tasks.add_async, b'{"a": 3, "b": 4}') == b"7"


async def test_a_function_that_returns_nothing_has_no_result(runner):
    assert await run(runner, tasks.nothing) is None


async def test_what_a_task_raises_comes_back_as_text_and_never_as_its_class(runner):
    with pytest.raises(TaskRaised) as caught:
        await run(runner, tasks.raise_it)
    assert caught.value.type == "ConnectionResetError"
    assert caught.value.message == "the peer said no"
    assert "in raise_it" in caught.value.traceback
    assert "calling.py" not in caught.value.traceback


async def test_an_exception_whose_text_cannot_be_read_is_still_told(runner):
    with pytest.raises(TaskRaised, match="its text cannot be read: SystemExit"):
        await run(runner, tasks.raise_hostile)


@pytest.mark.parametrize("function", [tasks.exit_politely, tasks.interrupt])
async def test_an_exception_that_would_end_the_child_ends_only_the_job(runner, function):
    child = await run(runner, tasks.pid)
    with pytest.raises(TaskRaised):
        await run(runner, function)
    assert await run(runner, tasks.pid) == child


async def test_the_tasks_own_policy_says_over_there_whether_an_exception_is_worth_a_retry(runner):
    with pytest.raises(TaskRaised) as caught:
        await run(runner, tasks.nothing, target=f"{tasks.__name__}:hopeless")
    assert caught.value.retriable is False


async def test_a_policy_that_raises_over_there_means_another_try(runner):
    with pytest.raises(TaskRaised) as caught:
        await run(runner, tasks.nothing, target=f"{tasks.__name__}:undecided")
    assert caught.value.retriable is True


async def test_signals_of_a_task_mean_the_same_from_another_process(runner):
    with pytest.raises(Snooze) as snoozed:
        await run(runner, tasks.snooze)
    assert snoozed.value.seconds == 7
    with pytest.raises(RetryAt, match="maintenance") as retried:
        await run(runner, tasks.retry_at)
    assert retried.value.at.isoformat() == "2030-01-01T00:00:00+00:00"
    with pytest.raises(Cancel, match="no longer wanted"):
        await run(runner, tasks.cancel)
    with pytest.raises(Discard, match="never"):
        await run(runner, tasks.discard)


async def test_a_result_without_a_json_form_or_too_long_is_said_to_be_so(runner):
    with pytest.raises(
        ResultNotEncodable, match=r"The result of '.*type object have no JSON form.*Return plain"
    ):
        await run(runner, tasks.return_what_json_cannot_say)
    with pytest.raises(
        ResultNotEncodable, match=r"The result of '.*' takes 500,002 bytes.*and return its key"
    ):
        await run(runner, tasks.return_much, policy=Policy(result_limit_bytes=100_000))


async def test_long_data_and_long_results_pass_whole(runner):
    text = b"y" * 900_000
    assert len(await run(runner, tasks.return_much)) == 500_002
    assert await run(runner, tasks.remember, b'{"text": "%s"}' % text) == b'"nothing"'


async def test_data_that_does_not_fit_the_task_is_undecodable(runner):
    with pytest.raises(
        PayloadUndecodable, match=r"^The stored data does not fit task 'task': Expected `int`"
    ):
        await run(runner, tasks.add, b'{"a": "one"}')


async def test_progress_and_log_lines_arrive_before_the_result(runner):
    errand = Awaited(tasks.nothing, target=f"{tasks.__name__}:told")
    runner.submit(errand)
    assert await errand.outcome == b'"task"'
    assert [errand.said.queue.get_nowait() for _ in range(2)] == [(0.5, "half way"), "a line"]


async def test_the_context_of_a_job_is_restored_around_its_task(runner):
    assert await run(runner, tasks.context, context={"user": "7"}) == b'{"user":"7"}'
    assert await run(runner, tasks.context) == b"{}"


async def test_context_variables_of_one_job_are_not_seen_by_the_next(runner):
    assert await run(runner, tasks.remember, b'{"text": "one"}') == b'"nothing"'
    assert await run(runner, tasks.remember, b'{"text": "two"}') == b'"nothing"'
