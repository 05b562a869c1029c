"""Jobs for later, many jobs at once, and the five priorities: three examples of seed 003, line by line.

It prints:

    generate-report is scheduled for 2125-02-01 00:00
    added 1000 jobs: process-user for {'userId': 1} with HIGH first
    alerts: security-alert CRITICAL
    notifications: urgent-notification HIGH
    email: newsletter NORMAL
    cleanup: delete-old-logs LOW
    analytics: update-metrics BACKGROUND
"""

import asyncio
from datetime import UTC, datetime

from longshore import Priority, QueueManager

queue_manager = QueueManager()
for queue in ("data-processing", "user-processing"):
    queue_manager.register_queue(queue)


async def scheduled_jobs() -> None:
    # Schedule a job for future execution
    job = await queue_manager.add_job(
        "data-processing",
        "generate-report",
        {"reportType": "monthly", "month": "2125-01"},
        run_at=datetime(2125, 2, 1, tzinfo=UTC),  # scheduled_at is understood too
        priority=Priority.NORMAL,
    )
    await job.refresh()
    print(f"{job.name} is {job.state} for {job.run_at:%Y-%m-%d %H:%M}")


async def bulk_job_processing() -> None:
    # Add multiple jobs at once
    jobs = [
        {
            "name": "process-user",
            "data": {"userId": user},
            "options": {"priority": Priority.HIGH if user == 1 else Priority.NORMAL},
        }
        for user in range(1, 1001)
    ]
    added = await queue_manager.add_bulk("user-processing", jobs)
    first = added[0]
    print(
        f"added {len(added)} jobs: {first.name} for {first.data} with {Priority(first.priority).name} first"
    )


async def job_priority_levels() -> None:
    for queue, name, priority in [
        ("alerts", "security-alert", Priority.CRITICAL),  # 1: highest, process immediately
        ("notifications", "urgent-notification", Priority.HIGH),  # 2: important jobs, process soon
        ("email", "newsletter", Priority.NORMAL),  # 3: default
        ("cleanup", "delete-old-logs", Priority.LOW),  # 4: can wait if the system is busy
        ("analytics", "update-metrics", Priority.BACKGROUND),  # 5: lowest, process when idle
    ]:
        job = await queue_manager.add_job(queue, name, {}, priority=priority)
        print(f"{job.queue}: {job.name} {Priority(job.priority).name}")


async def main() -> None:
    async with queue_manager:
        await scheduled_jobs()
        await bulk_job_processing()
        await job_priority_levels()


asyncio.run(main())
