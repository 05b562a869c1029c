"""This module is the one way from what was decided to the store: everything that changes jobs goes through it.

One engine serves one event loop. It adds little of its own: adds that happen together share one insert, and whoever
cares (the promoter) hears when something will be due. Reads go to `engine.store` as they are.
"""

from collections.abc import Callable, Sequence
from random import Random

from longshore.core.clock import Clock
from longshore.core.durability import Durability
from longshore.core.events import Bus, Event
from longshore.core.ids import format_id
from longshore.core.job import NewJob
from longshore.engine.adder import Adder
from longshore.store.commands import ClaimAsk, Edit, Lease, Settlement
from longshore.store.contract import Store
from longshore.store.replies import Changed, Claimed, Extended, Inserted, Insertion, Promoted, Settled


class Engine:
    """Adds, claims, settles and changes jobs of one store."""

    def __init__(self, store: Store, *, bus: Bus, clock: Clock, random: Random) -> None:
        self.store = store
        self.bus = bus
        self.clock = clock
        self.random = random
        self._adder = Adder(store, clock)
        self._due_watchers: list[Callable[[float], None]] = []
        self._claim_watchers: list[Callable[[], None]] = []

    async def add(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, together: bool = False
    ) -> Sequence[Insertion]:
        """Inserts new jobs; `together`: in one step, however many. Raises StoreUnavailable and NotDurable; then the
        same call may be repeated."""
        replies = await self._adder.add(jobs, durability, together=together)
        if self._due_watchers:
            self._announce(jobs)
        if self.bus.wants("enqueued"):
            await self._tell_enqueued(jobs, replies)
        return replies

    async def claim(self, asks: Sequence[ClaimAsk]) -> list[Claimed]:
        """Gives pending jobs to sessions."""
        replies = await self.store.claim(asks)
        if self._claim_watchers and any(reply.jobs for reply in replies):
            for watcher in self._claim_watchers:
                watcher()
        return replies

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """Ends claims."""
        return await self.store.settle(settlements)

    async def change(self, edits: Sequence[Edit]) -> list[Changed]:
        """Cancels, retries, deletes, updates or annotates jobs."""
        replies = await self.store.change(edits)
        if edits:
            self.expect(0.0)  # an edit may have moved a due time to the front
        return replies

    async def extend(self, leases: Sequence[Lease]) -> list[Extended]:
        """Opens, prolongs and ends sessions."""
        return await self.store.extend(leases)

    async def promote(self, limit: int) -> Promoted:
        """Makes due jobs pending."""
        return await self.store.promote(limit)

    def watch_due(self, watcher: Callable[[float], None]) -> None:
        """Calls the watcher with the seconds until something will be due, whenever this process learns of it."""
        self._due_watchers.append(watcher)

    def unwatch_due(self, watcher: Callable[[float], None]) -> None:
        """Stops calling it."""
        self._due_watchers = [other for other in self._due_watchers if other != watcher]

    def watch_claims(self, watcher: Callable[[], None]) -> None:
        """Calls the watcher whenever a claim got jobs."""
        self._claim_watchers.append(watcher)

    def unwatch_claims(self, watcher: Callable[[], None]) -> None:
        """Stops calling it."""
        self._claim_watchers = [other for other in self._claim_watchers if other != watcher]

    def expect(self, seconds: float) -> None:
        """Says that something will be due in so many seconds."""
        for watcher in self._due_watchers:
            watcher(seconds)

    def _announce(self, jobs: Sequence[NewJob]) -> None:
        delays = [job.delay_ms for job in jobs if job.delay_ms > 0 and job.run_ms is None]
        times = [job.run_ms for job in jobs if job.run_ms is not None]
        if times:
            delays.append(max(0, min(times) - self.clock.now_ms()))
        if delays:
            self.expect(min(delays) / 1000)

    async def _tell_enqueued(self, jobs: Sequence[NewJob], replies: Sequence[Insertion]) -> None:
        for job, reply in zip(jobs, replies, strict=True):
            if reply is Inserted.CREATED:
                data = {"id": format_id(job.id), "name": job.name}
                await self.bus.tell(Event(name="enqueued", queue=job.queue, data=data))
