"""This module is the PostgreSQL store: the verbs of the contract, each one statement where that is possible.

Lists go in as arrays and come back as rows. The store's time is the server's. A step that begins with a read ends with
a write that changes only what is still as it was read, so no transaction waits for a client.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

from longshore.backends.postgres import (
    adopting,
    claiming,
    counting,
    editing,
    gauging,
    inserting,
    newcomers,
    promoting,
    propagating,
    records,
    releasing,
    searching,
    sessions,
    settling,
)
from longshore.backends.postgres.dialect import dialect_of
from longshore.backends.postgres.faults import state_of
from longshore.backends.postgres.links import Connection, Lane, Links
from longshore.backends.postgres.listening import PostgresListener
from longshore.backends.postgres.rounds import rounds
from longshore.backends.postgres.safety import Safety, commit_safely, read_safety
from longshore.backends.postgres.tidying import Tidier
from longshore.backends.postgres.url import Dsn, parse
from longshore.backends.postgres.watermarks import Watermarks
from longshore.backends.postgres.within import PostgresWithin
from longshore.core.clock import Clock, SystemClock
from longshore.core.durability import Durability, check_reachable
from longshore.core.job import JobRecord, NewJob
from longshore.core.verdict import RELEASED
from longshore.store.adopting import check_adoptable
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
UNIQUE_VIOLATION = "23505"
UNIQUE_TRIES = 3


log = logging.getLogger("longshore.postgres")


class PostgresStore:
    """A handle on the jobs in one schema of a database."""

    def __init__(
        self,
        url: str | Dsn,
        *,
        schema: str | None = None,
        prefix: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._dsn = url if isinstance(url, Dsn) else parse(url, schema=schema, prefix=prefix)
        self._clock = clock or SystemClock()
        self._links = Links(self._dsn, self._clock)
        self._dialect = dialect_of(self._dsn.names)
        self._safety = Safety()
        self._identity: str | None = None
        self._remembered = claiming.Remembered(Watermarks(self._clock), set())
        self._tidier = Tidier(self._dialect)

    @property
    def url(self) -> str:
        """Where the database is, without secrets."""
        return self._dsn.public

    @property
    def round_trips(self) -> int:
        """Journeys to the server so far."""
        return self._links.journeys

    @property
    def durability(self) -> Durability:
        """See `Store.durability`: as the server is set. Known once the store is open."""
        return self._safety.usual

    async def open(self) -> None:
        """See `Store.open`."""
        if not self._links.is_open:
            await self._links.open()
            self._safety = await self._links.run(Lane.READ, lambda link: read_safety(link, self._dialect))

    async def close(self) -> None:
        """See `Store.close`."""
        await self._links.close()

    async def twin(self) -> "PostgresStore":
        """See `Store.twin`: connections of its own."""
        twin = PostgresStore(self._dsn, clock=self._clock)
        twin._links, twin._safety = self._links.twin(), self._safety
        return twin

    async def migrate(self, *, apply: bool = True) -> Migration:
        """See `Store.migrate`."""
        return await self._links.migrate(apply=apply)

    async def listen(
        self, kinds: Collection[WakeKind], queues: Collection[str] | None = None
    ) -> PostgresListener:
        """See `Store.listen`."""
        return await self._links.listen(kinds, queues)

    async def examine(self, *, contents: bool = True) -> list[Finding]:
        """See `Store.examine`."""
        return await self._links.examine(contents=contents)

    async def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, now_ms: int | None = None
    ) -> Sequence[Insertion]:
        """See `Store.insert`."""
        check_reachable(durability, best=self._safety.best, url=self.url)
        if not jobs:
            return []

        async def insert(connection: Connection) -> Sequence[Insertion]:
            if all(job.rules is None and job.edges is None for job in jobs):
                return await inserting.insert(connection, self._dialect, jobs, now_ms)
            async with connection.transaction():
                return await newcomers.insert(connection, self._dialect, jobs, now_ms)

        if durability is None or self.durability.reaches(durability):
            return await self._write(Lane.OTHER, insert, now_ms)
        return await self._write(
            Lane.OTHER, lambda link: commit_safely(link, self._dialect, durability, insert), now_ms
        )

    async def adopt(self, jobs: Sequence[JobRecord], *, now_ms: int | None = None) -> list[Inserted]:
        """See `Store.adopt`."""
        check_adoptable(jobs)
        if not jobs:
            return []
        return await self._write(
            Lane.OTHER, lambda link: adopting.adopt(link, self._dialect, jobs, now_ms), now_ms
        )

    async def claim(self, asks: Sequence[ClaimAsk], *, now_ms: int | None = None) -> list[Claimed]:
        """See `Store.claim`."""
        if not asks:
            return []
        replies = await self._write(
            Lane.CLAIM,
            lambda connection: claiming.claim(connection, self._dialect, asks, now_ms, self._remembered),
            now_ms,
        )
        self._links.claimed(
            {ask.queue for ask, reply in zip(asks, replies, strict=True) if reply.jobs and ask.id is None}
        )
        return replies

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `Store.settle`."""
        self._remembered.watermarks.forget(each.queue for each in settlements if each.verdict == RELEASED)
        replies: dict[int, Settled] = {}
        for round_ in rounds(settlements, lambda settlement: settlement.id):
            replies.update(await self._write(Lane.SETTLE, partial(self._settle, round_, now_ms), now_ms))
        return [replies[number] for number in range(len(settlements))]

    async def _settle(
        self, settlements: list[settling.Numbered], now_ms: int | None, connection: Connection
    ) -> dict[int, Settled]:
        """One statement commits by itself; with follow-ups or limits there are several. Children are told after it."""
        ended = await self._end(settlements, now_ms, connection)
        if ended.tells:
            await propagating.propagate(connection, self._dialect, now_ms, own=ended.order)
        return ended.replies

    async def _end(
        self, settlements: list[settling.Numbered], now_ms: int | None, connection: Connection
    ) -> settling.Ended:
        if any(releasing.needs_locks(settlement) for _, settlement in settlements):
            async with connection.transaction():
                return await releasing.settle(connection, self._dialect, settlements, now_ms)
        if not any(settlement.follow for _, settlement in settlements):
            return await settling.settle(connection, self._dialect, settlements, now_ms)
        async with connection.transaction():
            return await settling.settle(connection, self._dialect, settlements, now_ms)

    async def change(self, edits: Sequence[Edit], *, now_ms: int | None = None) -> list[Changed]:
        """See `Store.change`."""
        if not edits:
            return []
        return await self._write(
            Lane.OTHER, lambda connection: editing.change(connection, self._dialect, edits, now_ms), now_ms
        )

    async def extend(self, leases: Sequence[Lease], *, now_ms: int | None = None) -> list[Extended]:
        """See `Store.extend`."""
        if not leases:
            return []
        return await self._links.run(
            Lane.LEASE, lambda connection: sessions.extend(connection, self._dialect, leases, now_ms)
        )

    async def promote(self, limit: int, *, now_ms: int | None = None) -> Promoted:
        """See `Store.promote`."""
        return await self._write(
            Lane.OTHER, lambda connection: promoting.promote(connection, self._dialect, limit, now_ms), now_ms
        )

    async def scan(self, queries: Sequence[JobQuery], *, now_ms: int | None = None) -> list[Page]:
        """See `Store.scan`."""
        if not queries:
            return []
        return await self._links.run(
            Lane.READ, lambda connection: searching.read_pages(connection, self._dialect, queries, now_ms)
        )

    async def count(
        self, queues: Sequence[str] | None, *, minutes: int = 0, now_ms: int | None = None
    ) -> list[QueueCounts]:
        """See `Store.count`."""
        if queues is not None and not queues:
            return []
        return await self._links.run(
            Lane.READ, lambda connection: counting.count(connection, self._dialect, queues, minutes, now_ms)
        )

    async def gauge(self, asks: Sequence[MeterAsk], *, now_ms: int | None = None) -> list[list[MeterReading]]:
        """See `Store.gauge`."""
        if not asks:
            return []
        return await self._links.run(
            Lane.READ, lambda connection: gauging.gauge(connection, self._dialect, asks, now_ms)
        )

    async def tune(self, tunes: Sequence[Tune], *, now_ms: int | None = None) -> list[int]:
        """See `Store.tune`."""
        if not tunes:
            return []
        return await self._write(
            Lane.OTHER, lambda connection: gauging.tune(connection, self._dialect, tunes, now_ms), now_ms
        )

    async def put(self, puts: Sequence[Put], *, now_ms: int | None = None) -> list[Stored]:
        """See `Store.put`."""
        if not puts:
            return []
        return await self._links.run(
            Lane.OTHER, lambda connection: records.put(connection, self._dialect, puts, now_ms)
        )

    async def get(self, asks: Sequence[RecordAsk], *, now_ms: int | None = None) -> list[list[Record]]:
        """See `Store.get`."""
        if not asks:
            return []
        return await self._links.run(
            Lane.READ, lambda connection: records.get(connection, self._dialect, asks, now_ms)
        )

    def within(self, connection: object) -> PostgresWithin:
        """See `WorksWithin`: for connections to the same database, of the drivers that `callers` knows."""
        return PostgresWithin(connection, self._dialect, self._dsn.public, self._identity)

    async def prepare(self) -> None:
        """See `WorksWithin`."""
        scout = PostgresStore(self._dsn, clock=self._clock)  # several may be sent at once
        try:
            await scout.open()
            rows = await scout._links.run(Lane.READ, lambda link: self._dialect.fetch(link, "identity"))
        finally:
            await scout.close()
        self._identity = rows[0][0]

    async def _write(
        self, lane: Lane, work: Callable[[Connection], Awaitable[Reply]], now_ms: int | None
    ) -> Reply:
        """What `work` returns. Two sessions that store the same id in the same moment are told by the index; the one
        that came second looks again."""
        for _ in range(UNIQUE_TRIES):
            try:
                reply = await self._links.run(lane, work)
            except Exception as error:
                if state_of(error) != UNIQUE_VIOLATION and not isinstance(error, newcomers.LostRace):
                    raise
            else:
                break
        else:
            reply = await self._links.run(lane, work)
        if self._tidier.is_due():
            await self._tidy(lane, now_ms)
        return reply

    async def _tidy(self, lane: Lane, now_ms: int | None) -> None:
        """Whoever wrote is told what became of that, whatever becomes of this."""
        try:
            await self._links.run(lane, lambda link: self._tidier.tidy(link, now_ms))
        except Exception as error:  # noqa: BLE001 - the next one tries again
            log.warning("Tidying waits for another time: %s", error)
