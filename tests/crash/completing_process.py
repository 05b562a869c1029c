"""A worker whose task completes its job in a transaction of its own, and then stands still where it is told.

    python completing_process.py URL TABLE store|application before|after

It says "here" when it stands there: before its commit, or after it and before the worker knows. A second process that
is told `on` goes on, and ends when no job is left.
"""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from longshore import JobContext, QueueManager
from longshore.manager.task import AsyncTask

LEASE_SECONDS = 2


@asynccontextmanager
async def of_the_store(manager: QueueManager, url: str):
    """The store's own transaction: what takes jobs, and what runs a statement."""
    async with manager.transaction(5) as tx:
        yield tx, tx.execute


@asynccontextmanager
async def of_the_application(manager: QueueManager, url: str):
    """The same on a connection of the application's."""
    connection = await asyncpg.connect(urlsplit(url)._replace(query="").geturl())
    try:
        async with connection.transaction():
            yield connection, connection.fetch
    finally:
        await connection.close()


TRANSACTIONS = {"store": of_the_store, "application": of_the_application}


def shop(url: str, table: str, whose: str, stands: str) -> tuple[QueueManager, AsyncTask[[], None]]:
    """The manager and its task."""
    manager = QueueManager(url, lease=LEASE_SECONDS, grace=1)

    async def stand(where: str) -> None:
        if where == stands:
            print("here", flush=True)
            os.read(0, 1)  # for ever: whoever waits at the other end kills this process

    @manager.queue("q").task
    async def order(ctx: JobContext) -> None:
        async with TRANSACTIONS[whose](manager, url) as (connection, execute):
            await execute(f"INSERT INTO {table} VALUES ('boat')")
            await ctx.complete_in(connection, result=stands)
            await stand("before")
        await stand("after")

    return manager, order


async def main(url: str, table: str, whose: str, stands: str) -> None:
    manager, _ = shop(url, table, whose, stands)
    await manager.run_until_empty(queues=["q"])
    await manager.shutdown()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
