"""A handler runs every job of one name, and is told how it ended: `registerHandler` of seed 004.

It prints:

    posting to https://example.com/hook
    on_complete: webhook has ended as completed
    on_failure: no url
    {'total': 2, 'pending': 0, 'processing': 0, 'completed': 1, 'failed': 1, 'cancelled': 0}
"""

import asyncio
from typing import Any

from longshore import Discard, Job, QueueManager


class Webhook:
    async def process(self, job: Job[Any]) -> int:
        if "url" not in job.data:
            raise Discard("no url")
        print("posting to", job.data["url"])
        return 204

    async def on_complete(self, job: Job[Any]) -> None:
        print(f"on_complete: {job.name} has ended as {job.state}")

    async def on_failure(self, job: Job[Any], error: BaseException) -> None:
        print("on_failure:", error)


manager = QueueManager()
manager.register_handler("webhook", Webhook())


async def main() -> None:
    async with manager:
        await manager.add_job("webhook", {"url": "https://example.com/hook"})
        await manager.run_until_empty()
        await manager.add_job("webhook", {"nothing": "useful"})
        await manager.run_until_empty()
        print(dict(await manager.get_stats()))


asyncio.run(main())
