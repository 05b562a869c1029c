"""Producers need no task code: they name the queue and the task, and give its arguments as JSON (seeds 001 and 003).

The first manager here stands for another program, which has only the store's URL.

It prints:

    added by somebody who knows no task: pending
    it waits: No worker that is alive serves queue 'thumbnails'.
    made a thumbnail of cat.png, 64 wide
    made a thumbnail of dog.png, 32 wide
    2 completed
"""

import asyncio

from longshore import QueueManager


async def produce() -> None:
    async with QueueManager() as elsewhere:
        job = await elsewhere.add_job("thumbnails", "make-thumbnail", {"picture": "cat.png"})
        print("added by somebody who knows no task:", job.state)
        print("it waits:", await job.explain())
        # The same from a shell:  longshore enqueue thumbnails make-thumbnail '{"picture": "cat.png"}'
        await elsewhere.add_bulk(
            "thumbnails", [{"name": "make-thumbnail", "data": {"picture": "dog.png", "width": 32}}]
        )


async def work() -> None:
    manager = QueueManager()

    @manager.queue("thumbnails").task(name="make-thumbnail")
    async def make_thumbnail(picture: str, width: int = 64) -> None:
        print(f"made a thumbnail of {picture}, {width} wide")

    async with manager:
        await manager.run_until_empty(concurrency=1)
        print(len(await manager.get_jobs(queue="thumbnails", state="completed")), "completed")


asyncio.run(produce())
asyncio.run(work())
