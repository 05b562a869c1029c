"""This module gives tests of batched queues a clock that they move, and a processor that notes what it is given."""

import asyncio
from random import Random
from typing import Any

from longshore import BatchedQueue
from longshore.core.clock import ManualClock


async def let_run() -> None:
    """Lets everything run that needs no time to pass."""
    for _ in range(20):
        await asyncio.sleep(0)


class Notes:
    """A processor that notes its batches, and what the hooks say of them."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.outcomes: list[tuple[Any, bool]] = []
        self.errors: list[BaseException] = []

    async def __call__(self, items: list[Any]) -> list[bool]:
        self.batches.append(items)
        return [True] * len(items)

    def on_processed(self, item: Any, result: Any) -> None:
        """Notes an outcome."""
        self.outcomes.append((item, result.success))


class Gate:
    """A processor whose batches end when the test says so."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.ends: list[asyncio.Future[Any]] = []

    async def __call__(self, items: list[Any]) -> Any:
        self.batches.append(items)
        self.ends.append(asyncio.get_running_loop().create_future())
        return await self.ends[-1]

    async def open(self, number: int = -1) -> None:
        """Lets a batch succeed."""
        self.ends[number].set_result([True] * len(self.batches[number]))
        await let_run()


def queue_of(processor: Any, clock: ManualClock | None = None, **options: Any) -> BatchedQueue[Any]:
    """A queue on a clock that stands still."""
    return BatchedQueue(processor, clock=clock or ManualClock(), random=Random(1), **options)
