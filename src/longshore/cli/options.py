"""This module holds the options that commands share, and how a command runs its coroutine."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

import click

from longshore.backends import open_store
from longshore.manager.settings import Settings
from longshore.store.contract import Store

Result = TypeVar("Result")

url_option = click.option(
    "--url", metavar="URL", help="Where the jobs are; otherwise LONGSHORE_URL or the settings."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def given(**options: object) -> dict[str, object]:
    """The options that were given on the command line, as arguments for the settings."""
    return {name: value for name, value in options.items() if value is not None}


def run(work: Coroutine[object, object, Result]) -> Result:
    """Runs a command's coroutine to its end."""
    return asyncio.run(work)


@asynccontextmanager
async def closed_store(settings: Settings) -> AsyncIterator[Store]:
    """The store as the settings name it, not opened, and let go of afterwards."""
    store = open_store(settings.url)
    try:
        yield store
    finally:
        await store.close()
