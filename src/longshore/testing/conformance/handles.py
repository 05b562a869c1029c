"""This module holds a store under test, and the ways to more handles on the same jobs."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from longshore.store.contract import Store

Answer = TypeVar("Answer")


class StoreUnderTest:
    """A store whose place is empty, and everything that was opened besides, to be closed with it."""

    def __init__(
        self, make: Callable[[Path], Store], round_trips: Callable[[Store], int], folder: Path
    ) -> None:
        self._make, self._round_trips, self._folder = make, round_trips, folder
        self._places = 0
        self._others: list[Store] = []
        self.place = self.new_place()
        self.store = make(self.place)

    def new_place(self) -> Path:
        """An empty folder whose name no other place in the world has."""
        self._places += 1
        place = self._folder / f"{self._folder.name}_{self._places}"
        place.mkdir()
        return place

    def unopened(self, place: Path | None = None) -> Store:
        """A handle that is not open: on the same jobs, or on those of another place."""
        handle = self._make(place or self.place)
        self._others.append(handle)
        return handle

    async def another(self) -> Store:
        """An open handle on the same jobs, such as another process has."""
        handle = self.unopened()
        await handle.open()
        return handle

    def round_trips(self) -> int:
        """How often the store under test has gone to where its jobs are."""
        return self._round_trips(self.store)

    async def close(self) -> None:
        """Closes all handles, the newest first."""
        for handle in [*reversed(self._others), self.store]:
            await handle.close()


async def in_thread(work: Coroutine[Any, Any, Answer]) -> Answer:
    """What `work` returns in a thread of its own, which runs an event loop of its own."""
    return await asyncio.to_thread(asyncio.run, work)
