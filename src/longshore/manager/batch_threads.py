"""This module runs a plain function of the application in a thread of its own, so that the event loop goes on.

The loop's own pool has few threads and never gives one back that hangs: as many batches as a queue may run at once must
run at once, also beside those that a time limit gave up.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

log = logging.getLogger("longshore.batched")

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")


async def in_thread(name: str, function: Callable[[Argument], Answer], argument: Argument) -> Answer:
    """What the function returns or raises, in the caller's context. Who is cancelled leaves it to itself; it ends with
    the process at the latest."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Callable[[], Answer]] = loop.create_future()
    context = copy_context()

    def run() -> None:
        outcome = _outcome(lambda: context.run(function, argument))
        try:
            loop.call_soon_threadsafe(_set, ended, outcome)
        except RuntimeError:
            log.debug("%s returned after its event loop was closed.", name)

    threading.Thread(target=run, name=name, daemon=True).start()
    return (await ended)()


def _outcome(call: Callable[[], Answer]) -> Callable[[], Answer]:
    """What gives the answer again, or raises what was raised: no future takes a StopIteration."""
    try:
        answer = call()
    except BaseException as error:  # noqa: BLE001 - SystemExit is raised where somebody waits, and not here
        raised = error

        def raise_it() -> Answer:
            raise raised

        return raise_it
    return lambda: answer


def _set(future: "asyncio.Future[Callable[[], Answer]]", outcome: Callable[[], Answer]) -> None:
    if not future.done():  # nobody waits any more
        future.set_result(outcome)
