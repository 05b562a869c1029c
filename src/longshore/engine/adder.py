"""This module gathers jobs that many tasks add at the same time into one `insert`: a group commit without a delay.

A lone caller goes straight to the store. Who comes while an insert is under way waits for the next, together with
everybody else who came meanwhile, so that a store with a costly commit (SQLite: 0.2 ms) is paid once for all.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from longshore.core.clock import Clock
from longshore.core.durability import Durability
from longshore.core.errors import StoreUnavailable
from longshore.core.job import NewJob
from longshore.store.contract import Store
from longshore.store.replies import Insertion

CHUNK = 1000
"""Jobs in one insert, at most."""


class Entry(NamedTuple):
    """Somebody who waits for the next insert."""

    jobs: Sequence[NewJob]
    durability: Durability | None
    answer: "asyncio.Future[Sequence[Insertion]]"


class Adder:
    """The way of new jobs into one store, for one event loop."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._is_busy = False
        self._waiting: deque[Entry] = deque()
        self._rounds: asyncio.Task[None] | None = None

    async def add(
        self, jobs: Sequence[NewJob], durability: Durability | None = None, *, together: bool = False
    ) -> Sequence[Insertion]:
        """Inserts them; in chunks, each of them all or nothing, or all `together`. Who asks for a durability shares an
        insert only with others who ask for the same, so nobody else waits for it. Raises StoreUnavailable, NotDurable,
        InvalidOption."""
        if not jobs:
            return []
        if together and len(jobs) > CHUNK:
            return await self._insert_chunk(jobs, durability)
        if not self._is_busy:
            return await self._go_first(jobs, durability)
        answer: asyncio.Future[Sequence[Insertion]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Entry(jobs, durability, answer))
        return await answer

    async def _go_first(self, jobs: Sequence[NewJob], durability: Durability | None) -> Sequence[Insertion]:
        self._is_busy = True
        try:
            return await self._insert(jobs, durability)
        finally:
            if self._waiting:  # even when this caller was cancelled, those who wait are served
                self._rounds = asyncio.get_running_loop().create_task(self._serve_waiting())
            else:
                self._is_busy = False

    async def _serve_waiting(self) -> None:
        try:
            while group := self._next_group():
                await self._serve(group)
                await self._clock.sleep(0)  # so that who was just served can join the next insert
        finally:
            self._is_busy = False

    def _next_group(self) -> list[Entry]:
        group: list[Entry] = []
        size = 0
        while self._waiting and (not group or self._joins(self._waiting[0], group[0], size)):
            entry = self._waiting.popleft()
            if not entry.answer.done():  # its caller may have been cancelled meanwhile
                group.append(entry)
                size += len(entry.jobs)
        return group

    @staticmethod
    def _joins(entry: Entry, first: Entry, size: int) -> bool:
        return size + len(entry.jobs) <= CHUNK and entry.durability is first.durability

    async def _serve(self, group: list[Entry]) -> None:
        try:
            replies = iter(
                await self._insert([job for entry in group for job in entry.jobs], group[0].durability)
            )
        except Exception as error:  # noqa: BLE001 - handed to each who waits for it
            for entry in group:
                if not entry.answer.done():
                    entry.answer.set_exception(error)
            return
        for entry in group:
            own = [next(replies) for _ in entry.jobs]
            if not entry.answer.done():
                entry.answer.set_result(own)

    async def _insert(self, jobs: Sequence[NewJob], durability: Durability | None) -> Sequence[Insertion]:
        if len(jobs) <= CHUNK:
            return await self._insert_chunk(jobs, durability)
        replies: list[Insertion] = []
        for start in range(0, len(jobs), CHUNK):
            replies += await self._insert_chunk(jobs[start : start + CHUNK], durability)
        return replies

    async def _insert_chunk(
        self, jobs: Sequence[NewJob], durability: Durability | None
    ) -> Sequence[Insertion]:
        try:
            return await self._store.insert(jobs, durability=durability)
        except StoreUnavailable as error:
            if error.reason != "unreachable":  # then it is known that nothing was done
                raise
        return await self._store.insert(
            jobs, durability=durability
        )  # the same ids, so nothing is added twice
