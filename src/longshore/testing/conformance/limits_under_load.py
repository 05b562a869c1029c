"""This module tests limits while many handles work at once: nobody gets above a limit, and nobody is forgotten.

Time is the store's own here, as it is for real workers.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

import pytest

from longshore.core.clock import SystemClock
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.core.states import LIVE, State
from longshore.core.verdict import COMPLETED, RELEASED, Verdict, crashed, retry_after
from longshore.store.commands import (
    Cancel,
    Changes,
    ClaimAsk,
    Delete,
    JobQuery,
    Lease,
    MeterAsk,
    Retry,
    Tune,
    Update,
)
from longshore.store.contract import Store
from longshore.testing.conformance.handles import StoreUnderTest
from longshore.testing.conformance.jobs import QUEUE, new_job, only, settlement
from longshore.testing.conformance.limits import at_once, under
from longshore.testing.meter_checks import check_meters

LEASE_MS = 600_000
PAUSE_SECONDS = 0.01
FAST = FlowKey("rate", "", LimitKind.BUCKET, 2000, 1000, burst=20)


class Watch:
    """Counts what runs by key, from what claims have told and before a settlement is sent: never more than is true."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running: Counter[str] = Counter()

    def begin(self, jobs: Iterable[JobRecord]) -> None:
        """Jobs were claimed. Raises AssertionError where so many must not run."""
        for key in _slots(jobs):
            self._running[key] += 1
            assert self._running[key] <= self._most, f"{self._running[key]} jobs run under {key}"

    def end(self, jobs: Iterable[JobRecord]) -> None:
        """They are about to be settled."""
        self._running.subtract(_slots(jobs))


def _slots(jobs: Iterable[JobRecord]) -> list[str]:
    return [
        key.meter for job in jobs if job.rules is not None for key in job.rules.flow if key.rule == "slots"
    ]


async def open_session(store: Store, session: str) -> None:
    """A session that outlasts the test."""
    await store.extend([Lease(session=session, lease_ms=LEASE_MS, queues=(QUEUE,), opens=True)])


async def work(store: Store, session: str, watch: Watch) -> None:
    """Promotes, claims and settles until every job is over."""
    await open_session(store, session)
    while await are_left(store):
        await store.promote(100)
        [claimed] = await store.claim([ClaimAsk(QUEUE, 3, session)])
        if not claimed.jobs:
            await SystemClock().sleep(PAUSE_SECONDS)
        watch.begin(claimed.jobs)
        for job in reversed(claimed.jobs):
            watch.end([job])
            await store.settle([settlement(job, verdict_for(job), rules=job.rules)])


def verdict_for(job: JobRecord) -> Verdict:
    """At first some crash, some are released and some wait."""
    turns = (crashed(0), RELEASED, retry_after(5))
    return turns[job.id[-1] % 5] if job.fence == 1 and job.id[-1] % 5 < len(turns) else COMPLETED


async def are_left(store: Store) -> bool:
    """Whether a job is not over."""
    [counts] = await store.count([QUEUE])
    return any(counts.states[state] for state in LIVE)


async def disturb(store: Store, jobs: list[NewJob], limit: FlowKey) -> None:
    """What people do meanwhile: cancel, bring back, put off, hurry and forget jobs, and change the limit."""
    for number, job in enumerate(jobs):
        where = only(job.id)
        match number % 5:
            case 0:
                await store.change([Cancel(where=where)])
            case 1:
                await store.change([Update(where=where, changes=Changes(priority=1))])
            case 2:
                await store.change([Cancel(where=where), Retry(where=where)])
            case 3:
                await store.change([Delete(where=where)])
            case _:
                await store.tune([Tune(QUEUE, limit)])


async def assert_all_is_given_back(store: Store) -> None:
    """Nothing is held or used any more."""
    [readings] = await store.gauge([MeterAsk(QUEUE)])
    assert [reading for reading in readings if reading.used or reading.held] == []
    [page] = await store.scan([JobQuery(states=tuple(LIVE))])
    assert page.jobs == []


@pytest.mark.parametrize("handles", [2, 5])
async def test_workers_in_a_rush_keep_to_every_limit_and_get_everything_done(
    kit: StoreUnderTest, handles: int
) -> None:
    rules = [
        under(at_once(2, "a")),
        under(at_once(1, "b"), at_once(3, rule="wide")),
        under(at_once(3, rule="wide"), at_once(2, "a")),
        under(FAST, at_once(2, "c")),
        Rules(flow=(FAST,)),
        None,
    ]
    jobs = [new_job(rules=rules[number % len(rules)]) for number in range(90)]
    stores = [kit.store, *[await kit.another() for _ in range(handles - 1)]]
    async with asyncio.TaskGroup() as group:
        for store, part in zip(stores, (jobs[each::handles] for each in range(handles)), strict=True):
            group.create_task(insert_in_pieces(store, part))
    watch = Watch(2)
    async with asyncio.TaskGroup() as group:
        for number, store in enumerate(stores):
            group.create_task(work(store, f"worker-{number}", watch))
    await assert_all_is_given_back(kit.store)
    [counts] = await kit.store.count([QUEUE])
    assert counts.states[State.COMPLETED] == len(jobs)


async def insert_in_pieces(store: Store, jobs: list[NewJob]) -> None:
    """Inserts jobs, a few at a time."""
    for first in range(0, len(jobs), 5):
        await store.insert(jobs[first : first + 5])


async def test_edits_in_a_rush_lose_no_room(kit: StoreUnderTest) -> None:
    jobs = [new_job(rules=under(at_once(2, "ab"[number % 2]))) for number in range(60)]
    await kit.store.insert(jobs)
    other, third = await kit.another(), await kit.another()
    watch = Watch(3)
    async with asyncio.TaskGroup() as group:
        group.create_task(work(kit.store, "worker-1", watch))
        group.create_task(work(other, "worker-2", watch))
        group.create_task(disturb(third, jobs[5:35], at_once(3)))
        group.create_task(disturb(other, jobs[::-1][5:35], at_once(1)))
    await work(kit.store, "worker-3", watch)
    await assert_all_is_given_back(kit.store)


async def test_while_jobs_come_and_go_the_meters_tell_what_is_true(kit: StoreUnderTest) -> None:
    stores = [kit.store, await kit.another()]
    jobs = [
        new_job(rules=under(at_once(2, "ab"[number % 2]), at_once(3, rule="wide"))) for number in range(40)
    ]
    await open_session(kit.store, "worker-1")
    for _ in range(4):
        async with asyncio.TaskGroup() as group:
            for store in stores:
                group.create_task(insert_in_pieces(store, jobs))
            claims = [group.create_task(store.claim([ClaimAsk(QUEUE, 2, "worker-1")])) for store in stores]
            group.create_task(kit.store.change([Cancel(where=JobQuery(states=(State.HELD,), limit=3))]))
        running = [job for claim in claims for claimed in claim.result() for job in claimed.jobs]
        [page] = await kit.store.scan([JobQuery(limit=1000)])
        [readings] = await kit.store.gauge([MeterAsk(QUEUE)])
        check_meters("a rush", readings, page.jobs)
        await stores[1].settle([settlement(job, rules=job.rules) for job in running])
