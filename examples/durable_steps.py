"""A long task that gets through failures and waits for people: recorded steps, a sleep, and a signal.

It prints:

    charged order 7
    shipping failed
    the job waits for event 'delivered'
    shipped order 7
    thanked for payment-7: left at the door
    steps: charge, ship, sleep, delivered, thank
"""

import asyncio

from longshore import JobContext, QueueManager, Retry

manager = QueueManager()
carrier = {"tries": 0}


async def charge(order: int) -> str:
    print(f"charged order {order}")  # not again, whatever happens later
    return f"payment-{order}"


async def ship(order: int) -> str:
    carrier["tries"] += 1
    if carrier["tries"] == 1:
        print("shipping failed")
        raise ConnectionError("the carrier is away")
    return f"shipped order {order}"


async def thank(payment: str, where: str) -> None:
    print(f"thanked for {payment}: {where}")


@manager.task(queue="orders", retry=Retry(5, initial=0.05))
async def fulfil(order: int, ctx: JobContext) -> str:
    payment = await ctx.step("charge", charge, order)
    shipped = await ctx.step("ship", ship, order)
    await ctx.sleep(0.01)  # a week would not hold a slot either
    where = await ctx.wait_for("delivered", timeout=3600)
    print(shipped)
    await ctx.step("thank", thank, payment, where)
    return shipped


async def main() -> None:
    let_go = asyncio.Event()
    manager.on("released", lambda _: let_go.set())  # its slot is free
    async with manager:
        job = await fulfil.enqueue(7)
        await manager.start_workers()
        await let_go.wait()
        said = await job.explain()  # "It waits for event 'delivered', until …"
        print("the job", said.removeprefix("It ").partition(",")[0])
        await manager.signal(job, "delivered", "left at the door")
        await job.result(timeout=10)
        print("steps:", ", ".join(step.name for step in await job.steps()))


if __name__ == "__main__":
    asyncio.run(main())
