"""This module makes blocking twins: `add_job_sync: Final = blocking(add_job)`. One line each, typed like the original,
overloads included; `Final` lets type checkers of other projects take the inferred type."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from longshore.manager.portal import Portal


class HasPortal(Protocol):
    """Whatever has async methods with twins."""

    @property
    def portal(self) -> Portal:
        """Where its coroutines are run for callers without a loop."""


S = TypeVar("S", bound=HasPortal)
P = ParamSpec("P")
R = TypeVar("R")


def blocking(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], R]:
    """The twin of an async method: waits for the outcome. May be called from any thread."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.portal.call(method(self, *args, **kwargs))

    call.__name__ = f"{method.__name__}_sync"
    call.__qualname__ = f"{method.__qualname__}_sync"
    call.__doc__ = f"`{method.__name__}` for code without an event loop: waits for the outcome."
    return call
