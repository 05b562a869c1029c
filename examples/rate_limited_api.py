"""A third party's rate limit, kept over all workers (seed 003, pattern 4: rate-limited external API calls).

It prints:

    called users/1 to users/5 at once, and no more
    users/6 is held: True
"""

import asyncio
from typing import Any

from longshore import Job, QueueManager, State

queue_manager = QueueManager()

queue_manager.register_queue(
    "external-api",
    rate_limit={
        "max": 5,  # Max 5 requests
        "duration": 60000,  # Per 60 seconds
    },
)
called: list[str] = []


async def fetch(url: str) -> dict[str, Any]:
    """An HTTP client, in an application."""
    called.append(url.removeprefix("https://api.example.com/"))
    return {"ok": True}


async def process(job: Job[Any]) -> dict[str, Any]:
    return await fetch(f"https://api.example.com/{job.data['endpoint']}")


queue_manager.register_processor("external-api", process)


async def main() -> None:
    async with queue_manager:
        jobs = [
            await queue_manager.add_job("external-api", "fetch", {"endpoint": f"users/{user}"})
            for user in range(1, 9)
        ]
        await queue_manager.start_workers()
        await asyncio.gather(*(job.result(timeout=20) for job in jobs[:5]))
        print(f"called {called[0]} to {called[-1]} at once, and no more")
        await jobs[5].refresh()
        print(f"{jobs[5].data['endpoint']} is held:", jobs[5].state is State.HELD)


asyncio.run(main())
