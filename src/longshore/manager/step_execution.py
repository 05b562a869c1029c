"""This module runs one step of a task: a function with retries and a time-out, in the event loop or in a thread."""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import msgspec

from longshore.core.clock import Clock
from longshore.core.errors import InvalidOption
from longshore.core.retry import Retry
from longshore.core.task_signals import TaskSignal


class StepOptions(msgspec.Struct, frozen=True):
    """What steps are told with `ctx.options`."""

    retry: Retry | None = None
    timeout: float | None = None
    """Seconds for each try."""


async def run_step(
    call: Callable[[], Awaitable[Any]], options: StepOptions, clock: Clock, random: Random
) -> Any:
    """The step until it succeeds, or has no try left. What a task says about its attempt is never tried again."""
    failures = 0
    while True:
        try:
            async with asyncio.timeout(options.timeout):
                return await call()
        except Exception as error:
            failures += 1
            pause = pause_after(error, failures, options.retry, random)
            if pause is None:
                raise
        await clock.sleep(pause)


def pause_after(error: Exception, failures: int, retry: Retry | None, random: Random) -> float | None:
    """Seconds until the next try; None: there is none."""
    if retry is None or isinstance(error, TaskSignal):
        return None
    if not retry.allows(failures) or not retry.wants(error):
        return None
    return retry.delay(failures, random, error_type=type(error).__name__)


def check_function(name: str, function: object) -> None:
    """Raises InvalidOption where a step is given something else, most often what a coroutine function has returned."""
    if callable(function):
        return
    if inspect.iscoroutine(function):
        function.close()
    raise InvalidOption(
        "function",
        function,
        f"a function, and behind it what it is called with: ctx.step({name!r}, function, 7)",
    )


async def called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The outcome of a coroutine function here, or of a plain one in a thread."""
    if is_async(function):
        return await function(*args, **kwargs)
    outcome = await in_thread(partial(function, *args, **kwargs))
    return await outcome if inspect.isawaitable(outcome) else outcome


def is_async(function: Callable[..., Any]) -> bool:
    """Whether it is a coroutine function, also behind a `partial`, or an object that is called like one."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - asked is what kind, not whether
    )


async def in_thread(call: Callable[[], Any]) -> Any:
    """What the call returns or raises, in a thread of its own with the caller's context variables. A thread for each:
    who waits here holds a slot, so there are never more, and one that hangs keeps no other step waiting."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    space = contextvars.copy_context()

    def work() -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = space.run(call), None
        except BaseException as error:  # noqa: BLE001 - it is raised where the step is waited for
            outcome = None, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_end, ended, outcome)

    threading.Thread(target=work, name="longshore-step", daemon=True).start()
    outcome, error = await ended
    if error is not None:
        raise error
    return outcome


def _end(
    ended: "asyncio.Future[tuple[Any, BaseException | None]]", outcome: tuple[Any, BaseException | None]
) -> None:
    if not ended.done():
        ended.set_result(outcome)
