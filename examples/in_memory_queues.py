"""Queues in memory, with a processor each, under a rate, and in batches: "In-Memory Queues" of seed 004, line by line.

It prints:

    Processing: {'data': 'process this'}
    Processing: {'data': 'and this'}
    called 3 times, at most 100 times a minute
    a batch of 10, from item 1 to item 10
    a batch of 1, from item 11 to item 11
    custom: 2 completed, 0 failed
    api-calls: 3 completed, 0 failed
    batch-processing: 11 completed, 0 failed
"""

import asyncio
from typing import Any

from longshore import Job, QueueManager

queue_manager = QueueManager()

# Create a custom in-memory queue
custom_queue = queue_manager.create_in_memory_queue(
    "custom",
    concurrency=2,
    interval=0.5,  # seconds, as all durations
    timeout=15,
)


# Set processor function
async def process(job: Job[Any]) -> None:
    print("Processing:", job.data)  # your processing logic here


custom_queue.set_processor(process)
# Create rate-limited queue (100 requests per minute)
rate_limited_queue = queue_manager.create_rate_limited_queue("api-calls", 100)
called: list[str] = []


async def call(job: Job[Any]) -> None:
    called.append(job.data["url"])


rate_limited_queue.set_processor(call)
# Create batch processing queue
batch_queue = queue_manager.create_batch_queue("batch-processing", 10, 5.0)


async def process_batch(items: list[dict[str, Any]]) -> list[bool]:
    print(f"a batch of {len(items)}, from {items[0]['data']} to {items[-1]['data']}")
    return [True] * len(items)


batch_queue.set_processor(process_batch)


async def main() -> None:
    async with queue_manager:
        # Add jobs
        jobs = [await custom_queue.add({"data": data}) for data in ("process this", "and this")]
        await asyncio.gather(*(job.result(timeout=20) for job in jobs))

        jobs = [await rate_limited_queue.add({"url": f"https://api.example.com/{n}"}) for n in range(3)]
        await asyncio.gather(*(job.result(timeout=20) for job in jobs))
        print(f"called {len(called)} times, at most 100 times a minute")

        # Add items to batch: it is processed when it reaches 10 items or 5 seconds pass
        for number in range(1, 12):
            await batch_queue.add({"id": number, "data": f"item {number}"})
        await batch_queue.drain(20)  # or wait 5 seconds for the last one

        # Get in-memory queue stats
        stats = await queue_manager.get_all_in_memory_stats()
        for name in ("custom", "api-calls", "batch-processing"):
            print(f"{name}: {stats[name].completed} completed, {stats[name].failed} failed")


asyncio.run(main())
