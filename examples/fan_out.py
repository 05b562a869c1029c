"""One job becomes many (seed 003, pattern 1: fan-out), added in one go.

It prints:

    added 1000 jobs
    sent: 1000
    the parent's result: 1000
"""

import asyncio

from longshore import QueueManager

manager = QueueManager()
newsletter = manager.queue("newsletter")
sent: set[int] = set()


@newsletter.task
async def send(reader: int, subject: str) -> None:
    sent.add(reader)


@newsletter.task
async def send_all(subject: str, readers: int) -> int:
    jobs = await send.enqueue_many((reader, subject) for reader in range(readers))
    print("added", len(jobs), "jobs")
    return len(jobs)


async def main() -> None:
    async with manager:
        parent = await send_all.enqueue("June", 1000)
        await manager.run_until_empty(concurrency=100)
        print("sent:", len(sent))
        print("the parent's result:", await parent.result())


asyncio.run(main())
