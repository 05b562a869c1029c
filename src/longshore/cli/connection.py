"""This module is how commands reach the jobs: a manager that is open while they run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from longshore.cli.failures import Failure
from longshore.cli.options import closed_store, given
from longshore.manager.manager import QueueManager
from longshore.manager.settings import Settings, load_settings


@asynccontextmanager
async def existing(url: str | None) -> AsyncIterator[QueueManager]:
    """The manager of a store that is there. Raises Failure instead of making an empty one where nobody has been:
    then the URL, or the directory, is most likely another than the one meant."""
    settings = load_settings(given(url=url))
    await refuse_to_create(settings)
    async with QueueManager(settings=settings) as manager:
        yield manager


@asynccontextmanager
async def manager_of(url: str | None) -> AsyncIterator[QueueManager]:
    """The manager of a store, made when it is not there."""
    async with QueueManager(settings=load_settings(given(url=url))) as manager:
        yield manager


async def refuse_to_create(settings: Settings) -> None:
    """Raises Failure when there is no store yet."""
    async with closed_store(settings) as store:
        if (await store.migrate(apply=False)).version == 0:
            raise Failure(
                f"There is no store at {store.url} yet. Give the one you mean with --url or LONGSHORE_URL, "
                "or make it with `longshore migrate`."
            )
