"""This module puts jobs that many tasks add at the same time into few inserts, so that a costly commit (SQLite: 0.2 ms)
is paid once for all of them."""

from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from longshore.core.clock import Clock
from longshore.core.durability import Durability
from longshore.core.errors import StoreUnavailable
from longshore.core.group_commit import GroupCommit
from longshore.core.job import NewJob
from longshore.store.contract import Store
from longshore.store.replies import Insertion

CHUNK = 1000
"""Jobs in one insert, at most."""


class Call(NamedTuple):
    """What one caller adds."""

    jobs: Sequence[NewJob]
    durability: Durability | None


class Adder:
    """The way of new jobs into one store, for one event loop."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._group = GroupCommit[Call, Sequence[Insertion]](
            self._insert_all,
            clock,
            most=CHUNK,
            size_of=lambda call: len(call.jobs),
            kind_of=lambda call: call.durability,
        )

    def add(
        self, jobs: Sequence[NewJob], durability: Durability | None = None, *, together: bool = False
    ) -> Coroutine[Any, Any, Sequence[Insertion]]:
        """Inserts them; in chunks, each of them all or nothing, or all `together`. Who asks for a durability shares an
        insert only with others who ask for the same, so nobody else waits for it. Raises StoreUnavailable, NotDurable,
        InvalidOption."""
        if together and len(jobs) > CHUNK:
            return self._insert_chunk(jobs, durability)
        return self._group.add(Call(jobs, durability))

    async def _insert_all(self, calls: Sequence[Call]) -> Sequence[Sequence[Insertion]]:
        durability = calls[0].durability
        if len(calls) == 1:
            return (await self._insert(calls[0].jobs, durability),)
        replies = iter(await self._insert([job for call in calls for job in call.jobs], durability))
        return [[next(replies) for _ in call.jobs] for call in calls]

    def _insert(
        self, jobs: Sequence[NewJob], durability: Durability | None
    ) -> Coroutine[Any, Any, Sequence[Insertion]]:
        whole = len(jobs) <= CHUNK
        return self._insert_chunk(jobs, durability) if whole else self._insert_chunks(jobs, durability)

    async def _insert_chunks(
        self, jobs: Sequence[NewJob], durability: Durability | None
    ) -> Sequence[Insertion]:
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
        # The same ids, so nothing is added twice.
        return await self._store.insert(jobs, durability=durability)
