"""This module says how safe a commit is, and makes a single one safer than the server's settings do."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.core.durability import Durability
from longshore.core.errors import NotDurable

Reply = TypeVar("Reply")


class Safety(msgspec.Struct, frozen=True):
    """What a server's settings promise."""

    usual: Durability = Durability.FSYNC
    """Of every commit."""
    best: Durability = Durability.FSYNC
    """Of one that waits for it."""


async def read_safety(connection: Runs, dialect: Dialect) -> Safety:
    """As the server and this session are set."""
    [(fsync, synchronous_commit, standbys)] = await dialect.fetch(connection, "durability")
    best = Durability.OS if fsync == "off" else Durability.REPLICATED if standbys else Durability.FSYNC
    if synchronous_commit == "off":
        return Safety(Durability.MEMORY, best)
    return Safety(Durability.OS if fsync == "off" else Durability.FSYNC, best)


async def commit_safely(
    connection: Connection,
    dialect: Dialect,
    asked: Durability,
    work: Callable[[Connection], Awaitable[Reply]],
) -> Reply:
    """What `work` returns, once it is as safe as asked. Raises NotDurable where no replica confirmed it in time.

    PostgreSQL cannot take a commit back that waits for a replica: when the wait ends early it says so in a warning.
    """
    warnings: list[str] = []

    def hear(_: Any, message: Any) -> None:
        warnings.append(str(message))

    level = "remote_apply" if asked is Durability.REPLICATED else "on"
    connection.driver.add_log_listener(hear)
    try:
        async with connection.transaction():
            await dialect.fetch(connection, "commit_safely", level)
            reply = await work(connection)
        await dialect.fetch(connection, "ping")  # warnings are told in the next turn of the loop
    finally:
        connection.driver.remove_log_listener(hear)
    if any("synchronous replication" in warning for warning in warnings):
        raise NotDurable(asked, Durability.FSYNC, "no replica confirmed it in time")
    return reply
