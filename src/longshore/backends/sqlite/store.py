"""This module is the SQLite store: the verbs of the contract, each a command for the writer or a read.

Rows become records in the caller's event loop and not in the writer's thread: it takes 0.3 µs a job either way, and
there it overlaps with the next commit, which waits for the disk without the GIL.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import apsw

from longshore.backends.sqlite import (
    adopting,
    claiming,
    counting,
    editing,
    gauging,
    inserting,
    promoting,
    records,
    searching,
    sessions,
    settling,
)
from longshore.backends.sqlite.commands import CLAIM, EXTEND, OTHER, SETTLE, Command, Waiting
from longshore.backends.sqlite.connecting import Settings
from longshore.backends.sqlite.core import Core
from longshore.backends.sqlite.examining import examine
from longshore.backends.sqlite.listening import SqliteListener
from longshore.backends.sqlite.rows import claimed_jobs
from longshore.backends.sqlite.schema import migrate
from longshore.backends.sqlite.transaction import Transaction
from longshore.backends.sqlite.within import SqliteTransaction, SqliteWithin, visit, within
from longshore.core.clock import Clock, SystemClock
from longshore.core.durability import Durability, check_reachable
from longshore.core.errors import InvalidOption, StoreUnavailable
from longshore.core.job import JobRecord, NewJob
from longshore.store.adopting import check_adoptable
from longshore.store.commands import (
    ClaimAsk,
    Edit,
    JobQuery,
    Lease,
    MeterAsk,
    Note,
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

Reply = TypeVar("Reply")
HOUR_MS = 3_600_000
FEW = 10
"""So many jobs are inserted in their caller's thread where that is free: 5 µs each, and the commit."""
IN_A_ROW = 5
"""Calls that are done before the event loop gets a turn: each holds it up for 0.15 ms, a turn costs 10 µs."""


class SqliteStore:
    """A handle on the jobs in one file.

    `synchronous="full"` (the default) keeps every acknowledged job through a loss of power; "normal" keeps them only
    through the death of the process, and is several times faster for single calls on slow disks. A call that has
    waited `patience_seconds` for another process ends with StoreUnavailable("locked").
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "full",
        patience_seconds: float = 10,
        clock: Clock | None = None,
    ) -> None:
        if synchronous not in {"full", "normal"}:
            raise InvalidOption("synchronous", synchronous, "full or normal")
        self._path = Path(os.path.realpath(path))
        self._settings = Settings(synchronous, patience_seconds)
        self._clock = clock or SystemClock()
        self._core: Core | None = None
        self._opening = asyncio.Lock()
        self._listeners: list[SqliteListener] = []
        self._next_sweep_ms = 0
        self._in_a_row = 0

    @property
    def url(self) -> str:
        """`sqlite:///` and the absolute path."""
        return f"sqlite:///{self._path}"

    @property
    def durability(self) -> Durability:
        """By the way it writes: see the class."""
        return Durability.FSYNC if self._settings.synchronous == "full" else Durability.OS

    @property
    def round_trips(self) -> int:
        """Transactions and reads so far, of all handles that share this one's file in this process."""
        return 0 if self._core is None else self._core.writer.transactions + self._core.reads

    async def open(self) -> None:
        """See `Store.open`. Creates the file, readable by its owner only, but not its folder."""
        async with self._opening:
            if self._core is None:
                self._core = await Core.opened(self._path, self._settings, self._clock)

    async def close(self) -> None:
        """See `Store.close`."""
        core, self._core = self._core, None
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.end_with_store()
        if core is not None:
            await core.release()

    async def twin(self) -> "SqliteStore":
        """See `Store.twin`: another handle on the same writer, for any thread."""
        twin = SqliteStore(self._path, **self._settings._asdict(), clock=self._clock)
        twin._core = self._opened().share()
        return twin

    async def migrate(self, *, apply: bool = True) -> Migration:
        """See `Store.migrate`."""
        return await asyncio.to_thread(migrate, self._path, self._settings, self._clock, apply=apply)

    async def examine(self, *, contents: bool = True) -> list[Finding]:
        """See `Store.examine`."""
        synchronous = self._settings.synchronous
        return await self._read(partial(examine, path=self._path, synchronous=synchronous, contents=contents))

    async def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, now_ms: int | None = None
    ) -> Sequence[Insertion]:
        """See `Store.insert`."""
        check_reachable(durability, best=self.durability, url=self.url)
        if not jobs:
            return []
        return await self._act(
            OTHER, lambda tx, now: inserting.insert(tx, jobs, now), now_ms, is_small=len(jobs) <= FEW
        )

    async def adopt(self, jobs: Sequence[JobRecord], *, now_ms: int | None = None) -> list[Inserted]:
        """See `Store.adopt`."""
        check_adoptable(jobs)
        return await self._act(OTHER, lambda tx, now: adopting.adopt(tx, jobs, now), now_ms) if jobs else []

    async def claim(self, asks: Sequence[ClaimAsk], *, now_ms: int | None = None) -> list[Claimed]:
        """See `Store.claim`."""
        if not asks:
            return []
        rests = self._opened().writer.is_rested  # a busy worker goes on while its jobs are claimed elsewhere
        given = await self._act(
            CLAIM, lambda tx, now: claiming.claim(tx, asks, now), now_ms, is_small=rests, must_last=False
        )
        return [
            Claimed([], session_lost=True) if rows is None else Claimed(claimed_jobs(rows, ask))
            for ask, rows in zip(asks, given, strict=True)
        ]

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `Store.settle`."""
        if not settlements:
            return []
        return await self._act(SETTLE, lambda tx, now: settling.settle(tx, settlements, now), now_ms)

    async def change(self, edits: Sequence[Edit], *, now_ms: int | None = None) -> list[Changed]:
        """See `Store.change`."""
        replies: list[Changed] = []
        for searches, together in groupby(edits, editing.searches):
            if searches:
                replies += [await self._search_and_change(edit, now_ms) for edit in together]
            else:
                named = list(together)
                replies += await self._act(OTHER, partial(editing.change_all, edits=named), now_ms)
        return replies

    async def extend(self, leases: Sequence[Lease], *, now_ms: int | None = None) -> list[Extended]:
        """See `Store.extend`."""
        if not leases:
            return []
        return await self._act(
            EXTEND, lambda tx, now: sessions.extend(tx, leases, now), now_ms, must_last=False
        )

    async def promote(self, limit: int, *, now_ms: int | None = None) -> Promoted:
        """See `Store.promote`. Works in chunks, between which others have their turn."""
        count, queues = 0, set[str]()
        is_done = False
        while not is_done:
            size = min(promoting.CHUNK, limit - count)
            work = partial(promoting.promote, limit=size, is_last=count + size == limit)
            chunk = await self._act(OTHER, work, now_ms)
            count += chunk.number
            queues |= chunk.queues
            is_done = chunk.number < size or count == limit
        next_due_ms = await self._act(OTHER, self._sweep, now_ms)
        return Promoted(
            count=count,
            queues=tuple(sorted(queues)),
            next_due_ms=next_due_ms,
            more=next_due_ms is not None and next_due_ms <= self._now_ms(now_ms),
        )

    async def scan(self, queries: Sequence[JobQuery], *, now_ms: int | None = None) -> list[Page]:
        """See `Store.scan`."""
        now = self._now_ms(now_ms)
        return await self._read(lambda reader: searching.read_pages(reader, queries, now)) if queries else []

    async def count(
        self, queues: Sequence[str] | None, *, minutes: int = 0, now_ms: int | None = None
    ) -> list[QueueCounts]:
        """See `Store.count`."""
        now = self._now_ms(now_ms)
        if queues is not None and not queues:
            return []
        return await self._read(lambda reader: counting.count(reader, queues, minutes, now))

    async def gauge(self, asks: Sequence[MeterAsk], *, now_ms: int | None = None) -> list[list[MeterReading]]:
        """See `Store.gauge`."""
        now = self._now_ms(now_ms)
        return await self._read(lambda reader: gauging.gauge(reader, asks, now)) if asks else []

    async def tune(self, tunes: Sequence[Tune], *, now_ms: int | None = None) -> list[int]:
        """See `Store.tune`."""
        return await self._act(OTHER, lambda tx, now: gauging.tune(tx, tunes, now), now_ms) if tunes else []

    async def put(self, puts: Sequence[Put], *, now_ms: int | None = None) -> list[Stored]:
        """See `Store.put`."""
        return await self._act(OTHER, lambda tx, now: records.put(tx, puts, now), now_ms) if puts else []

    async def get(self, asks: Sequence[RecordAsk], *, now_ms: int | None = None) -> list[list[Record]]:
        """See `Store.get`."""
        now = self._now_ms(now_ms)
        return await self._read(lambda reader: records.get(reader, asks, now)) if asks else []

    async def listen(
        self, kinds: Collection[WakeKind], queues: Collection[str] | None = None
    ) -> SqliteListener:
        """See `Store.listen`."""
        core = self._opened()
        listener = core.bell.join(kinds, queues, self._clock)
        self._listeners.append(listener)
        if self._core is not core:  # closed meanwhile by another thread, which may not have seen the listener
            listener.end_with_store()
        return listener

    def within(self, connection: object) -> SqliteWithin:
        """See `WorksWithin`: only for transactions of this store's own."""
        return within(connection, str(self._path), self._clock)

    async def prepare(self) -> None:
        """See `WorksWithin`. Who has a transaction has the store."""

    @asynccontextmanager
    async def transaction(self, seconds: float) -> AsyncIterator[SqliteTransaction]:
        """See `Transacts`."""
        async with visit(self._opened().writer, str(self._path), seconds) as lent:
            yield lent

    async def _act(
        self,
        rank: int,
        work: Callable[[Transaction, int], Reply],
        now_ms: int | None,
        *,
        is_small: bool = False,
        must_last: bool = True,
    ) -> Reply:
        """What `work` returns. Its time is that at which it runs, behind everybody who wrote before: so rates are
        exact, however long it has waited for others."""
        return await self._write(
            rank, lambda tx: work(tx, self._now_ms(now_ms)), is_small=is_small, must_last=must_last
        )

    async def _write(
        self,
        rank: int,
        work: Callable[[Transaction], Reply],
        *,
        is_small: bool = False,
        must_last: bool = True,
    ) -> Reply:
        """What `work` returns inside a transaction, once that is committed: in this thread where it is small, the way
        is free and others of this event loop have had their turn, else in the writer's."""
        writer = self._opened().writer
        if is_small:
            command = Command(work, must_last=must_last)
            if writer.may_serve_here(command):
                self._in_a_row += 1
                if self._in_a_row > IN_A_ROW:
                    self._in_a_row = 0
                    await self._clock.sleep(0)
                if writer.serve_here(command):
                    if command.error is not None:
                        raise command.error
                    done: Reply = command.reply
                    return done
        waiting = Waiting(rank, work, asyncio.get_running_loop(), must_last=must_last)
        writer.submit(waiting)
        reply: Reply = await waiting.future
        return reply

    async def _read(self, work: Callable[[apsw.Connection], Reply]) -> Reply:
        """What `work` returns, as of one moment."""
        return await self._opened().read(work)

    async def _search_and_change(self, edit: Edit, now_ms: int | None) -> Changed:
        """An edit by query: found in a reader, done in a transaction."""
        assert not isinstance(edit, Note)
        now = self._now_ms(now_ms)
        found = await self._read(lambda reader: editing.find(reader, edit, now))
        if not found.seqs:
            return Changed((), (), found.more)
        return await self._act(OTHER, lambda tx, now: editing.change(tx, edit, found, now), now_ms)

    def _sweep(self, tx: Transaction, now_ms: int) -> int | None:
        """Drops what is over; gives when the next job is due."""
        promoting.sweep(tx, now_ms)
        if now_ms >= self._next_sweep_ms:
            promoting.sweep_old(tx, now_ms)
            self._next_sweep_ms = now_ms + HOUR_MS
        return promoting.next_due(tx)

    def _opened(self) -> Core:
        if self._core is None:
            raise StoreUnavailable("closed", f"open() the store at {self.url} first")
        self._core.check_process()
        return self._core

    def _now_ms(self, now_ms: int | None) -> int:
        return self._clock.now_ms() if now_ms is None else now_ms
