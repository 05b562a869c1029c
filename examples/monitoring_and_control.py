"""Figures, and jobs by id and by state: "Monitoring and Control" and "Custom Handlers" of seed 004, line by line.

It prints:

    Processing custom job: process this
    Job custom completed
    Job custom failed: no data
    Queue stats: {'total': 3, 'pending': 1, 'processing': 0, 'completed': 1, 'failed': 1, 'cancelled': 0}
    cancelled: True
    failed jobs: ['custom']
    retried: pending
    Queue status: ['custom'] False
"""

import asyncio
from typing import Any

from longshore import Discard, Job, QueueManager

queue_manager = QueueManager()


# Define custom handler
class CustomHandler:
    async def process(self, job: Job[Any]) -> None:
        if "data" not in job.data:
            raise Discard("no data")  # no retry can mend this
        print("Processing custom job:", job.data["data"])
        # Your processing logic

    async def on_failure(self, job: Job[Any], error: BaseException) -> None:
        print(f"Job {job.name} failed: {error}")

    async def on_complete(self, job: Job[Any]) -> None:
        print(f"Job {job.name} completed")


# Register handler
queue_manager.register_handler("custom", CustomHandler())


async def main() -> None:
    async with queue_manager:
        # Use handler
        await queue_manager.add_job("custom", {"data": "process this"})
        await queue_manager.run_until_empty()
        await queue_manager.add_job("custom", {})
        await queue_manager.run_until_empty()
        later = await queue_manager.add_job("custom", {"data": "tomorrow"}, delay=24 * 3600)

        # Get queue stats
        stats = await queue_manager.get_stats()
        print("Queue stats:", dict(stats))

        # Get job by ID
        job = await queue_manager.get_job(later.id)
        assert job is not None

        # Cancel job
        print("cancelled:", await queue_manager.cancel_job(job.id))

        # Get jobs by status
        failed_jobs = await queue_manager.get_jobs_by_status("failed", 10)
        print("failed jobs:", [failed.name for failed in failed_jobs])

        # Retry failed job
        retried = await queue_manager.retry_job(failed_jobs[0].id)
        print("retried:", retried.state)

        # Check queue status
        status = await queue_manager.get_status()
        print("Queue status:", list(status.queues), status.running)


asyncio.run(main())
