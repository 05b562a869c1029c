"""This module is where the executor meets the runners: what an attempt in a thread or a process is, and who runs it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from longshore.worker.control import Control
from longshore.worker.registry import Handler


class Errand(Protocol):
    """One attempt, as a runner sees it."""

    control: Control
    """`control.record` has the id and the payload; `cancelled` and `timed_out` are set before `Runner.cancel`."""
    handler: Handler
    context: Mapping[str, Any]
    """What was bound where the job was added; `correlation_id` goes with it. For a child process: in a thread
    `call` sees to it."""
    correlation_id: str | None
    call: Callable[[], Any]
    """Runs the function, with its arguments, in the attempt's own contextvars context. Only for threads: any thread,
    once. It may raise anything, BaseException too."""

    def follow(self) -> "Errand | None":
        """Only for threads, in the thread, once, after `call`: the errand that takes this one's place. It begins at
        once, and nobody submits it."""

    def done(self, outcome: Any, error: BaseException | None) -> None:
        """Said once, on the worker's event loop. From a thread, `outcome` is what the function returned; from a
        process the result as JSON (None: it returned None), and an exception's text as `TaskRaised`."""


class Runner(Protocol):
    """Runs errands away from the event loop. All methods are called on the worker's event loop, and none blocks."""

    async def close(self) -> None:
        """Ends idle threads or children; those that are still busy are left behind (threads) or killed."""

    def submit(self, errand: Errand) -> None:
        """Runs it as soon as a place is free, and says `errand.done`."""

    def cancel(self, errand: Errand) -> None:
        """Asks it to stop, after `control` was set: a thread looks at the control when it likes; a child is killed,
        which ends in `errand.done(None, WorkerCrashed(…))`."""

    def abandon(self, errand: Errand) -> None:
        """Nobody waits for it any more: `done` must not be called, and its place must be free again, by another
        thread or another child."""
