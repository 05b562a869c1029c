"""This module adds jobs as a careful producer does: with ids of its own, and again until it is answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import cycle
from typing import TypeVar

from longshore import StoreUnavailable
from longshore.core.ids import format_id, new_id
from longshore.core.job import NewJob
from longshore.store.contract import Store
from longshore.store.replies import Inserted

Answer = TypeVar("Answer")
PATIENCE_SECONDS = 120.0
SIZES = (1, 1, 1, 5, 10)


class Producer:
    """Counts what it has been told: `acknowledged` ids, `repeats` of calls, and replies that met a job twice."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.acknowledged: list[str] = []
        self.repeats = 0
        self.found_there = 0

    async def add(self, count: int, *, name: str = "short", data: str = '{{"number": {number}}}') -> None:
        """So many jobs in one call, repeated until the store answers."""
        jobs = [
            NewJob(id=new_id(), queue="work", name=name, payload=data.format(number=n).encode())
            for n in range(count)
        ]
        replies = await self.stubbornly(lambda: self._store.insert(jobs))
        self.found_there += sum(reply is not Inserted.CREATED for reply in replies)
        self.acknowledged += [format_id(job.id) for job in jobs]

    async def add_in_many_calls(self, count: int, *, together: int) -> None:
        """So many jobs in calls of one job and of some, several calls at the same time."""
        turns = iter(_sizes(count))
        await asyncio.gather(*(self._take_turns(turns) for _ in range(together)))

    async def stubbornly(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a call that may be repeated. Raises StoreUnavailable after PATIENCE_SECONDS without one."""
        begin = time.monotonic()
        while True:
            try:
                return await call()
            except StoreUnavailable:
                if time.monotonic() - begin > PATIENCE_SECONDS:
                    raise
                self.repeats += 1
                await asyncio.sleep(0.01)

    async def _take_turns(self, turns: Iterable[int]) -> None:
        for size in turns:
            await self.add(size)


def _sizes(count: int) -> Iterator[int]:
    for size in cycle(SIZES):
        if count <= 0:
            return
        yield min(size, count)
        count -= size
