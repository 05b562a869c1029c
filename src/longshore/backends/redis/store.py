"""This module is the Redis store: the verbs of the contract, each a script or a few, on one server or a Cluster."""

from collections.abc import Collection, Sequence

from longshore.backends.redis import (
    claiming,
    counting,
    editing,
    inserting,
    metering,
    promoting,
    records,
    searching,
    sessions,
    settling,
)
from longshore.backends.redis.calling import Caller
from longshore.backends.redis.examining import examine
from longshore.backends.redis.keys import Keys
from longshore.backends.redis.links import Links
from longshore.backends.redis.listening import RedisListener, listen
from longshore.backends.redis.url import Address, Kind
from longshore.core.clock import Clock, SystemClock
from longshore.core.durability import Durability
from longshore.core.errors import StoreUnavailable
from longshore.core.job import JobRecord, NewJob
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

HOUR_MS = 3_600_000


class RedisStore:
    """A handle on the jobs under one prefix. Any event loop may use it; each has connections of its own."""

    def __init__(self, address: Address, *, clock: Clock | None = None) -> None:
        self._address = address
        self._clock = clock or SystemClock()
        self._links = Links(self._address, self._clock)
        self._caller = Caller(
            self._links, Keys(self._address.prefix, is_cluster=self._address.kind is Kind.CLUSTER)
        )
        self._is_open = False
        self._next_sweep_ms = 0

    @property
    def url(self) -> str:
        """Where, without the password."""
        return self._address.url

    @property
    def durability(self) -> Durability:
        """See `Store.durability`."""
        return self._links.durability

    @property
    def round_trips(self) -> int:
        """How often this handle has gone to a server; what goes to several at the same time counts once."""
        return self._links.journeys

    async def open(self) -> None:
        """See `Store.open`."""
        if not self._is_open:
            await self._links.open()
            self._is_open = True

    async def close(self) -> None:
        """See `Store.close`."""
        self._is_open = False
        await self._links.close()

    async def twin(self) -> "RedisStore":
        """See `Store.twin`: a handle with connections of its own, which user code cannot exhaust."""
        twin = RedisStore(self._address, clock=self._clock)
        await twin.open()
        return twin

    async def migrate(self, *, apply: bool = True) -> Migration:  # noqa: ARG002 - the contract's
        """See `Store.migrate`. Keys are made when they are needed: there is no schema."""
        return Migration(version=1, latest=1, pending=())

    async def examine(self, *, contents: bool = True) -> list[Finding]:  # noqa: ARG002 - the contract's
        """See `Store.examine`."""
        return await examine(self._opened().links)

    async def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, now_ms: int | None = None
    ) -> list[Insertion]:
        """See `Store.insert`."""
        return await inserting.insert(self._opened(), jobs, durability, now_ms) if jobs else []

    async def adopt(self, jobs: Sequence[JobRecord], *, now_ms: int | None = None) -> list[Inserted]:
        """See `Store.adopt`."""
        check_adoptable(jobs)
        return await inserting.adopt(self._opened(), jobs, now_ms) if jobs else []

    async def claim(self, asks: Sequence[ClaimAsk], *, now_ms: int | None = None) -> list[Claimed]:
        """See `Store.claim`."""
        return await claiming.claim(self._opened(), asks, now_ms) if asks else []

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `Store.settle`."""
        return await settling.settle(self._opened(), settlements, now_ms) if settlements else []

    async def change(self, edits: Sequence[Edit], *, now_ms: int | None = None) -> list[Changed]:
        """See `Store.change`."""
        return await editing.change(self._opened(), edits, now_ms) if edits else []

    async def extend(self, leases: Sequence[Lease], *, now_ms: int | None = None) -> list[Extended]:
        """See `Store.extend`."""
        return await sessions.extend(self._opened(), leases, now_ms) if leases else []

    async def promote(self, limit: int, *, now_ms: int | None = None) -> Promoted:
        """See `Store.promote`."""
        caller = self._opened()
        promoted = await promoting.promote(caller, limit, now_ms)
        now = self._clock.now_ms() if now_ms is None else now_ms
        if now >= self._next_sweep_ms:
            self._next_sweep_ms = now + HOUR_MS
            await promoting.sweep_history(caller, now_ms)
        return promoted

    async def scan(self, queries: Sequence[JobQuery], *, now_ms: int | None = None) -> list[Page]:
        """See `Store.scan`."""
        return await searching.scan(self._opened(), queries, now_ms) if queries else []

    async def count(
        self, queues: Sequence[str] | None, *, minutes: int = 0, now_ms: int | None = None
    ) -> list[QueueCounts]:
        """See `Store.count`."""
        if queues is not None and not queues:
            return []
        return await counting.count(self._opened(), queues, minutes, now_ms)

    async def gauge(self, asks: Sequence[MeterAsk], *, now_ms: int | None = None) -> list[list[MeterReading]]:
        """See `Store.gauge`."""
        return await metering.gauge(self._opened(), asks, now_ms) if asks else []

    async def tune(self, tunes: Sequence[Tune], *, now_ms: int | None = None) -> list[int]:
        """See `Store.tune`."""
        return await metering.tune(self._opened(), tunes, now_ms) if tunes else []

    async def put(self, puts: Sequence[Put], *, now_ms: int | None = None) -> list[Stored]:
        """See `Store.put`."""
        return await records.put(self._opened(), puts, now_ms) if puts else []

    async def get(self, asks: Sequence[RecordAsk], *, now_ms: int | None = None) -> list[list[Record]]:
        """See `Store.get`."""
        return await records.get(self._opened(), asks, now_ms) if asks else []

    async def listen(
        self, kinds: Collection[WakeKind], queues: Collection[str] | None = None
    ) -> RedisListener:
        """See `Store.listen`."""
        self._opened()
        return await listen(self._links, kinds, queues)

    def _opened(self) -> Caller:
        if not self._is_open:
            raise StoreUnavailable("closed", f"open() the store at {self.url} first")
        return self._caller
