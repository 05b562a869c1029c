"""This module is one batch while it runs: an attempt for each of its jobs, and one call for them all.

A job of a batch is stopped by itself: what it comes to then is its own. The call is stopped when every one of them was
told to stop, or when its time is over.
"""

from asyncio import Future, Task
from collections.abc import Callable, Mapping
from typing import Any

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.worker.attempt import NO_CONTEXT, Attempt, Stop
from longshore.worker.batches import Formed
from longshore.worker.control import Control
from longshore.worker.registry import Handler


class Item(Attempt):
    """A job of a batch while it runs."""

    __slots__ = ("batch", "handed")

    def __init__(self, record: JobRecord, batch: "Batch") -> None:
        super().__init__(record, batch.handler)
        self.batch = batch
        self.handed: Any = None
        """What the function gets of it."""

    def mark(self, stop: Stop) -> None:
        """Lets the batch see that this job must stop."""
        super().mark(stop)
        self.batch.marked(stop)


class Batch:
    """Some jobs and the call that runs them. It is also the `Errand` that a runner of threads gets."""

    context: Mapping[str, Any] = NO_CONTEXT
    correlation_id: str | None = None
    call: Callable[[], Any]

    def __init__(self, formed: Formed, handler: Handler, control: Control, task: Task[Any]) -> None:
        self.formed = formed
        self.handler = handler
        self.control = control
        self.task = task
        """The slot's."""
        self.items: list[Item] = []
        self.timeout: float | None = None
        """Seconds for the call: the shortest that its jobs have."""
        self.answer: Future[tuple[Any, BaseException | None]] | None = None
        """What the slot waits for while the call is in a thread."""
        self.on_cancel: Callable[[Batch], None] = lambda _: None
        """Asks the thread to stop."""
        self.abandoned = False
        self.began_at = 0.0
        self._told: Stop | None = None

    @property
    def ids(self) -> tuple[JobId, ...]:
        """Of its jobs, in their order."""
        return tuple(item.record.id for item in self.items)

    @property
    def was_told(self) -> bool:
        """Whether the call was told to stop."""
        return self._told is not None

    @property
    def is_away(self) -> bool:
        """Whether it is in a thread now."""
        return self.answer is not None and not self.answer.done()

    def marked(self, stop: Stop) -> None:
        """One of its jobs was told to stop. A time-out is the whole batch's."""
        if stop is Stop.TIMEOUT:
            self.control.timed_out = True
            for item in self.items:
                item.stop = item.stop or stop
        if self._told is not stop and all(item.stop is not None for item in self.items):
            self._told = stop
            self.control.cancelled = True
            if self.is_away:
                self.on_cancel(self)
            else:
                self.task.cancel()

    def follow(self) -> None:
        """Nothing follows a batch in its thread."""

    def done(self, outcome: Any, error: BaseException | None) -> None:
        """See `Errand.done`."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((outcome, error))
