"""This module moves all jobs of a store, queue by queue in chunks, until nothing is left there that can be moved.

The source's queues are paused first and stay so, with a note that says whereto they went. What runs there is waited
for; what is added there meanwhile is moved too. The target works on: each chunk can be run there as soon as it is gone
at the source. See ADR 0010 for what happens when the process is killed at any point.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import msgspec

from longshore.core.clock import Clock
from longshore.core.errors import MoveRefused, StoreUnavailable
from longshore.core.job import JobRecord
from longshore.core.states import TERMINAL, State
from longshore.flow.pausing import paused
from longshore.moving.belongings import copy_records, pause_source, resume_moved
from longshore.moving.crossing import Crossing, Kind, Tally
from longshore.moving.holding import WAITING
from longshore.moving.journal import LOCK_SECONDS, Journal
from longshore.store.commands import SCAN_LIMIT, JobQuery, Order
from longshore.store.contract import Store

POLL_SECONDS = 0.5
FIRST_CHUNK = 100
"""Jobs, until it is known how large they are."""
CHUNK_BYTES = 8 * 1_048_576
"""Of payloads and results in a chunk, about; there are a few copies of it in memory."""
Watcher = Callable[[int, int], None]
"""Told how many jobs were moved, of how many."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be moved."""

    queues: tuple[str, ...] = ()
    """Empty: all."""
    history: bool = False
    """Jobs that ended well, too."""
    wait_seconds: float = 30.0
    """For jobs that run at the source, and for producers that still add there; from the end of the first round."""

    @property
    def states(self) -> tuple[State, ...]:
        """Of the jobs that are moved."""
        over = sorted(TERMINAL) if self.history else [State.FAILED]
        return (*WAITING, *over)

    def means(self, queue: str) -> bool:
        """Whether this queue is moved."""
        return not self.queues or queue in self.queues


class Standing(msgspec.Struct, frozen=True):
    """How many jobs a store has, by queue and state; those that are not there are left out."""

    jobs: dict[Kind, int]

    def of(self, states: Collection[State]) -> int:
        """In all queues."""
        return sum(count for (_, state), count in self.jobs.items() if state in states)


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What a move came to."""

    before: Standing
    """The source, when it began."""
    left: Standing
    """The source, when it ended."""
    target: Standing
    """The target, when it ended."""
    tally: Tally
    records: int
    """Pauses, retentions and the like that were copied."""
    paused: tuple[str, ...]
    """Those queues of the plan that are paused at the target."""
    plan: Plan

    @property
    def remaining(self) -> int:
        """Jobs that should have been moved and were not."""
        return self.left.of([*self.plan.states, State.RUNNING, State.HELD])

    @property
    def vanished(self) -> int:
        """Jobs of the source that neither were moved nor are left: they ran to their end there, or somebody cancelled
        or deleted them meanwhile."""
        kept: Counter[str] = Counter()
        for tally in (self.tally.moved, self.tally.already, self.left.jobs):
            for (queue, state), count in tally.items():
                kept[queue] += count if state in self.plan.states or state is State.RUNNING else 0
        before: Counter[str] = Counter()
        for (queue, state), count in self.before.jobs.items():
            before[queue] += count if state in self.plan.states else 0
        return (before - kept).total()

    def grown(self, states: Collection[State]) -> int:
        """How many more jobs the source has in these states than when it began."""
        return max(0, self.left.of(states) - self.before.of(states))


class Mover:
    """Moves jobs from one open store to another."""

    def __init__(
        self,
        source: Store,
        target: Store,
        plan: Plan,
        clock: Clock,
        *,
        watch: Watcher = lambda *_: None,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        self._source, self._target, self._plan, self._clock = source, target, plan, clock
        self._watch = watch
        self._journal = Journal(source, target.url, clock, lock_seconds)
        self._crossing = Crossing(source, target, self._journal, plan.states)
        if source.url == target.url:
            raise MoveRefused(f"{source.url} cannot be moved to itself")

    async def run(self) -> Moved:
        """Moves until nothing is left, or only what cannot be moved. Raises StoreUnavailable and MoveRefused; the same
        move, begun again, goes on from there."""
        before = await standing(self._source, self._plan)
        await self._check_for_families()
        await self._journal.lock()
        try:
            await self._crossing.settle(await self._journal.in_doubt())
            await resume_moved(self._target, self._source.url)
            records = await copy_records(self._source, self._target, self._clock)
            await self._move_all(before.of(self._plan.states))
        finally:
            await self._unlock()
        return Moved(
            before=before,
            left=await standing(self._source, self._plan),
            target=await standing(self._target, self._plan),
            tally=self._crossing.tally,
            records=records,
            paused=tuple(filter(self._plan.means, await paused(self._target))),
            plan=self._plan,
        )

    async def give_up(self) -> list[str]:
        """Takes back what an interrupted move left in both stores, and resumes the source's queues; gives their names.
        What has been moved stays where it is."""
        await self._journal.lock()
        try:
            ids = await self._journal.in_doubt()
            await self._crossing.settle(ids)
            await self._crossing.keep(ids)
            await self._journal.write(())
            return await resume_moved(self._source, self._target.url)
        finally:
            await self._unlock()

    async def _check_for_families(self) -> None:
        """Raises MoveRefused where jobs wait for others, in whatever queue: what goes away at the source while somebody
        waits for it counts as cancelled there."""
        blocked = await standing(self._source, Plan())
        if count := blocked.of([State.BLOCKED]):
            raise MoveRefused(
                f"{count:,} jobs wait for others, as steps of workflows do, and cannot be moved yet; let them run at "
                f"{self._source.url} until `longshore workflows list` shows none that runs, or cancel them"
            )

    async def _unlock(self) -> None:
        with contextlib.suppress(
            StoreUnavailable
        ):  # then the lock ends by itself, and the first error tells more
            await self._journal.unlock()

    async def _move_all(self, of: int) -> None:
        until: float | None = None
        while True:
            await self._check_for_families()
            queues = [queue for queue in await _queues(self._source) if self._plan.means(queue)]
            await pause_source(self._source, queues, self._target.url, self._clock)
            found = sum([await self._sweep(queue, of) for queue in queues])
            until = until or self._clock.monotonic() + self._plan.wait_seconds
            running = (await standing(self._source, self._plan)).of([State.RUNNING])
            if not (found or running) or self._clock.monotonic() >= until:
                return
            if not found:
                await self._clock.sleep(POLL_SECONDS)

    async def _sweep(self, queue: str, of: int) -> int:
        """Moves what is there once; how many jobs it found."""
        query = JobQuery(queues=(queue,), states=self._plan.states, order=Order.OLDEST, limit=FIRST_CHUNK)
        found = 0
        cursor: str | None = ""
        while cursor is not None:
            [page] = await self._source.scan([msgspec.structs.replace(query, cursor=cursor or None)])
            cursor = page.cursor
            if page.jobs:
                query = msgspec.structs.replace(query, limit=chunk_size(page.jobs))
                found += len(page.jobs)
                await self._crossing.cross([job.id for job in page.jobs])
                self._watch(self._crossing.tally.total, of)
        return found


def chunk_size(jobs: Sequence[JobRecord]) -> int:
    """How many jobs like these make a chunk."""
    total_bytes = sum(len(job.payload) + len(job.result or b"") for job in jobs)
    return max(1, min(SCAN_LIMIT, CHUNK_BYTES * len(jobs) // max(total_bytes, 1)))


async def standing(store: Store, plan: Plan) -> Standing:
    """How many jobs of the plan's queues a store has."""
    return Standing(
        {
            (counts.queue, state): number
            for counts in await store.count(None)
            if plan.means(counts.queue)
            for state, number in counts.states.items()
            if number
        }
    )


async def _queues(store: Store) -> list[str]:
    return [counts.queue for counts in await store.count(None)]
