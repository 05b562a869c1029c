"""This module calls the processor of a batch, and makes a result for each item of whatever comes of it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from longshore.batch.results import Answer, ItemResult, failure, read_answers
from longshore.core.attempt_errors import AttemptTimeout
from longshore.core.clock import Clock
from longshore.core.errors import InvalidOption
from longshore.manager.batch_hooks import BatchHooks
from longshore.manager.batch_threads import in_thread

T = TypeVar("T")

Processor = Callable[[list[T]], Awaitable[Sequence[Answer]] | Sequence[Answer]]


class Processing(Generic[T]):
    """The processor of one queue. A coroutine function runs in the event loop, a plain one in a thread."""

    def __init__(
        self,
        name: str,
        processor: Processor[T],
        timeout_seconds: float | None,
        hooks: BatchHooks,
        clock: Clock,
    ) -> None:
        """Raises InvalidOption for a processor that cannot be called."""
        if not callable(processor):
            raise InvalidOption(
                "processor", processor, "a function, or a coroutine function, of a list of items"
            )
        self._name = name
        self._processor = processor
        self._is_async = _is_async(processor)
        self._timeout_seconds = timeout_seconds
        self._hooks = hooks
        self._clock = clock

    async def results(self, items: Sequence[T]) -> list[ItemResult]:
        """One for each item. What the processor raises fails them all; even SystemExit ends no queue."""
        try:
            return read_answers(await self._answers(list(items)), len(items))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                raise
            await self._hooks.fail(f"a batch of {len(items)} failed", error)
            return [failure(error)] * len(items)

    async def _answers(self, items: list[T]) -> Any:
        if self._timeout_seconds is None:
            return await self._call(items)
        limit = _Limit(self._clock, self._timeout_seconds)
        try:
            answers = await self._call(items)
        except asyncio.CancelledError as error:
            if limit.end():
                raise AttemptTimeout(self._timeout_seconds) from error
            raise
        finally:
            limit.end()
        return answers

    async def _call(self, items: list[T]) -> Any:
        if self._is_async:
            return await self._processor(items)  # type: ignore[misc]  # `_is_async` says that it can be awaited
        answers = await in_thread(f"longshore {self._name}", self._processor, items)
        return await answers if inspect.isawaitable(answers) else answers


class _Limit:
    """Cancels the current task after a time, by a clock that a test can move; asyncio's own goes by the loop's."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._task = asyncio.current_task()
        self._timer = clock.call_later(seconds, self._strike)
        self._has_struck = False

    def _strike(self) -> None:
        if self._task is not None:
            self._has_struck = True
            self._task.cancel()

    def end(self) -> bool:
        """Takes the cancelling back; whether it was the limit, and nobody else, that cancelled. Once."""
        self._timer.cancel()
        struck, self._has_struck = self._has_struck, False
        task, self._task = self._task, None
        return struck and task is not None and task.uncancel() == 0


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_async(processor: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(processor) or inspect.iscoroutinefunction(
        getattr(processor, "__call__", None)  # noqa: B004 - an object whose call is a coroutine function
    )
