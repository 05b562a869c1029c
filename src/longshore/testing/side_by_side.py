"""This module runs a store and the oracle side by side and compares whatever they say.

After each verb it also checks, from the store's answers alone, what must hold whatever the oracle thinks: legal moves,
frozen ends, fences that only grow, counts that equal a recount. Errors that both share are found so.
"""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State, is_legal
from longshore.store.commands import (
    ClaimAsk,
    Edit,
    JobQuery,
    Lease,
    MeterAsk,
    Order,
    Put,
    RecordAsk,
    Retry,
    Settlement,
    Tune,
)
from longshore.store.contract import Store
from longshore.store.replies import (
    Changed,
    Claimed,
    Extended,
    Inserted,
    Insertion,
    MeterReading,
    Promoted,
    QueueCounts,
    Record,
    Settled,
    Stored,
)
from longshore.testing.meter_checks import check_meters
from longshore.testing.model import Model

Reply = TypeVar("Reply")

Trace = list[tuple[str, str]]
"""The verbs of a walk, each with a digest of the store's reply."""
START_MS = 1_700_000_000_000
HISTORY_MINUTES = 3
EVERYTHING = JobQuery(order=Order.OLDEST, limit=1000, full=True)


class SideBySide:
    """A store with the oracle beside it. Synchronous: it drives an event loop of its own.

    `record_kinds` are those whose records are compared. `trace` tells what happened so far: two stores that were taken
    on the same walk have the same one. `is_sound` says whether nothing was found yet.
    """

    def __init__(self, store: Store, record_kinds: Sequence[str]) -> None:
        self.store, self.model = store, Model()
        self.now_ms = START_MS
        self.is_sound = True
        self.trace: Trace = []
        self._record_asks = [RecordAsk(kind) for kind in record_kinds]
        self._runner = asyncio.Runner()
        self._seen: dict[bytes, JobRecord] = {}
        self._runner.run(store.open())

    def close(self) -> None:
        """Closes the store and the loop."""
        self._runner.run(self.store.close())
        self._runner.close()

    def insert(self, jobs: Sequence[NewJob]) -> list[Insertion]:
        """In both."""
        got = list(self._runner.run(self.store.insert(jobs, now_ms=self.now_ms)))
        return self._same("insert", got, self.model.insert(jobs, self.now_ms))

    def adopt(self, jobs: Sequence[JobRecord]) -> list[Inserted]:
        """In both."""
        got = self._runner.run(self.store.adopt(jobs, now_ms=self.now_ms))
        return self._same("adopt", got, self.model.adopt(jobs, self.now_ms))

    def claim(self, asks: Sequence[ClaimAsk]) -> list[Claimed]:
        """In both."""
        got = self._runner.run(self.store.claim(asks, now_ms=self.now_ms))
        return self._same("claim", got, self.model.claim(asks, self.now_ms))

    def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """In both."""
        got = self._runner.run(self.store.settle(settlements, now_ms=self.now_ms))
        return self._same("settle", got, self.model.settle(settlements, self.now_ms))

    def change(self, edit: Edit) -> Changed:
        """In both. The order of ids is compared in `scan`, so not here."""
        [got] = self._runner.run(self.store.change([edit], now_ms=self.now_ms))
        [expected] = self.model.change([edit], self.now_ms)
        verb = "retry" if isinstance(edit, Retry) else "change"
        return self._same(verb, _sorted_ids(got), _sorted_ids(expected))

    def extend(self, leases: Sequence[Lease]) -> list[Extended]:
        """In both."""
        got = self._runner.run(self.store.extend(leases, now_ms=self.now_ms))
        sorted_got = [Extended(reply.held, tuple(sorted(reply.cancel))) for reply in got]
        return self._same("extend", sorted_got, self.model.extend(leases, self.now_ms))

    def promote(self, limit: int) -> Promoted:
        """In both."""
        got = self._runner.run(self.store.promote(limit, now_ms=self.now_ms))
        sorted_got = msgspec.structs.replace(got, queues=tuple(sorted(got.queues)))
        return self._same("promote", sorted_got, self.model.promote(limit, self.now_ms))

    def put(self, put: Put) -> Stored:
        """In both."""
        got = self._runner.run(self.store.put([put], now_ms=self.now_ms))
        return self._same("put", got, [self.model.aside.put(put, self.now_ms)])[0]

    def get(self, ask: RecordAsk) -> list[Record]:
        """In both."""
        got = self._runner.run(self.store.get([ask], now_ms=self.now_ms))
        return self._same("get", got, [self.model.aside.get(ask, self.now_ms)])[0]

    def tune(self, tune: Tune) -> int:
        """In both."""
        got = self._runner.run(self.store.tune([tune], now_ms=self.now_ms))
        return self._same("tune", got, [self.model.tune(tune, self.now_ms)])[0]

    def scan(self, query: JobQuery) -> list[JobRecord]:
        """All pages, in both. Jobs that ended in the same millisecond may stand in any order."""
        got = self._pages(query)
        if query.order is Order.FINISHED:
            times = [job.finished_ms or 0 for job in got]
            assert times == sorted(times, reverse=True), _difference("the order", got, times)
            got = sorted(got, key=lambda job: (job.finished_ms, job.id), reverse=True)
        return self._same("scan", got, self.model.scan(query, self.now_ms))

    @property
    def has_ties(self) -> bool:
        """Whether some jobs ended in the same millisecond: "all but the newest three" may then be any three."""
        times = [job.finished_ms for job in self.model.jobs() if job.finished_ms is not None]
        return len(set(times)) < len(times)

    def _pages(self, query: JobQuery) -> list[JobRecord]:
        found: list[JobRecord] = []
        while True:
            [page] = self._runner.run(self.store.scan([query], now_ms=self.now_ms))
            assert len(page.jobs) <= query.limit, "a page is larger than its limit"
            found += page.jobs
            if page.cursor is None:
                return found
            query = msgspec.structs.replace(query, cursor=page.cursor)

    def _same(self, verb: str, got: Reply, expected: Reply) -> Reply:
        self.is_sound = False
        assert got == expected, _difference(verb, got, expected)
        self.trace.append((verb, blake2b(msgspec.msgpack.encode(got), digest_size=8).hexdigest()))
        if verb not in {"scan", "get"}:
            self._look_around(verb)
        self.is_sound = True
        return got

    def _look_around(self, verb: str) -> None:
        """Compares everything that can be seen."""
        jobs, counts, records, meters = self._runner.run(self._everything())
        expected = self.model.scan(EVERYTHING, self.now_ms)
        assert jobs == expected, _difference(f"the jobs after {verb}", jobs, expected)
        self._check_moves(verb, jobs)
        self._check_counts(verb, counts, jobs)
        kept = [self.model.aside.get(ask, self.now_ms) for ask in self._record_asks]
        assert records == kept, _difference(f"the records after {verb}", records, kept)
        gauged = [self.model.gauge(MeterAsk(one.queue), self.now_ms) for one in counts]
        assert meters == gauged, _difference(f"the meters after {verb}", meters, gauged)
        for one, readings in zip(counts, meters, strict=True):
            check_meters(verb, readings, [job for job in jobs if job.queue == one.queue])

    async def _everything(
        self,
    ) -> tuple[list[JobRecord], list[QueueCounts], list[list[Record]], list[list[MeterReading]]]:
        [page] = await self.store.scan([EVERYTHING], now_ms=self.now_ms)
        counts = await self.store.count(None, minutes=HISTORY_MINUTES, now_ms=self.now_ms)
        records = await self.store.get(self._record_asks, now_ms=self.now_ms)
        meters = await self.store.gauge([MeterAsk(one.queue) for one in counts], now_ms=self.now_ms)
        return page.jobs, counts, records, meters

    def _check_moves(self, verb: str, jobs: list[JobRecord]) -> None:
        for job in jobs:
            before = self._seen.get(job.id)
            if before is None and verb == "adopt":
                continue
            if before is None:
                assert _may_become(None, job), f"{verb} began a job as {job.state}"
                continue
            assert before.state is job.state or _may_become(before.state, job), (
                f"{verb} moved a job from {before.state} to {job.state}"
            )
            is_frozen = before.state.is_terminal and verb != "retry"
            assert not is_frozen or before == job, _difference(
                f"a job that was over, after {verb}", job, before
            )
            assert job.fence == before.fence + (verb == "claim" and job.state is not before.state), (
                f"{verb} moved a fence from {before.fence} to {job.fence}"
            )
        lost = self._seen.keys() - {job.id for job in jobs}
        may_go = {"change", "settle"}  # a deletion, and keep=False
        assert not lost or verb in may_go, f"{verb} lost {len(lost)} jobs"
        self._seen = {job.id: msgspec.structs.replace(job) for job in jobs}

    def _check_counts(self, verb: str, counts: list[QueueCounts], jobs: list[JobRecord]) -> None:
        expected = self.model.count(None, HISTORY_MINUTES, self.now_ms)
        assert counts == expected, _difference(f"the counts after {verb}", counts, expected)
        for queue in counts:
            recount = dict.fromkeys(State, 0)
            for job in jobs:
                recount[job.state] += job.queue == queue.queue
            assert queue.states == recount, _difference(f"a recount after {verb}", queue.states, recount)


def _may_become(before: State | None, job: JobRecord) -> bool:
    """In one verb; a job with edges may be blocked in between, for as long as its parents are looked at."""
    is_legal_by_way = (
        job.edges is not None and is_legal(before, State.BLOCKED) and is_legal(State.BLOCKED, job.state)
    )
    return is_legal(before, job.state) or is_legal_by_way


def _sorted_ids(changed: Changed) -> Changed:
    return Changed(tuple(sorted(changed.ids)), tuple(sorted(changed.asked)), changed.more)


def _difference(what: str, got: Any, expected: Any) -> str:
    return f"{what}: the store says\n  {got}\nand should say\n  {expected}"
