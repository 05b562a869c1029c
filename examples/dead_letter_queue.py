"""A queue that is told of each job that failed for good (seed 003, pattern 7: dead letter queue handling).

The dead letter itself stays where it failed, with all its errors; what arrives here is a notice, a job like any other.

It prints:

    from 'orders': {'order': 13, 'quantity': -1} because ValueError: quantity -1
    order 13 is done, with quantity 1
    dead letters left in 'orders': 0
"""

import asyncio
from typing import Any

from longshore import Job, Priority, QueueManager, Retry

manager = QueueManager()
orders = manager.queue("orders", retry=Retry(2, initial=0.05), dead_letter="dead-letter-queue")


@orders.task(name="ship")
async def ship(order: int, quantity: int) -> None:
    if quantity < 0:
        raise ValueError(f"quantity {quantity}")
    print(f"order {order} is done, with quantity {quantity}")


async def handle(job: Job[Any]) -> None:
    notice = job.data
    print(f"from '{notice['originalQueue']}': {notice['originalData']} because {notice['failureReason']}")
    if "quantity" in notice["failureReason"]:  # we know how to mend this
        mended = notice["originalData"] | {"quantity": 1}
        await manager.add_job("orders", notice["originalName"], mended, priority=Priority.LOW)
        await manager.dead_letters.discard(notice["originalId"])


manager.register_processor("dead-letter-queue", handle)


async def main() -> None:
    async with manager:
        await ship.enqueue(13, -1)
        await manager.run_until_empty()
        print("dead letters left in 'orders':", len(await manager.dead_letters.list("orders")))


asyncio.run(main())
