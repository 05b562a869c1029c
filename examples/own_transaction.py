"""Jobs that are added, and completed, in one transaction with the application's own rows.

It prints:

    an order that was not paid leaves no row and no job: [] []
    a paid one leaves both: [('a boat', 'new')] ['ship']
    and its job wrote and completed in one step: [('a boat', 'shipped')] completed
"""

import asyncio

from longshore import JobContext, QueueManager
from longshore.store.within import Rows

manager = QueueManager()


@manager.queue("dock").task
async def ship(order: int, ctx: JobContext) -> None:
    async with manager.transaction() as tx:
        await tx.execute("UPDATE orders SET state = 'shipped' WHERE id = ?", (order,))
        await ctx.complete_in(tx)


async def buy(what: str, *, paid: bool) -> None:
    async with manager.transaction() as tx:
        [(order,)] = await tx.execute("INSERT INTO orders (what) VALUES (?) RETURNING id", (what,))
        await ship.options(connection=tx).enqueue(order)
        if not paid:
            raise ValueError(what)


async def orders() -> Rows:
    async with manager.transaction() as tx:
        return await tx.execute("SELECT what, state FROM orders")


async def jobs() -> list[str]:
    return [job.name for job in await manager.get_jobs()]


async def main() -> None:
    async with manager:
        async with manager.transaction() as tx:
            await tx.execute(
                "CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT, state TEXT DEFAULT 'new')"
            )
        try:
            await buy("a ship", paid=False)
        except ValueError:
            print("an order that was not paid leaves no row and no job:", await orders(), await jobs())
        await buy("a boat", paid=True)
        print("a paid one leaves both:", await orders(), await jobs())
        await manager.run_until_empty()
        [job] = await manager.get_jobs()
        print("and its job wrote and completed in one step:", await orders(), job.state)


asyncio.run(main())
