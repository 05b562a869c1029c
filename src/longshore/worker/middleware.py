"""This module puts the application's middleware around attempts."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

CallNext = Callable[[], Awaitable[Any]]
Middleware = Callable[[Any, CallNext], Awaitable[Any]]
"""`async def middleware(ctx, call_next)`: awaits `call_next()` once and returns its result, or not; what it raises ends
the attempt like an exception of the task. It runs in the context of the attempt, time-out and cancellation included."""


def wrapped(middleware: Sequence[Middleware], ctx: Any, innermost: CallNext) -> CallNext:
    """The task inside all middleware; the first of the list is the outermost."""
    call_next = innermost
    for layer in reversed(middleware):
        call_next = partial(layer, ctx, call_next)
    return call_next
