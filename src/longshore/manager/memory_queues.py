"""This module holds the queues of the fast lane as users hold them: one whose jobs run one by one, one of batches."""

from typing import Any, Final

from longshore.core.errors import UsageError
from longshore.core.retry import Seconds
from longshore.manager.batch_figures import BatchStats
from longshore.manager.batch_processing import Processor
from longshore.manager.batched import BatchedQueue
from longshore.manager.blocking import blocking
from longshore.manager.figures import Stats
from longshore.manager.queue import Queue
from longshore.manager.reports import stats_of


class InMemoryQueue(Queue):
    """A queue in memory that runs by itself: its jobs begin as soon as there are any, without `start_workers`, in the
    event loop that added the first. They end with the process. Made by `manager.create_in_memory_queue`."""

    async def stats(self) -> Stats:
        """How its jobs stand."""
        engine = await self._desk.runtime.engines.here()
        return stats_of(await engine.store.count([self.name]))

    stats_sync: Final = blocking(stats)


class InMemoryBatchQueue:
    """A `BatchedQueue` of the manager, which drains it at its shutdown; its processor may be given later. Made by
    `manager.create_batch_queue`."""

    def __init__(self, name: str, batch_size: int, flush_interval: Seconds, options: dict[str, Any]) -> None:
        self.name = name
        self._options = {"batch_size": batch_size, "flush_interval": flush_interval, **options}
        self._batches: BatchedQueue[Any] | None = None
        BatchedQueue(_none, name=name, **self._options)  # what is wrong is said where it was written

    def __repr__(self) -> str:
        return f"<InMemoryBatchQueue {self.name}>"

    @property
    def batches(self) -> BatchedQueue[Any]:
        """The queue itself, with all that it can do. Raises UsageError before `set_processor`."""
        if self._batches is None:
            raise UsageError(f"Nothing processes the items of '{self.name}': call set_processor(…) first.")
        return self._batches

    def set_processor(self, processor: Processor[Any]) -> None:
        """Hands batches to this function: called with a list of items, it answers as `BatchedQueue` says. Raises
        UsageError where there is one already."""
        if self._batches is not None:
            raise UsageError(f"Queue '{self.name}' has a processor; items that wait were added for that one.")
        self._batches = BatchedQueue(processor, name=self.name, **self._options)

    async def add(self, item: Any, priority: int = 0) -> None:
        """See `BatchedQueue.enqueue`; raises UsageError where there is no processor."""
        await self.batches.enqueue(item, priority)

    async def flush(self) -> None:
        """See `BatchedQueue.flush`."""
        await self.batches.flush()

    async def drain(self, timeout: Seconds | None = None) -> None:  # noqa: ASYNC109 - as BatchedQueue's
        """See `BatchedQueue.drain`."""
        await self.batches.drain(timeout)

    async def stats(self) -> BatchStats:
        """What there is now, and what was done since the queue was made."""
        return BatchedQueue(_none).stats if self._batches is None else self._batches.stats

    async def close(self, timeout: Seconds | None = None) -> None:  # noqa: ASYNC109 - as BatchedQueue's
        """See `BatchedQueue.close`. Without a processor it does nothing."""
        if self._batches is not None:
            await self._batches.close(timeout)


def _none(items: list[Any]) -> list[bool]:
    """Stands where no processor was given yet; nothing is ever added to it."""
    return [True] * len(items)
