"""This module proves whether a session hears what others notify."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from longshore.backends.postgres.connecting import Connection

ECHO_SECONDS = 2.0
"""How long a notification may take to come back to who sent it."""


async def echoes(
    connection: Connection, ring: Callable[[str], Awaitable[object]], deadline_seconds: float
) -> bool:
    """Whether the connection hears a notification that `ring` sends another way.

    Through a pooler in transaction mode it does not: the session that listens is handed on with the end of LISTEN.
    """
    echo = asyncio.Event()
    channel = f"longshore:{uuid.uuid4().hex}"

    def hear(*_: object) -> None:
        echo.set()

    async with asyncio.timeout(deadline_seconds):
        await connection.driver.add_listener(channel, hear)
    await ring(channel)
    try:
        async with asyncio.timeout(ECHO_SECONDS):
            await echo.wait()
    except TimeoutError:
        return False
    finally:
        async with asyncio.timeout(deadline_seconds):
            await connection.driver.remove_listener(channel, hear)
    return True
