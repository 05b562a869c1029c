"""Tasks with process=True through the whole worker: a child process imports this module and finds them here."""

import os
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from longshore import JobContext, QueueManager, RateLimited, Retry
from longshore.core.states import State

manager = QueueManager("memory://")


@manager.task(queue="cpu", process=True)
def double(number: int, ctx: JobContext) -> dict[str, object]:
    ctx.progress_sync(0.5, "half way")
    ctx.log_sync(f"attempt {ctx.attempt} of {ctx.job.name}")
    return {"double": 2 * number, "pid": os.getpid()}


@manager.task(queue="cpu", process=True, retry=Retry(5, initial=0, retry_if=ConnectionError))
def refuses(kind: str) -> None:
    raise {"value": ValueError, "connection": ConnectionResetError}[kind](f"a {kind} error")


@manager.task(queue="cpu", process=True, max_crashes=2)
def dies() -> None:
    os._exit(5)


@manager.task(queue="cpu", process=True, timeout=0.2, retry=Retry(1))
def stays() -> None:
    while True:
        pass


class Refused(Exception):
    """As an HTTP client raises it."""

    status = 429
    headers: ClassVar[dict[str, str]] = {"Retry-After": "3600"}


@manager.task(queue="cpu", process=True, retry=Retry(1))
def limited(how: str, ctx: JobContext) -> None:
    if how == "raise":
        raise RateLimited("smtp", 3600)
    ctx.provider_sync(["first"])
    raise Refused


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    await manager.shutdown()


async def test_a_task_in_a_child_process_has_its_context_result_progress_and_log():
    job = await double.enqueue(21)
    await manager.run_until_empty(20)
    await job.refresh()
    outcome = await job.result()
    assert outcome["double"] == 42
    assert outcome["pid"] != os.getpid()
    assert job.progress == 0.5
    assert [line.text for line in job.logs] == ["attempt 1 of double"]


async def test_the_policys_exception_classes_decide_over_there_whether_to_try_again():
    jobs = [await refuses.enqueue(kind) for kind in ("value", "connection")]
    await manager.run_until_empty(20)
    for job in jobs:
        await job.refresh()
    assert [(job.state, job.failures) for job in jobs] == [(State.FAILED, 1), (State.FAILED, 5)]
    assert jobs[1].error_message == "ConnectionResetError: a connection error"
    assert "in refuses" in jobs[1].errors[0].traceback


async def test_a_task_that_kills_its_child_is_dead_after_its_crashes_and_harms_no_other():
    poison, healthy = await dies.enqueue(), [await double.enqueue(n) for n in range(20)]
    await manager.run_until_empty(30)
    await poison.refresh()
    assert (poison.state, poison.crashes, poison.failures) == (State.FAILED, 2, 0)
    assert "exit code 5" in poison.error_message
    for job in healthy:
        await job.refresh()
        assert (job.state, job.crashes, job.failures) == (State.COMPLETED, 0, 0)


async def test_a_task_over_its_time_is_killed_in_its_child():
    job = await stays.enqueue()
    await manager.run_until_empty(20)
    await job.refresh()
    assert (job.state, job.failures) == (State.FAILED, 1)
    assert "time-out of 0.2 s" in job.error_message


async def test_a_child_process_says_which_provider_wants_to_be_asked_later():
    """B.8"""
    raised, heard = await limited.enqueue("raise"), await limited.enqueue("answer")
    await manager.run_until_empty(20)
    for job, provider in ((raised, "smtp"), (heard, "first")):
        await job.refresh()
        assert (job.state, job.failures, job.failed_providers) == (State.SCHEDULED, 0, (provider,))
