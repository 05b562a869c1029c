"""This module runs a coroutine inside somebody else's task, but in a contextvars context of its own.

A task per job gives each job a context of its own, and costs 4 µs. A slot is one task that runs many jobs; it drives
each job's coroutine step by step inside that job's context, so that nothing a job sets is seen by the next (ADR 0002).
"""

from asyncio import Future
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any


def generator_exit() -> RuntimeError:
    """What stands for a GeneratorExit that a task raised, as Python itself does it with StopIteration: a slot that
    let it through would be gone."""
    return RuntimeError("The task raised GeneratorExit.")


async def stepped(coroutine: Coroutine[Any, Any, Any], space: Context) -> Any:
    """The coroutine to its end, each step in the context `space`."""
    try:
        waited = space.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    except GeneratorExit as error:
        raise generator_exit() from error
    return await Steps(coroutine, space, waited)


class Steps:
    """The rest of a coroutine that has taken its first step and waits for something; to be awaited once."""

    __slots__ = ("_coroutine", "_space", "_waited")

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], space: Context, waited: Future[Any] | None
    ) -> None:
        self._coroutine = coroutine
        self._space = space
        self._waited = waited

    def __await__(self) -> Generator[Any, Any, Any]:
        send, throw, run = self._coroutine.send, self._coroutine.throw, self._space.run
        waited = self._waited
        is_closing = False
        try:
            while True:
                try:
                    answer = yield waited
                except GeneratorExit:  # the event loop is gone, and everything that still hung on it
                    is_closing = True
                    run(self._coroutine.close)
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is for the coroutine
                    waited = run(throw, error)
                else:
                    waited = run(send, answer)
        except StopIteration as stop:
            return stop.value
        except GeneratorExit as error:
            if is_closing:
                raise
            raise generator_exit() from error
