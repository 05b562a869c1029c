"""Driving a coroutine inside somebody else's task."""

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from longshore.worker.steps import Steps

mark = ContextVar("mark", default="outside")


async def child_of_the_group():
    await asyncio.sleep(0)
    return "child"


def begun(coroutine):
    space = copy_context()
    return Steps(coroutine, space, space.run(coroutine.send, None))


async def test_its_result_comes_back_and_its_context_stays_its_own():
    async def inner():
        mark.set("inside")
        await asyncio.sleep(0)
        assert mark.get() == "inside"
        return 7

    assert await begun(inner()) == 7
    assert mark.get() == "outside"


async def test_a_cancellation_reaches_the_coroutine_where_it_waits():
    cleaned = []

    async def inner():
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(mark.get())

    async def outer():
        await begun(inner())

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["outside"]


async def test_time_outs_and_groups_of_asyncio_work_inside():
    async def inner():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            child = group.create_task(child_of_the_group())
        return child.result()

    assert await begun(inner()) == "child"


async def test_a_generator_exit_of_the_coroutine_becomes_an_ordinary_error():
    async def inner():
        await asyncio.sleep(0)
        raise GeneratorExit

    with pytest.raises(RuntimeError, match="GeneratorExit"):
        await begun(inner())


async def test_throwing_it_away_closes_the_coroutine():
    closed = []

    async def inner():
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def outer():
        await begun(inner())

    coroutine = outer()
    coroutine.send(None)
    coroutine.close()
    assert closed == [True]
