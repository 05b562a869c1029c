"""This module breaks a store on purpose: calls that fail, calls whose reply is lost, calls that take long."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from enum import StrEnum
from random import Random
from typing import TypeVar

import msgspec

from longshore.core.clock import Clock
from longshore.core.durability import Durability
from longshore.core.errors import StoreUnavailable
from longshore.core.job import JobRecord, NewJob
from longshore.store.commands import (
    ClaimAsk,
    Edit,
    JobQuery,
    Lease,
    MeterAsk,
    Put,
    RecordAsk,
    Settlement,
    Tune,
)
from longshore.store.contract import Listener, Store
from longshore.store.replies import (
    Changed,
    Claimed,
    Extended,
    Finding,
    Inserted,
    Insertion,
    MeterReading,
    Migration,
    Page,
    Promoted,
    QueueCounts,
    Record,
    Settled,
    Stored,
    WakeKind,
)

Reply = TypeVar("Reply")


class Harm(StrEnum):
    """What goes wrong."""

    BEFORE = "before"
    """Nothing is done, and StoreUnavailable is raised."""
    AFTER = "after"
    """It is done, and StoreUnavailable is raised: the reply was lost."""
    DELAY = "delay"
    """It is done `seconds` later."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong with which calls: those of `verb` (None: of every verb) whose number is among `calls`, counted
    from 1 since the fault was planted, or each with a `probability`. `calls=None` with probability 0: every one."""

    harm: Harm
    verb: str | None = None
    calls: tuple[int, ...] | None = None
    probability: float = 0.0
    seconds: float = 0.0


class Faults:
    """The faults of a store and of its twins, to be planted and removed while it runs."""

    def __init__(self, random: Random, *faults: Fault) -> None:
        self._random = random
        self._planted: list[tuple[Fault, list[str]]] = []
        self.suffered: list[tuple[str, Harm]] = []
        """Each fault that happened: the verb and the harm, in order."""
        for fault in faults:
            self.plant(fault)

    def plant(self, fault: Fault) -> None:
        """From now on this happens too."""
        self._planted.append((fault, []))

    def clear(self) -> None:
        """From now on all is well."""
        self._planted.clear()

    def strike(self, verb: str) -> list[Fault]:
        """What this call of the verb must suffer."""
        struck = []
        for fault, calls in self._planted:
            if fault.verb not in {None, verb}:
                continue
            calls.append(verb)
            if self._hits(fault, len(calls)):
                struck.append(fault)
                self.suffered.append((verb, fault.harm))
        return struck

    def _hits(self, fault: Fault, call: int) -> bool:
        if fault.calls is not None:
            return call in fault.calls
        return not fault.probability or self._random.random() < fault.probability


class FaultyStore:
    """Any store, with faults in its verbs. Opening, closing and listening stay sound."""

    def __init__(self, store: Store, faults: Faults, clock: Clock) -> None:
        self._store, self._faults, self._clock = store, faults, clock

    @property
    def url(self) -> str:
        """Of the store behind."""
        return self._store.url

    @property
    def durability(self) -> Durability:
        """Of the store behind."""
        return self._store.durability

    async def open(self) -> None:
        """Opens the store behind."""
        await self._store.open()

    async def close(self) -> None:
        """Closes the store behind."""
        await self._store.close()

    async def twin(self) -> "FaultyStore":
        """A twin with the same faults."""
        return FaultyStore(await self._store.twin(), self._faults, self._clock)

    async def migrate(self, *, apply: bool = True) -> Migration:
        """Of the store behind."""
        return await self._store.migrate(apply=apply)

    async def examine(self, *, contents: bool = True) -> list[Finding]:
        """Of the store behind."""
        return await self._store.examine(contents=contents)

    async def listen(self, kinds: Collection[WakeKind], queues: Collection[str] | None = None) -> Listener:
        """To the store behind."""
        return await self._store.listen(kinds, queues)

    async def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, now_ms: int | None = None
    ) -> Sequence[Insertion]:
        """Inserts, faults permitting; so all that follow."""
        return await self._suffer(
            "insert", lambda: self._store.insert(jobs, durability=durability, now_ms=now_ms)
        )

    async def adopt(self, jobs: Sequence[JobRecord], *, now_ms: int | None = None) -> list[Inserted]:
        """See `insert`."""
        return await self._suffer("adopt", lambda: self._store.adopt(jobs, now_ms=now_ms))

    async def claim(self, asks: Sequence[ClaimAsk], *, now_ms: int | None = None) -> list[Claimed]:
        """See `insert`."""
        return await self._suffer("claim", lambda: self._store.claim(asks, now_ms=now_ms))

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `insert`."""
        return await self._suffer("settle", lambda: self._store.settle(settlements, now_ms=now_ms))

    async def change(self, edits: Sequence[Edit], *, now_ms: int | None = None) -> list[Changed]:
        """See `insert`."""
        return await self._suffer("change", lambda: self._store.change(edits, now_ms=now_ms))

    async def extend(self, leases: Sequence[Lease], *, now_ms: int | None = None) -> list[Extended]:
        """See `insert`."""
        return await self._suffer("extend", lambda: self._store.extend(leases, now_ms=now_ms))

    async def promote(self, limit: int, *, now_ms: int | None = None) -> Promoted:
        """See `insert`."""
        return await self._suffer("promote", lambda: self._store.promote(limit, now_ms=now_ms))

    async def scan(self, queries: Sequence[JobQuery], *, now_ms: int | None = None) -> list[Page]:
        """See `insert`."""
        return await self._suffer("scan", lambda: self._store.scan(queries, now_ms=now_ms))

    async def count(
        self, queues: Sequence[str] | None, *, minutes: int = 0, now_ms: int | None = None
    ) -> list[QueueCounts]:
        """See `insert`."""
        return await self._suffer("count", lambda: self._store.count(queues, minutes=minutes, now_ms=now_ms))

    async def gauge(self, asks: Sequence[MeterAsk], *, now_ms: int | None = None) -> list[list[MeterReading]]:
        """See `insert`."""
        return await self._suffer("gauge", lambda: self._store.gauge(asks, now_ms=now_ms))

    async def tune(self, tunes: Sequence[Tune], *, now_ms: int | None = None) -> list[int]:
        """See `insert`."""
        return await self._suffer("tune", lambda: self._store.tune(tunes, now_ms=now_ms))

    async def put(self, puts: Sequence[Put], *, now_ms: int | None = None) -> list[Stored]:
        """See `insert`."""
        return await self._suffer("put", lambda: self._store.put(puts, now_ms=now_ms))

    async def get(self, asks: Sequence[RecordAsk], *, now_ms: int | None = None) -> list[list[Record]]:
        """See `insert`."""
        return await self._suffer("get", lambda: self._store.get(asks, now_ms=now_ms))

    async def _suffer(self, verb: str, call: Callable[[], Awaitable[Reply]]) -> Reply:
        faults = self._faults.strike(verb)
        for fault in faults:
            if fault.harm is Harm.DELAY:
                await self._clock.sleep(fault.seconds)
            elif fault.harm is Harm.BEFORE:
                raise StoreUnavailable("unreachable", f"a planted fault before {verb}")
        reply = await call()
        if any(fault.harm is Harm.AFTER for fault in faults):
            raise StoreUnavailable("unreachable", f"a planted fault after {verb}: it was done")
        return reply
