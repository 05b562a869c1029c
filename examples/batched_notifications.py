"""Items that are gathered and sent together: "Basic Batched Queue" of seed 000.

It prints:

    sent 3 notifications together
    sent 1 notifications together
    4 done in 2 batches
"""

import asyncio
from dataclasses import dataclass

from longshore import BatchedQueue, ItemResult


@dataclass
class UserNotification:
    user_id: str
    message: str
    type: str


async def send_batch(items: list[UserNotification]) -> list[ItemResult]:
    print(f"sent {len(items)} notifications together")
    return [ItemResult(success=True) for _ in items]  # or [True] * len(items)


async def main() -> None:
    queue = BatchedQueue(
        send_batch, batch_size=3, flush_interval=5.0
    )  # 3 at once, or what there is after 5 s
    async with queue:  # at the end, what still waits is sent
        for user in range(4):
            await queue.enqueue(UserNotification(f"user{user}", "New message received", "chat"))
    print(queue.stats.completed, "done in", queue.stats.batches, "batches")


asyncio.run(main())
