"""A class for each queue, with the code that runs its jobs: the style of seed 001 (BaseQueue and QueueManager).

It prints:

    report 7 is ready, as asked by ann
    on_complete: completed
    report 0 failed for good: ValueError: there is no report 0
    failed items: [{'report': 0}]
"""

import asyncio
from typing import Any

from longshore import BaseQueue, Job, QueueManager, Retry


class Reports(BaseQueue):
    name = "reports"
    concurrency = 1
    retry = Retry(max_attempts=2, initial=0.05)

    async def process_job(self, job: Job[Any]) -> dict[str, Any]:
        number = job.data["report"]
        if number == 0:
            raise ValueError("there is no report 0")
        print(f"report {number} is ready, as asked by {job.metadata.get('user')}")
        return {"pages": number * 3}

    async def on_complete(self, job: Job[Any]) -> None:
        print("on_complete:", job.state)

    async def on_failure(self, job: Job[Any], error: BaseException) -> None:
        print(f"report {job.data['report']} failed for good: {type(error).__name__}: {error}")


manager = QueueManager()
reports = manager.register(Reports)


async def main() -> None:
    async with manager:
        await reports.add_job({"report": 7}, metadata={"user": "ann"})
        await manager.get_queue("reports").add({"report": 0})  # the same queue, by its name
        await manager.run_until_empty()
        print("failed items:", [letter.data for letter in await manager.dead_letters.list("reports")])


asyncio.run(main())
