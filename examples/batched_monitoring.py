"""Figures out of a queue, for whatever collects them: "Basic Configuration" and "Monitoring Integration" of seed 000.

It prints:

    queue.items.enqueued = 100
    queue.batch.size = 20
    queue.batch.success_rate = 0.95
    queue.size = 0
    queue.errors = 1
    95 of 100 completed in 6 batches
"""

import asyncio
import logging
from itertools import count

from longshore import BatchedQueue, ItemResult, Retry

logging.getLogger("longshore").setLevel(logging.CRITICAL)  # the one error of this page is expected

metrics: dict[str, float] = {}


def increment(name: str) -> None:
    metrics[name] = metrics.get(name, 0) + 1


def gauge(name: str, value: float) -> None:
    metrics[name] = value


def completed(batch: list[int], results: list[ItemResult]) -> None:
    gauge("queue.batch.success_rate", sum(result.success for result in results) / len(batch))


calls = count(1)


async def process(items: list[int]) -> list[ItemResult | bool]:
    if next(calls) == 1:
        raise ConnectionError("the first call of the day fails")
    return [
        item % 20 != 0 or ItemResult(success=False, error="odd one out", retryable=False) for item in items
    ]


async def main() -> None:
    queue = BatchedQueue(
        process,
        name="my-processing-queue",
        batch_size=20,
        flush_interval=10.0,
        concurrency=2,  # Process up to 2 batches simultaneously
        throttle=0.001,  # Minimum seconds between two batch starts
        retry=Retry(3, initial=0.01),
        on_enqueue=lambda item: increment("queue.items.enqueued"),
        on_batch_start=lambda batch: gauge("queue.batch.size", len(batch)),
        on_batch_complete=completed,
        on_size_change=lambda size: gauge("queue.size", size),
        on_error=lambda error: increment("queue.errors"),
    )
    async with queue:
        await queue.enqueue_many(range(100))
    for name in ("items.enqueued", "batch.size", "batch.success_rate", "size", "errors"):
        print(f"queue.{name} = {metrics[f'queue.{name}']:g}")
    print(f"{queue.stats.completed} of {queue.stats.added} completed in {queue.stats.batches} batches")


asyncio.run(main())
