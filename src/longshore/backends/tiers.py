"""This module is a store of two tiers: queues that are to be quick in memory, all others where jobs last.

Everything above sees one store. What is about one queue goes where the queue is; what is about all asks both. A job of
one tier may have followers in the other: where both cannot be one step, the durable one goes first, so that what is
lost with the process is only what was in memory.

A manager that has no such queue pays a look at an empty set for each call.
"""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any, Protocol, TypeVar

import msgspec

from longshore.backends.served_sessions import ServedSessions
from longshore.backends.tier_followers import claimed_followers, without
from longshore.backends.tier_listening import TierListener
from longshore.backends.tier_paging import IN_MEMORY, is_used_up, joined, narrowed, rest
from longshore.core.clock import Clock
from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption
from longshore.core.job import JobRecord, NewJob
from longshore.store.commands import (
    PAUSE,
    RETENTION,
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

Item = TypeVar("Item")
Reply = TypeVar("Reply")

OF_QUEUES = (PAUSE, RETENTION)
"""Kinds of records whose keys are queues."""


class OfQueue(Protocol):
    """Whatever names its queue."""

    @property
    def queue(self) -> str:
        """Its name."""


Queued = TypeVar("Queued", bound=OfQueue)


class TwoTiers:
    """`volatile`, which may grow, names the queues that are in `memory`; all others are in `durable`."""

    def __init__(
        self,
        durable: Store,
        memory: Store,
        volatile: AbstractSet[str],
        clock: Clock,
        sessions: ServedSessions | None = None,
    ) -> None:
        self.durable = durable
        self.memory = memory
        self._volatile = volatile
        self._clock = clock
        self._sessions = sessions or ServedSessions()

    @property
    def url(self) -> str:
        """The durable tier's."""
        return self.durable.url

    @property
    def durability(self) -> Durability:
        """The durable tier's."""
        return self.durable.durability

    async def open(self) -> None:
        """See `Store.open`."""
        await self.memory.open()
        await self.durable.open()

    async def close(self) -> None:
        """See `Store.close`."""
        await self.memory.close()
        await self.durable.close()

    async def twin(self) -> Store:
        """See `Store.twin`."""
        durable, memory = await self.durable.twin(), await self.memory.twin()
        return TwoTiers(durable, memory, self._volatile, self._clock, self._sessions)

    async def migrate(self, *, apply: bool = True) -> Migration:
        """Of the durable tier."""
        return await self.durable.migrate(apply=apply)

    async def examine(self, *, contents: bool = True) -> list[Finding]:
        """Of the durable tier."""
        return await self.durable.examine(contents=contents)

    # ------------------------------------------------------------------------------------------------------ new jobs

    def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, now_ms: int | None = None
    ) -> Coroutine[Any, Any, Sequence[Insertion]]:
        """See `Store.insert`; one atomic step for each tier. Raises InvalidOption where a job in memory is asked to
        outlive the process, or to wait for one in the other tier, or the other way round."""
        if not self._volatile:
            return self.durable.insert(jobs, durability=durability, now_ms=now_ms)
        self._check_families(jobs)
        return self._split(
            jobs,
            lambda store, some: store.insert(some, durability=durability, now_ms=now_ms),
        )

    def _check_families(self, jobs: Sequence[NewJob]) -> None:
        for job in jobs:
            for edge in job.edges.parents if job.edges else ():
                if (edge.queue in self._volatile) != (job.queue in self._volatile):
                    raise InvalidOption(
                        "edges",
                        f"from {edge.queue} to {job.queue}",
                        "jobs of queues that are all durable, or all in memory",
                    )

    async def adopt(self, jobs: Sequence[JobRecord], *, now_ms: int | None = None) -> list[Inserted]:
        """See `Store.adopt`."""
        return await self._split(jobs, lambda store, some: store.adopt(some, now_ms=now_ms))

    # -------------------------------------------------------------------------------------------------------- claims

    def claim(
        self, asks: Sequence[ClaimAsk], *, now_ms: int | None = None
    ) -> Coroutine[Any, Any, list[Claimed]]:
        """See `Store.claim`."""
        if not self._volatile:
            return self.durable.claim(asks, now_ms=now_ms)
        for ask in asks:
            self._sessions.claims(ask.session, is_volatile=self._is_volatile(ask))
        return self._split(asks, lambda store, some: store.claim(some, now_ms=now_ms))

    def settle(
        self, settlements: Sequence[Settlement], *, now_ms: int | None = None
    ) -> Coroutine[Any, Any, list[Settled]]:
        """See `Store.settle`; a follower in the other tier is a step of its own."""
        if not self._volatile:
            return self.durable.settle(settlements, now_ms=now_ms)
        return self._settle(settlements, now_ms)

    async def _settle(self, settlements: Sequence[Settlement], now_ms: int | None) -> list[Settled]:
        crossing = [self._others(settlement) for settlement in settlements]
        if any(crossing):
            lasting = await claimed_followers(self.memory, settlements, crossing, now_ms)
            if lasting:
                await self.durable.insert(lasting, now_ms=now_ms)
            settlements = list(map(without, settlements, crossing))
        replies = await self._split(settlements, lambda store, some: store.settle(some, now_ms=now_ms))
        quick = [
            job
            for jobs, reply in zip(crossing, replies, strict=True)
            for job in jobs
            if reply is Settled.APPLIED and self._is_volatile(job)
        ]
        if quick:
            await self.memory.insert(quick, now_ms=now_ms)
        return replies

    def _others(self, settlement: Settlement) -> list[NewJob]:
        """The followers that are in the other tier."""
        if not settlement.follow:
            return []
        is_volatile = self._is_volatile(settlement)
        return [job for job in settlement.follow if self._is_volatile(job) != is_volatile]

    async def extend(self, leases: Sequence[Lease], *, now_ms: int | None = None) -> list[Extended]:
        """See `Store.extend`. A session is known in both tiers from its first moment: a queue may be added later."""
        for lease in leases:
            if lease.opens and not self._volatile:
                self._sessions.claims(lease.session, is_volatile=False)  # nobody looks at its claims
        lasting = await self.durable.extend(leases, now_ms=now_ms)
        quick = await self.memory.extend(leases, now_ms=now_ms)
        lasting = await self._revived(leases, lasting, quick, now_ms, is_volatile=False)
        quick = await self._revived(leases, quick, lasting, now_ms, is_volatile=True)
        replies = [
            Extended(one.held and other.held, (*one.cancel, *other.cancel))
            for one, other in zip(lasting, quick, strict=True)
        ]
        self._sessions.forget(
            lease.session for lease, reply in zip(leases, replies, strict=True) if not reply.held
        )
        return replies

    async def _revived(
        self,
        leases: Sequence[Lease],
        here: list[Extended],
        there: list[Extended],
        now_ms: int | None,
        *,
        is_volatile: bool,
    ) -> list[Extended]:
        """The replies of one tier, with the sessions begun again there that it has forgotten and the other has not: a
        tier keeps a silent session only as long as it runs something there."""
        forgotten = [
            number
            for number, lease in enumerate(leases)
            if there[number].held
            and not here[number].held
            and not self._sessions.has_claimed(lease.session, is_volatile=is_volatile)
        ]
        if not forgotten:
            return here
        anew = [msgspec.structs.replace(leases[number], opens=True) for number in forgotten]
        store = self.memory if is_volatile else self.durable
        revived = dict(zip(forgotten, await store.extend(anew, now_ms=now_ms), strict=True))
        return [revived.get(number, reply) for number, reply in enumerate(here)]

    async def promote(self, limit: int, *, now_ms: int | None = None) -> Promoted:
        """See `Store.promote`."""
        one = await self.durable.promote(limit, now_ms=now_ms)
        other = await self.memory.promote(limit, now_ms=now_ms)
        return Promoted(
            count=one.count + other.count,
            queues=tuple(sorted({*one.queues, *other.queues})),
            next_due_ms=min(
                (due for due in (one.next_due_ms, other.next_due_ms) if due is not None), default=None
            ),
            more=one.more or other.more,
        )

    # ------------------------------------------------------------------------------------------------ edits and looks

    async def change(self, edits: Sequence[Edit], *, now_ms: int | None = None) -> list[Changed]:
        """See `Store.change`. An edit that may be about both tiers is a step for each."""
        if not self._volatile:
            return await self.durable.change(edits, now_ms=now_ms)
        replies = [Changed(())] * len(edits)
        for store in self._tiers:
            numbers = [number for number, edit in enumerate(edits) if store in self._tiers_of_edit(edit)]
            wanted = [narrowed(edits[number], replies[number]) for number in numbers]
            parts = await store.change(wanted, now_ms=now_ms)
            for number, edit, part in zip(numbers, wanted, parts, strict=True):
                before = replies[number]
                more = before.more or part.more or is_used_up(edit)
                replies[number] = Changed(before.ids + part.ids, before.asked + part.asked, more)
        return replies

    def _tiers_of_edit(self, edit: Edit) -> list[Store]:
        return [self._at(edit.queue)] if isinstance(edit, Note) else self._tiers_of(edit.where)

    async def scan(self, queries: Sequence[JobQuery], *, now_ms: int | None = None) -> list[Page]:
        """See `Store.scan`. Where both tiers are asked, the durable jobs come first; the order holds in each."""
        if not self._volatile:
            return await self.durable.scan(queries, now_ms=now_ms)
        lasting = [
            number
            for number, query in enumerate(queries)
            if self.durable in self._tiers_of(query) and not (query.cursor or "").startswith(IN_MEMORY)
        ]
        pages: dict[int, Page] = {}
        if lasting:
            found = await self.durable.scan([queries[number] for number in lasting], now_ms=now_ms)
            pages = dict(zip(lasting, found, strict=True))
        quick = [
            number
            for number, query in enumerate(queries)
            if self.memory in self._tiers_of(query) and (number not in pages or pages[number].cursor is None)
        ]
        behind = [rest(queries[number], pages.get(number)) for number in quick]
        more = await self.memory.scan(behind, now_ms=now_ms) if behind else []
        for number, page in zip(quick, more, strict=True):
            pages[number] = joined(pages.get(number), page, queries[number].limit)
        return [pages[number] for number in range(len(queries))]

    async def count(
        self, queues: Sequence[str] | None, *, minutes: int = 0, now_ms: int | None = None
    ) -> list[QueueCounts]:
        """See `Store.count`."""
        if queues is None:
            both = [await store.count(None, minutes=minutes, now_ms=now_ms) for store in self._tiers]
            told = {counts.queue: counts for counts in chain(both[1], both[0]) if self._is_told(counts, both)}
            return [told[queue] for queue in sorted(told)]
        named = [QueueName(queue) for queue in queues]
        return await self._split(
            named,
            lambda store, some: store.count([each.queue for each in some], minutes=minutes, now_ms=now_ms),
        )

    def _is_told(self, counts: QueueCounts, both: Sequence[Sequence[QueueCounts]]) -> bool:
        """Whether the queue is where these counts come from: it may have been in the other tier once."""
        return any(counts is each for each in both[self._is_volatile(counts)])

    # ------------------------------------------------------------------------------------------- records, meters, wakes

    async def put(self, puts: Sequence[Put], *, now_ms: int | None = None) -> list[Stored]:
        """See `Store.put`. What is said of a queue lies beside it, everything else lasts."""
        placed = [Placed(put.key if put.kind in OF_QUEUES else "", put) for put in puts]
        return await self._split(
            placed, lambda store, some: store.put([each.what for each in some], now_ms=now_ms)
        )

    async def get(self, asks: Sequence[RecordAsk], *, now_ms: int | None = None) -> list[list[Record]]:
        """See `Store.get`."""
        lasting = await self.durable.get(asks, now_ms=now_ms)
        if not self._volatile or all(ask.kind not in OF_QUEUES for ask in asks):
            return lasting
        quick = await self.memory.get(asks, now_ms=now_ms)
        return [
            sorted(
                [*self._in_tier(one, is_volatile=False), *self._in_tier(other, is_volatile=True)],
                key=lambda record: record.key,
            )
            if ask.kind in OF_QUEUES
            else one
            for ask, one, other in zip(asks, lasting, quick, strict=True)
        ]

    def _in_tier(self, records: Sequence[Record], *, is_volatile: bool) -> list[Record]:
        """Those of queues that are in this tier: one that was in the other once may have left something there."""
        return [record for record in records if (record.key in self._volatile) is is_volatile]

    async def gauge(self, asks: Sequence[MeterAsk], *, now_ms: int | None = None) -> list[list[MeterReading]]:
        """See `Store.gauge`."""
        return await self._split(asks, lambda store, some: store.gauge(some, now_ms=now_ms))

    async def tune(self, tunes: Sequence[Tune], *, now_ms: int | None = None) -> list[int]:
        """See `Store.tune`."""
        return await self._split(tunes, lambda store, some: store.tune(some, now_ms=now_ms))

    async def listen(self, kinds: Collection[WakeKind], queues: Collection[str] | None = None) -> Listener:
        """See `Store.listen`."""
        lasting = await self.durable.listen(kinds, queues)
        if not self._volatile:
            return lasting
        return TierListener(lasting, await self.memory.listen(kinds, queues), self._clock)

    # -------------------------------------------------------------------------------------------------------- routing

    @property
    def _tiers(self) -> tuple[Store, Store]:
        return self.durable, self.memory

    def _is_volatile(self, what: OfQueue) -> bool:
        return what.queue in self._volatile

    def _at(self, queue: str) -> Store:
        return self.memory if queue in self._volatile else self.durable

    def _tiers_of(self, where: JobQuery) -> list[Store]:
        """Those that may have such jobs."""
        if where.queues is None:
            return list(self._tiers)
        wanted = {queue in self._volatile for queue in where.queues}
        return [
            store for store, is_quick in zip(self._tiers, (False, True), strict=True) if is_quick in wanted
        ]

    async def _split(
        self, items: Sequence[Queued], ask: Callable[[Store, Sequence[Queued]], Awaitable[Sequence[Reply]]]
    ) -> list[Reply]:
        """The replies to items, each from the tier of its queue; the durable tier is asked first."""
        quick = [number for number, item in enumerate(items) if item.queue in self._volatile]
        if not quick:
            return list(await ask(self.durable, items))
        if len(quick) == len(items):
            return list(await ask(self.memory, items))
        among = set(quick)
        lasting = [number for number in range(len(items)) if number not in among]
        replies: dict[int, Reply] = {}
        for store, numbers in ((self.durable, lasting), (self.memory, quick)):
            answers = await ask(store, [items[number] for number in numbers])
            replies.update(zip(numbers, answers, strict=True))
        return [replies[number] for number in range(len(items))]


class QueueName(msgspec.Struct, frozen=True):
    """A queue that is asked for by its name."""

    queue: str


class Placed(msgspec.Struct, frozen=True):
    """A record that is to lie beside a queue; beside none: in the durable tier."""

    queue: str
    what: Put
