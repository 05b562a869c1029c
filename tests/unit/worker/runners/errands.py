"""This module has errands whose outcome can be awaited, for the tests of the runners."""

import asyncio
from collections.abc import Callable
from typing import Any

from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.engine.policy import Policy
from longshore.worker.control import Control
from longshore.worker.registry import Handler, Kind
from longshore.worker.runner import Runner


class Said:
    """A scribe that keeps what tasks tell."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()

    def progress(self, job: JobRecord, value: float, note: str) -> None:
        self.queue.put_nowait((value, note))

    def log(self, job: JobRecord, text: str) -> None:
        self.queue.put_nowait(text)


class Awaited:
    """An errand: `await errand.outcome` returns or raises what `done` was told."""

    def __init__(
        self,
        function: Callable[..., Any],
        payload: bytes = b"{}",
        *,
        target: str | None = None,
        policy: Policy | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        self.call = function
        self.context = context or {}
        self.correlation_id: str | None = None
        self.handler = Handler(
            name="task",
            queue="default",
            function=function,
            kind=Kind.PROCESS,
            policy=policy or Policy(),
            target=target or f"{function.__module__}:{getattr(function, '__qualname__', '?')}",
        )
        self.said = Said()
        self.control = Control(
            JobRecord(
                id=new_id(),
                queue="default",
                name="task",
                payload=payload,
                state=State.RUNNING,
                priority=0,
                fence=1,
            ),
            self.said,
        )
        self.done_count = 0
        self.next: Awaited | None = None
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def follow(self) -> "Awaited | None":
        return self.next

    def done(self, outcome: Any, error: BaseException | None) -> None:
        self.done_count += 1
        if isinstance(error, asyncio.CancelledError):
            self.outcome.cancel()
        elif error is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(outcome)


async def run(runner: Runner, function: Callable[..., Any], payload: bytes = b"{}", **more: Any) -> Any:
    """What becomes of one call."""
    errand = Awaited(function, payload, **more)
    runner.submit(errand)
    return await errand.outcome
