"""What stays of jobs that are over, and figures of each queue (seed 003: troubleshooting and the API reference).

It prints:

    kept: 2 completed, 1 failed
    stalled: 0, retried: 1, paused: True
    forgot 2 completed and 1 failed
"""

import asyncio
from typing import Any

from longshore import Job, QueueManager, Retry

queue_manager = QueueManager()

# Configure on queue registration what is kept
queue_manager.register_queue(
    "my-queue",
    {
        "defaultJobOptions": {
            "removeOnComplete": {
                "age": 3600,  # 1 hour
                "count": 100,
            },
        },
    },
    retry=Retry(2, initial=0.01),
)


async def process(job: Job[Any]) -> None:
    if job.data["number"] == 3:
        raise ValueError("three")


queue_manager.register_processor("my-queue", process)


async def main() -> None:
    async with queue_manager:
        for number in (1, 2, 3):
            await queue_manager.add_job("my-queue", "count", {"number": number})
        await queue_manager.run_until_empty()

        await queue_manager.pause_queue("my-queue")
        metrics = await queue_manager.get_queue_metrics("my-queue")
        print(f"kept: {metrics.completed} completed, {metrics.failed} failed")
        print(f"stalled: {metrics.stalled}, retried: {metrics.retried}, paused: {metrics.paused}")
        await queue_manager.resume_queue("my-queue")

        # Aggressive cleanup of jobs that are over (grace: seconds; without it, a day)
        completed = await queue_manager.clean_queue("my-queue", grace=0, status="completed")
        failed = await queue_manager.clean_queue("my-queue", grace=0, status="failed")
        print(f"forgot {completed} completed and {failed} failed")


asyncio.run(main())
