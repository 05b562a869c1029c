"""Priorities and delays: what users wait for goes first (seed 003, "priority queue" and "delayed jobs").

It prints:

    CRITICAL: block the stolen card
    HIGH: reset a password
    NORMAL: send the receipt
    BACKGROUND: rebuild the search index
    scheduled for later: 1
"""

import asyncio

from longshore import Priority, QueueManager

manager = QueueManager()
work = manager.queue("work")


@work.task
async def do(what: str, priority: str) -> None:
    print(f"{priority}: {what}")


async def main() -> None:
    async with manager:
        for priority, what in [
            (Priority.BACKGROUND, "rebuild the search index"),
            (Priority.NORMAL, "send the receipt"),
            (Priority.CRITICAL, "block the stolen card"),
            (Priority.HIGH, "reset a password"),
        ]:
            await do.options(priority=priority).enqueue(what, priority.name)
        await do.options(delay=3600, priority=Priority.CRITICAL).enqueue("ask how it went", "later")

        await manager.run_until_empty(concurrency=1)  # one at a time, so that the order can be seen
        print("scheduled for later:", len(await manager.get_jobs(queue="work", state="scheduled")))


asyncio.run(main())
