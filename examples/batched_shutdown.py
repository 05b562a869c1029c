"""Bounded memory, and nothing lost at the end: "Memory Management" and "Shutdown Handling" of seed 000.

It prints:

    refused: row 4, because 'imports' holds 3
    Failed to drain queue: Not drained after 0.05 s: 3 in 'imports' left.
    after the restart: ['row 1', 'row 2', 'row 3']
"""

import asyncio
from pathlib import Path

from longshore import BatchedQueue, DrainTimeout, FileStorage, Persistence, QueueFull

persistence = Persistence(
    storage=FileStorage(Path("backup")),
    key="my-queue-backup",
    every=60,  # after a crash at most a minute is lost
)


def queue_of(processor) -> BatchedQueue[str]:
    return BatchedQueue(
        processor,
        name="imports",
        batch_size=2,
        max_size=3,  # Maximum items in memory, beside those that run
        when_full="reject",  # or "drop_oldest", or "wait"
        persistence=persistence,
    )


async def shutdown(queue: BatchedQueue[str]) -> None:
    queue.pause()
    try:
        await queue.drain(0.05)
        print("Queue drained successfully")
    except DrainTimeout as error:
        print("Failed to drain queue:", error)
        await queue.save_state()


async def before() -> None:
    async def never_done(rows: list[str]) -> list[bool]:
        await asyncio.Event().wait()
        return [True] * len(rows)

    queue = queue_of(never_done)
    queue.pause()
    for number in (1, 2, 3, 4):
        try:
            await queue.enqueue(f"row {number}")
        except QueueFull as error:
            print(f"refused: row {number}, because '{error.queue}' holds {error.max_size}")
    await shutdown(queue)


async def after() -> None:
    done: list[str] = []

    async def insert(rows: list[str]) -> list[bool]:
        done.extend(rows)
        return [True] * len(rows)

    async with queue_of(insert):
        pass
    print("after the restart:", done)


asyncio.run(before())
asyncio.run(after())
