"""This module is the memory store: the whole contract in one process, for tests, notebooks and small tools.

Jobs live as long as somebody holds the store. One lock makes each call atomic; no call waits while it holds
it, so threads with event loops of their own may share the same jobs.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

from longshore.backends.memory import adopting, claiming, editing, promoting, searching
from longshore.backends.memory.tables import Tables
from longshore.backends.memory.wakes import MemoryListener
from longshore.core.clock import Clock, SystemClock
from longshore.core.durability import Durability, check_reachable
from longshore.core.errors import StoreUnavailable
from longshore.core.job import JobRecord, NewJob
from longshore.store.adopting import check_adoptable
from longshore.store.commands import (
    PAUSE,
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

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class MemoryStore:
    """A handle on jobs in memory. `MemoryStore()` keeps its own; a name shares them within the process.

    `round_trips` counts how often its jobs were locked: what a round trip is to other stores.
    """

    def __init__(self, clock: Clock | None = None, *, name: str = "") -> None:
        self._clock = clock or SystemClock()
        self._name = name
        self._share(_contents(name))
        self.round_trips = 0
        self._is_open = False
        self._listeners: list[MemoryListener] = []

    @property
    def url(self) -> str:
        """`memory://` and the name, if it has one."""
        return f"memory://{self._name}"

    @property
    def durability(self) -> Durability:
        """Memory forgets."""
        return Durability.MEMORY

    async def open(self) -> None:
        """Nothing to connect to; calls are answered from now on."""
        self._is_open = True

    async def close(self) -> None:
        """Ends this handle and its listeners. Others that share the jobs go on."""
        self._is_open = False
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            self._leave(listener)
            listener.end_with_store()

    async def twin(self) -> "MemoryStore":
        """Another open handle on the same jobs."""
        twin = MemoryStore(self._clock, name=self._name)
        twin._share(self._contents)
        await twin.open()
        return twin

    async def migrate(self, *, apply: bool = True) -> Migration:  # noqa: ARG002 - the contract's
        """There is no schema."""
        return Migration(version=1, latest=1, pending=())

    async def examine(self, *, contents: bool = True) -> list[Finding]:  # noqa: ARG002 - the contract's
        """That memory forgets."""
        return [
            Finding(
                level="warning",
                code="memory-forgets",
                problem="All jobs are lost when the process ends.",
                remedy="Use sqlite:///jobs.db for jobs that must outlive it.",
            )
        ]

    async def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, now_ms: int | None = None
    ) -> list[Insertion]:
        """See `Store.insert`."""
        check_reachable(durability, best=self.durability, url=self.url)
        if not jobs:
            return []
        now = self._now_ms(now_ms)
        with self._lock:
            return _served(self._opened(), now, lambda tables: tables.insert(jobs, now))

    async def adopt(self, jobs: Sequence[JobRecord], *, now_ms: int | None = None) -> list[Inserted]:
        """See `Store.adopt`."""
        check_adoptable(jobs)
        if not jobs:
            return []
        now = self._now_ms(now_ms)
        with self._lock:
            return _served(self._opened(), now, lambda tables: adopting.adopt(tables, jobs, now))

    async def claim(self, asks: Sequence[ClaimAsk], *, now_ms: int | None = None) -> list[Claimed]:
        """See `Store.claim`."""
        return self._each(claiming.claim, asks, now_ms)

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `Store.settle`."""
        if not settlements:
            return []
        now = self._now_ms(now_ms)
        with self._lock:
            return _served(self._opened(), now, lambda tables: claiming.settle(tables, settlements, now))

    async def change(self, edits: Sequence[Edit], *, now_ms: int | None = None) -> list[Changed]:
        """See `Store.change`."""
        return self._each(editing.change, edits, now_ms)

    async def extend(self, leases: Sequence[Lease], *, now_ms: int | None = None) -> list[Extended]:
        """See `Store.extend`."""
        return self._each(lambda tables, lease, now: tables.sessions.extend(lease, now), leases, now_ms)

    async def promote(self, limit: int, *, now_ms: int | None = None) -> Promoted:
        """See `Store.promote`."""
        with self._lock:
            return promoting.promote(self._opened(), limit, self._now_ms(now_ms))

    async def scan(self, queries: Sequence[JobQuery], *, now_ms: int | None = None) -> list[Page]:
        """See `Store.scan`."""
        return self._each(searching.read_page, queries, now_ms)

    async def count(
        self, queues: Sequence[str] | None, *, minutes: int = 0, now_ms: int | None = None
    ) -> list[QueueCounts]:
        """See `Store.count`."""
        if queues is not None and not queues:
            return []
        now = self._now_ms(now_ms)
        with self._lock:
            tables = self._opened()
            return [queue.report(tables.rows, minutes, now) for queue in tables.stand(queues)]

    async def gauge(self, asks: Sequence[MeterAsk], *, now_ms: int | None = None) -> list[list[MeterReading]]:
        """See `Store.gauge`."""
        return self._each(lambda tables, ask, now: tables.flow.gauge(ask, now), asks, now_ms)

    async def tune(self, tunes: Sequence[Tune], *, now_ms: int | None = None) -> list[int]:
        """See `Store.tune`."""
        return self._each(lambda tables, tune, now: tables.flow.tune(tune, now), tunes, now_ms)

    async def put(self, puts: Sequence[Put], *, now_ms: int | None = None) -> list[Stored]:
        """See `Store.put`."""
        return self._each(_put, puts, now_ms)

    async def get(self, asks: Sequence[RecordAsk], *, now_ms: int | None = None) -> list[list[Record]]:
        """See `Store.get`."""
        return self._each(lambda tables, ask, now: tables.records.get(ask, now), asks, now_ms)

    async def listen(
        self, kinds: Collection[WakeKind], queues: Collection[str] | None = None
    ) -> MemoryListener:
        """See `Store.listen`."""
        with self._lock:
            bell = self._opened().bell
            listener = MemoryListener(self._clock, queues, self._leave)
            bell.join(listener, kinds)
            self._listeners.append(listener)
            return listener

    def _share(self, contents: "_Contents") -> None:
        self._contents, self._lock = contents, contents.lock

    def _leave(self, listener: MemoryListener) -> None:
        with self._lock:
            self._contents.tables.bell.leave(listener)
            self._listeners = [other for other in self._listeners if other is not listener]

    def _now_ms(self, now_ms: int | None) -> int:
        return self._clock.now_ms() if now_ms is None else now_ms

    def _each(
        self, verb: Callable[[Tables, Item, int], Reply], items: Sequence[Item], now_ms: int | None
    ) -> list[Reply]:
        if not items:
            return []
        now = self._now_ms(now_ms)
        with self._lock:
            return _served(self._opened(), now, lambda tables: [verb(tables, item, now) for item in items])

    def _opened(self) -> Tables:
        if not self._is_open:
            raise StoreUnavailable("closed", f"{self.url} was not opened, or was closed")
        self.round_trips += 1
        return self._contents.tables


def _served(tables: Tables, now_ms: int, step: Callable[[Tables], Reply]) -> Reply:
    """Takes a step, tells jobs that wait for others what it means to them, and lets the meters that it touched serve
    those that they hold."""
    reply = step(tables)
    if tables.dependents.has_news:
        tables.decide(now_ms)
    if tables.flow.touched:
        tables.serve(now_ms)
    return reply


class _Contents:
    """What handles share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tables = Tables()


_named: WeakValueDictionary[str, _Contents] = WeakValueDictionary()
_naming = threading.Lock()


def _contents(name: str) -> _Contents:
    """The contents behind a name, process-wide and kept alive by the handles; new ones for no name."""
    if not name:
        return _Contents()
    with _naming:
        contents = _named.get(name)
        if contents is None:
            contents = _named[name] = _Contents()
        return contents


def _put(tables: Tables, put: Put, now_ms: int) -> Stored:
    """Stores a record; the end of a pause wakes workers."""
    was_paused = put.kind == PAUSE and tables.is_paused(put.key, now_ms)
    stored = tables.records.put(put, now_ms)
    if was_paused and not tables.is_paused(put.key, now_ms):
        tables.bell.ring(WakeKind.PENDING, put.key)
    return stored
