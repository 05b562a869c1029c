"""The first example of seed 003, line by line: a queue, its processor, workers, and a job with its own options.

It prints:

    to user@example.com: Welcome! / Welcome to our platform
    send-welcome-email, priority HIGH, 3 attempts at most
    {'sent': True}
"""

import asyncio
from typing import Any

from longshore import Job, Priority, QueueManager

queue_manager = QueueManager()

# Register a queue
queue_manager.register_queue(
    "email-notifications",
    rate_limit={"max": 100, "duration": 60000},  # 100 jobs per minute; or Rate(100, per="minute")
)


async def send_email(to: str, subject: str, body: str) -> None:
    print(f"to {to}: {subject} / {body}")


# Register a processor
async def process(job: Job[Any]) -> dict[str, bool]:
    await send_email(job.data["to"], job.data["subject"], job.data["body"])
    return {"sent": True}


queue_manager.register_processor("email-notifications", process)


async def main() -> None:
    # Start workers
    await queue_manager.start_workers()

    # Add a job
    job = await queue_manager.add_job(
        "email-notifications",
        "send-welcome-email",
        {
            "to": "user@example.com",
            "subject": "Welcome!",
            "body": "Welcome to our platform",
        },
        priority=Priority.HIGH,
        max_attempts=3,  # the seed's own word, attempts=3, is understood too
        backoff={
            "type": "exponential",
            "delay": 2000,
        },  # milliseconds, as the seed has them; or Retry(initial=2)
    )
    result = await job.result(timeout=20)
    print(f"{job.name}, priority {Priority(job.priority).name}, {job.max_attempts} attempts at most")
    print(result)
    await queue_manager.shutdown()


asyncio.run(main())
