"""This module keeps at the source who moves its jobs, whereto, and which of them are in both stores just now."""

from collections.abc import Sequence
from typing import Self

import msgspec

from longshore.core.clock import Clock
from longshore.core.errors import MoveRefused
from longshore.core.ids import JobId, new_id
from longshore.store.commands import Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record

KIND = "move"
LOCK, JOURNAL = "lock", "journal"
LOCK_SECONDS = 20.0
"""So long after its last chunk a move that was killed keeps the next one waiting; a chunk takes far less."""
RETRY_SECONDS = 0.5


class Entry(msgspec.Struct, frozen=True):
    """Jobs that may be in both stores."""

    to: str
    """The target's URL, without secrets."""
    ids: tuple[str, ...] = ()
    """In hexadecimal digits."""

    @classmethod
    def of(cls, to: str, ids: Sequence[JobId]) -> Self:
        """These jobs."""
        return cls(to, tuple(job_id.hex() for job_id in ids))

    def job_ids(self) -> list[JobId]:
        """Them again."""
        return [JobId(bytes.fromhex(digits)) for digits in self.ids]


class Journal:
    """The two records of one source, for one target."""

    def __init__(self, source: Store, to: str, clock: Clock, lock_seconds: float = LOCK_SECONDS) -> None:
        self._source, self._to, self._clock = source, to, clock
        self._lock_ms = round(lock_seconds * 1000)
        self._name = new_id()
        self._version = 0
        self._locked_at = 0.0

    async def lock(self) -> None:
        """Waits until nobody else moves jobs of this source. Raises MoveRefused when somebody does all the time."""
        until = self._clock.monotonic() + 2 * self._lock_ms / 1000
        while not await self._take(0):
            if self._clock.monotonic() >= until:
                raise MoveRefused(
                    "another move from this store is under way; it has to end, or to be ended, first"
                )
            await self._clock.sleep(RETRY_SECONDS)

    async def unlock(self) -> None:
        """Lets others move."""
        await self._source.put([Put(kind=KIND, key=LOCK, value=None, expect=self._version)])

    async def in_doubt(self) -> list[JobId]:
        """The jobs that an interrupted move left in both stores. Raises MoveRefused when their target is another."""
        found = await self._read(JOURNAL)
        if found is None:
            return []
        entry = msgspec.json.decode(found.value, type=Entry)
        if entry.ids and entry.to != self._to:
            raise MoveRefused(
                f"an interrupted move to {entry.to} holds {len(entry.ids)} jobs. End it first: move to there again, "
                "or take it back with --give-up"
            )
        return entry.job_ids()

    async def write(self, ids: Sequence[JobId]) -> None:
        """From now on these, and no others, may be in both stores. What was read of them before is not to be trusted
        any more. Raises MoveRefused when somebody else took over because this process was away for too long."""
        if not (await self._take(self._version) or await self._take(0)):
            raise MoveRefused("another move from this store took over while this one was held up")
        value = msgspec.json.encode(Entry.of(self._to, ids)) if ids else None
        await self._source.put([Put(kind=KIND, key=JOURNAL, value=value)])

    def check(self) -> None:
        """Raises MoveRefused when somebody else may have taken over meanwhile."""
        if self._clock.monotonic() - self._locked_at >= self._lock_ms / 1000:
            raise MoveRefused(
                "this process was held up too long; another move may have taken over. Run it again"
            )

    async def _take(self, version: int) -> bool:
        now = self._clock.monotonic()
        put = Put(kind=KIND, key=LOCK, value=self._name, expect=version, ttl_ms=self._lock_ms)
        [stored] = await self._source.put([put])
        if stored.stored and stored.record is not None:
            self._version, self._locked_at = stored.record.version, now
        return stored.stored

    async def _read(self, key: str) -> Record | None:
        [records] = await self._source.get([RecordAsk(KIND, (key,))])
        return records[0] if records else None
