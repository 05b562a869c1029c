"""This module takes a chunk of jobs from one store to the other.

Each step may be the last one before the process is killed. Whoever comes next finds in the journal which jobs may be in
both stores, looks at both, and goes on: `settle` is the same whether or not anything went wrong.

    journal   the ids are written down at the source
    hold      at the source no worker can claim them any more
    carry     the target has what their tasks have recorded
    adopt     the target has them too, held as well; every one of them is seen there before anything goes away
    forget    the source has them no more
    settle    those that are gone at the source run at the target from now on; those that somebody at the source woke
              in spite of all stay there, and their copies go
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from longshore.core.errors import MoveRefused
from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.states import TERMINAL, State
from longshore.moving.comparing import Stays, compare
from longshore.moving.holding import HOLDABLE, holds, is_far, is_held, own_state, releases
from longshore.moving.journal import Journal
from longshore.steps.carrying import carry
from longshore.store.commands import SCAN_LIMIT, Delete, JobQuery, Order
from longshore.store.contract import Store
from longshore.store.replies import Inserted

Kind = tuple[str, State]
"""A queue, and the state in which its jobs were."""


class Tally(msgspec.Struct):
    """What became of the jobs, by queue and state."""

    moved: Counter[Kind] = msgspec.field(default_factory=Counter)
    already: Counter[Kind] = msgspec.field(default_factory=Counter)
    """The target had them, and newer: they only went away at the source."""

    @property
    def total(self) -> int:
        """Jobs that are not at the source any more."""
        return self.moved.total() + self.already.total()


class Crossing:
    """The way from one store to another, for jobs in these states."""

    def __init__(self, source: Store, target: Store, journal: Journal, states: Collection[State]) -> None:
        self._source, self._target, self._journal = source, target, journal
        self._over = TERMINAL.intersection(states)
        self.tally = Tally()

    async def cross(self, ids: Sequence[JobId]) -> None:
        """Moves those of the jobs that can be moved. Raises StoreUnavailable and MoveRefused; then any of them may be
        on the way, and `settle` has to come first the next time."""
        await self._journal.write(ids)
        await self._source.change(holds(await read(self._source, ids)))
        ours = await read(self._source, ids, full=True)
        ready = [job for job in ours if is_held(job) or is_far(job) or job.state in self._over]
        if ready:
            self._journal.check()
            await carry(self._source, self._target, [job.id for job in ready])
            already = await self._adopt(ready)
            await self._forget(ready)
            self._count(ready, already)
        await self.settle(ids)
        await self._journal.write(())

    async def settle(self, ids: Sequence[JobId]) -> None:
        """Lets the target run what the source has no more, and takes away copies of what goes on at the source. What
        is held at the source stays so: it crosses like any other job that is found there."""
        here = {job.id: job for job in await read(self._source, ids)}
        there = await read(self._target, ids)
        await self._target.change(releases(job for job in there if job.id not in here))
        goes_on = {job_id for job_id, job in here.items() if not is_held(job)}
        await self._withdraw([job.id for job in there if is_held(job) and job.id in goes_on])

    async def keep(self, ids: Sequence[JobId]) -> None:
        """Gives the source back what is held there, and takes away the copies. What somebody lets run at the target
        goes away at the source."""
        held = [job for job in await read(self._source, ids) if is_held(job)]
        there = await read(self._target, [job.id for job in held])
        await self._withdraw([job.id for job in there if is_held(job)])
        left = {job.id for job in await read(self._target, [job.id for job in held])}
        await self._forget([job for job in held if job.id in left])
        await self._source.change(releases(job for job in held if job.id not in left))

    async def _adopt(self, ours: Sequence[JobRecord]) -> set[JobId]:
        """Sees to it that the target has each of them; gives those whose own record there stays."""
        replies = await self._target.adopt(ours)
        doubles = [job for job, reply in zip(ours, replies, strict=True) if reply is Inserted.DUPLICATE]
        already = await self._replace(doubles) if doubles else set()
        there = {job.id for job in await read(self._target, [job.id for job in ours])}
        missing = {job.id for job in ours} - already - there
        if missing:
            raise MoveRefused(
                f"the target does not show {len(missing)} of {len(ours)} jobs that it took over"
            )
        return already

    async def _replace(self, ours: Sequence[JobRecord]) -> set[JobId]:
        """Puts ours in the place of what is older at the target; gives the jobs whose own record there stays, or has
        run and is gone since."""
        there = {job.id: job for job in await read(self._target, [job.id for job in ours])}
        newer = [job for job in ours if job.id in there and compare(job, there[job.id]) is Stays.OURS]
        await self._withdraw([job.id for job in newer])
        await self._target.adopt(newer)
        copies = {job_id for job_id, job in there.items() if is_held(job)}
        return {job.id for job in ours} - copies - {job.id for job in newer}

    async def _forget(self, ours: Iterable[JobRecord]) -> None:
        """Takes them away at the source, unless somebody changed their states there."""
        by_state: dict[State, list[JobId]] = {}
        for job in ours:
            by_state.setdefault(job.state, []).append(job.id)
        wheres = [
            JobQuery(ids=tuple(ids), states=(state,), limit=SCAN_LIMIT) for state, ids in by_state.items()
        ]
        await self._source.change([Delete(where=where) for where in wheres])

    async def _withdraw(self, ids: Sequence[JobId]) -> None:
        """Takes copies away at the target."""
        where = JobQuery(ids=tuple(ids), states=(*HOLDABLE, State.FAILED), limit=SCAN_LIMIT)
        if ids:
            await self._target.change([Delete(where=where)])

    def _count(self, ours: Iterable[JobRecord], already: set[JobId]) -> None:
        for job in ours:
            kind = (job.queue, own_state(job))
            (self.tally.already if job.id in already else self.tally.moved)[kind] += 1


async def read(store: Store, ids: Sequence[JobId], *, full: bool = False) -> list[JobRecord]:
    """Those of up to `SCAN_LIMIT` jobs that are there."""
    query = JobQuery(ids=tuple(ids), order=Order.OLDEST, limit=SCAN_LIMIT, full=full)
    found: list[JobRecord] = []
    while ids:
        [page] = await store.scan([query])
        found += page.jobs
        if page.cursor is None:
            break
        query = msgspec.structs.replace(query, cursor=page.cursor)
    return found
