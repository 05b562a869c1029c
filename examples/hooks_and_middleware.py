"""Around every attempt: middleware, hooks on events, and a context that travels with the job (seeds 000 and 001).

It prints:

    enqueued: charge
    middleware: before charge, for tenant acme
    charge for tenant acme, by ann
    middleware: after charge
    completed: charge
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from longshore import Event, JobContext, QueueManager, bind_context, current_context

manager = QueueManager()
billing = manager.queue("billing")


@manager.middleware
async def around(ctx: JobContext, call_next: Callable[[], Awaitable[Any]]) -> Any:
    print(f"middleware: before {ctx.job.name}, for tenant {current_context()['tenant']}")
    result = await call_next()
    print(f"middleware: after {ctx.job.name}")
    return result


@billing.task
async def charge() -> None:
    bound = current_context()  # what was bound where the job was added, perhaps on another machine
    print(f"charge for tenant {bound['tenant']}, by {bound['user']}")


def on_enqueued(event: Event) -> None:
    print("enqueued:", event.data["name"])


async def on_completed(event: Event) -> None:
    print("completed:", event.job.name)


manager.on("enqueued", on_enqueued)
manager.on("completed", on_completed)


async def main() -> None:
    async with manager:
        with bind_context(tenant="acme", user="ann"):
            await charge.enqueue()
        await manager.run_until_empty()


asyncio.run(main())
