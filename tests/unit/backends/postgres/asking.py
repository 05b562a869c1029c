"""Asking the server about itself, and waiting until it says so."""

from collections.abc import Awaitable, Callable
from typing import Any

from longshore.backends.postgres.links import Links

Query = Callable[..., Awaitable[list[Any]]]
MakeLinks = Callable[..., Awaitable[Links]]


async def until(query: Query, statement: str, *values: object) -> None:
    """Returns when the statement's first value is true; the server does the waiting in between."""
    while not (await query(statement, *values))[0][0]:
        await query("SELECT pg_sleep(0.01)")
