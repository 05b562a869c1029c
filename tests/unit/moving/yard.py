"""This module has two stores between which jobs are moved, workers on both, and a way to kill the mover anywhere."""

from collections import Counter

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.core.verdict import BURIED, COMPLETED, retry_after
from longshore.moving.mover import Mover, Plan
from longshore.store.commands import ClaimAsk, JobQuery, Lease, Order, Settlement

HOUR_MS = 3_600_000
CALLS = ("insert", "adopt", "claim", "settle", "change", "extend", "promote", "scan", "count", "put", "get")


class Killed(BaseException):
    """What SIGKILL is to a process: nothing after it runs."""


class Deadly:
    """A store whose caller dies before or after the call of that number; a hook looks on after each call."""

    def __init__(self, store, hand):
        self._store, self._hand = store, hand

    def __getattr__(self, name):
        found = getattr(self._store, name)
        if name not in CALLS:
            return found

        async def call(*args, **kwargs):
            return await self._hand.call(found, args, kwargs)

        return call


class Hand:
    """Counts the calls to both stores, and kills at one of them."""

    def __init__(self, kill_at=None, *, after=False, watch=None):
        self.kill_at, self.after, self.watch = kill_at, after, watch
        self.calls = 0

    async def call(self, verb, args, kwargs):
        self.calls += 1
        dies = self.calls == self.kill_at
        if (dies and not self.after) or (self.kill_at is not None and self.calls > self.kill_at):
            raise Killed  # a dead process tidies nothing up
        reply = await verb(*args, **kwargs)
        if self.watch is not None:
            await self.watch()
        if dies:
            raise Killed
        return reply


class Yard:
    """The stores `source` and `target`, on one clock, and who ran which job where."""

    def __init__(self, source=None, target=None, clock=None):
        self.clock = clock or ManualClock()
        self.source = source or MemoryStore(self.clock, name=new_id().hex())
        self.target = target or MemoryStore(self.clock, name=new_id().hex())
        self.runs = Counter()

    async def open(self):
        await self.source.open()
        await self.target.open()
        return self

    async def close(self):
        await self.source.close()
        await self.target.close()

    async def add(self, count=1, queue="mail", store=None, **fields):
        jobs = [NewJob(id=new_id(), queue=queue, name="send", payload=b"{}", **fields) for _ in range(count)]
        await (store or self.source).insert(jobs)
        return [job.id for job in jobs]

    async def claim(self, store, queue="mail", count=1000, session="w", job_id=None):
        await store.extend([Lease(session=session, lease_ms=HOUR_MS, queues=(queue,), opens=True)])
        [claimed] = await store.claim([ClaimAsk(queue, count, session, job_id)])
        return claimed.jobs

    async def settle(self, store, jobs, verdict=COMPLETED, *, keep=True):
        ends = [
            Settlement(
                id=job.id,
                queue=job.queue,
                session=job.session,
                fence=job.fence,
                verdict=verdict,
                error=None if verdict is COMPLETED else b"{}",
                error_text=None if verdict is COMPLETED else "Boom: no",
                keep=keep,
            )
            for job in jobs
        ]
        await store.settle(ends)

    async def work(self, store, queues=("mail",)):
        """Runs whatever can be run there now, and forgets it at once."""
        for queue in queues:
            jobs = await self.claim(store, queue)
            self.runs.update(job.id for job in jobs)
            await self.settle(store, jobs, keep=False)

    async def one_of_each(self):
        """A waiting job in each state, one that was handed back, a dead letter and a completed job."""
        pending = await self.add(3)
        [scheduled] = await self.add(delay_ms=HOUR_MS)
        made = await self.add(3, priority=1)
        failed, retrying, completed = await self.claim(self.source, count=3)
        await self.settle(self.source, [failed], BURIED)
        await self.settle(self.source, [retrying], retry_after(HOUR_MS))
        await self.settle(self.source, [completed])
        assert {failed.id, retrying.id, completed.id} == set(made)
        return {
            **dict.fromkeys(pending, State.PENDING),
            scheduled: State.SCHEDULED,
            retrying.id: State.RETRYING,
            failed.id: State.FAILED,
        }, completed.id

    def mover(self, hand=None, **plan):
        source, target = self.source, self.target
        if hand is not None:
            source, target = Deadly(source, hand), Deadly(target, hand)
        return Mover(source, target, Plan(**{"wait_seconds": 0, **plan}), self.clock, lock_seconds=5)

    async def jobs(self, store, **query):
        found, cursor = {}, ""
        while cursor is not None:
            where = JobQuery(order=Order.OLDEST, limit=1000, full=True, cursor=cursor or None, **query)
            [page] = await store.scan([where])
            found |= {job.id: job for job in page.jobs}
            cursor = page.cursor
        return found

    async def states(self, store):
        return {job_id: job.state for job_id, job in (await self.jobs(store)).items()}
