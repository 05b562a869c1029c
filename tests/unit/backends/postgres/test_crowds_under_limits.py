"""Many connections insert, claim, end and edit jobs with rules at once: no limit is passed, no key stays stuck, and
nobody waits in a circle."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from longshore.backends.postgres import pooling
from longshore.backends.postgres.store import PostgresStore
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules, UniqueKey
from longshore.core.states import LIVE, State
from longshore.core.verdict import COMPLETED, RELEASED, crashed, retry_after
from longshore.store.commands import (
    Cancel,
    Changes,
    ClaimAsk,
    Delete,
    JobQuery,
    Lease,
    MeterAsk,
    Retry,
    Settlement,
    Tune,
    Update,
)
from longshore.store.replies import Conflict, Inserted
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import Query

HANDLES = 6
TASKS = 12
QUEUES = ("mail", "scan")
KEYS = 12
LEASE_MS = 86_400_000
"""Nobody renews it: it must outlast the test on the slowest machine."""
BOUND_SECONDS = 300
VERDICTS = (COMPLETED, COMPLETED, COMPLETED, RELEASED, crashed(0), retry_after(1))


@pytest.fixture
async def stores(
    postgres: ServerLike, schema: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[PostgresStore]]:
    """Handles on the same jobs, such as processes have; a deadlock is not tried again but fails the test."""
    monkeypatch.setattr(pooling, "AGAIN", frozenset())
    handles = [PostgresStore(postgres.url, schema=schema) for _ in range(HANDLES)]
    for handle in handles:
        await handle.open()
    sessions = [Lease(session=str(task), lease_ms=LEASE_MS, opens=True) for task in range(TASKS)]
    await handles[0].extend(sessions)
    yield handles
    for handle in handles:
        await handle.close()


def limits(key: int) -> tuple[FlowKey, ...]:
    """A limit of the key's own, another that it shares with half of the others, and one that all share."""
    return (
        FlowKey("tenant", str(key), LimitKind.CONCURRENCY, 1 + key % 3),
        FlowKey("half", str(key % 2), LimitKind.CONCURRENCY, 8),
        FlowKey("all", "", LimitKind.CONCURRENCY, 12, cost=1 + key % 2),
    )


def keyed(queue: str, key: int, **words: Any) -> NewJob:
    rules = Rules(flow=limits(key), fair=FairKey(str(key)) if key % 3 else None)
    return NewJob(id=new_id(), queue=queue, name="send", payload=b"1", rules=rules, **words)


def settlement(job: JobRecord, verdict: Any = COMPLETED) -> Settlement:
    return Settlement(
        id=job.id,
        queue=job.queue,
        session=job.session or "",
        fence=job.fence,
        verdict=verdict,
        rules=job.rules,
    )


async def passed_limits(store: PostgresStore) -> list[tuple[str, FlowKey, int]]:
    """Keys of which more is used than they allow, all as of one moment."""
    used: Counter[tuple[str, FlowKey]] = Counter()
    [page] = await store.scan([JobQuery(states=(State.PENDING, State.RUNNING), limit=1000)])
    for job in page.jobs:
        for key in job.rules.flow if job.rules else ():
            used[job.queue, FlowKey(key.rule, key.key, key.kind, key.limit)] += key.cost
    return [(queue, key, count) for (queue, key), count in used.items() if count > key.limit]


async def work_off(store: PostgresStore, task: int, verdicts: Callable[[], Any]) -> None:
    """Claims and ends jobs until none waits any more."""
    while True:
        await store.promote(1000)
        claimed = await store.claim([ClaimAsk(queue, 3, str(task)) for queue in QUEUES])
        assert not any(each.session_lost for each in claimed)
        jobs = [job for each in claimed for job in each.jobs]
        if jobs:
            await store.settle([settlement(job, verdicts()) for job in jobs])
            continue
        counts = await store.count(QUEUES)
        if not any(each.states[state] for each in counts for state in LIVE):
            return


async def until_done(worker: Coroutine[Any, Any, Any], look: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Looks again and again while the worker works."""
    working = asyncio.ensure_future(worker)
    while not working.done():
        await look()
    await working


async def test_no_sample_is_over_a_limit_and_no_key_stays_stuck(stores: list[PostgresStore]) -> None:
    """B.6"""
    dice = random.Random(7)

    async def fill(task: int) -> None:
        for _ in range(3):
            jobs = [
                keyed(
                    dice.choice(QUEUES),
                    dice.randrange(KEYS),
                    priority=dice.randrange(3),
                    delay_ms=dice.randrange(2),
                )
                for _ in range(8)
            ]
            await stores[task % HANDLES].insert(jobs)

    async def look() -> None:
        assert await passed_limits(stores[0]) == []

    async def work() -> None:
        await asyncio.gather(*(fill(task) for task in range(TASKS)))
        await asyncio.gather(
            *(work_off(stores[task % HANDLES], task, lambda: dice.choice(VERDICTS)) for task in range(TASKS))
        )

    await until_done(work(), look)
    for readings in await stores[0].gauge([MeterAsk(queue) for queue in QUEUES]):
        assert readings == []


async def test_edits_of_held_and_pending_jobs_among_claims_leak_no_room(stores: list[PostgresStore]) -> None:
    """B.6"""
    dice = random.Random(11)

    async def meddle(task: int) -> None:
        where = JobQuery(queues=QUEUES, limit=15)
        for _ in range(6):
            edits = [
                Cancel(where=where),
                Retry(where=where),
                Update(where=where, changes=Changes(priority=dice.randrange(3))),
                Update(where=where, changes=Changes(run_ms=dice.choice((1, 4_000_000_000_000)))),
                Delete(where=JobQuery(queues=QUEUES, limit=2, states=(State.HELD,))),
            ]
            await stores[task % HANDLES].change([dice.choice(edits)])
            await stores[task % HANDLES].insert(
                [keyed(dice.choice(QUEUES), dice.randrange(KEYS)) for _ in range(5)]
            )
            if task == 0:
                await stores[0].tune(
                    [Tune("mail", FlowKey("half", "", LimitKind.CONCURRENCY, dice.randrange(5, 9)))]
                )

    async def claim(task: int) -> None:
        for _ in range(12):
            claimed = await stores[task % HANDLES].claim([ClaimAsk(queue, 3, str(task)) for queue in QUEUES])
            jobs = [job for each in claimed for job in each.jobs]
            await stores[task % HANDLES].settle([settlement(job, dice.choice(VERDICTS)) for job in jobs])

    async def look() -> None:
        assert await passed_limits(stores[0]) == []

    await until_done(asyncio.wait_for(_both(meddle, claim), BOUND_SECONDS), look)
    put_off = JobQuery(
        states=(State.SCHEDULED, State.RETRYING), limit=1000
    )  # a retrying job that is put off stays so
    await stores[0].change([Update(where=put_off, changes=Changes(run_ms=1))])
    async with asyncio.timeout(BOUND_SECONDS):
        await asyncio.gather(
            *(work_off(stores[task % HANDLES], task, lambda: COMPLETED) for task in range(4))
        )
    for readings in await stores[0].gauge([MeterAsk(queue) for queue in QUEUES]):
        assert readings == []


async def _both(*kinds: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*(kind(task) for kind in kinds for task in range(8)))


async def test_claims_of_a_rate_spend_no_more_than_it_gives(
    stores: list[PostgresStore], query: Query
) -> None:
    """S3.6 B.6"""
    bucket = FlowKey("rate", "", LimitKind.BUCKET, 200, 1000, 20)
    [(begin,)] = await query("SELECT extract(epoch FROM clock_timestamp()) * 1000")
    jobs = [
        NewJob(id=new_id(), queue="mail", name="send", payload=b"1", rules=Rules(flow=(bucket,)))
        for _ in range(100)
    ]
    await stores[0].insert(jobs)
    await asyncio.gather(
        *(work_off(stores[task % HANDLES], task, lambda: COMPLETED) for task in range(TASKS))
    )
    [page] = await stores[0].scan([JobQuery(limit=1000)])
    starts = sorted(job.started_ms - int(begin) for job in page.jobs if job.started_ms)
    assert len(starts) == 100
    for first, start in enumerate(starts):
        for count, later in enumerate(starts[first:], start=1):
            assert count <= 20 + (later - start + 1) / 5 + 1e-6


async def test_racing_inserts_with_one_unique_key_store_one_job(stores: list[PostgresStore]) -> None:
    """B.5"""
    unique = UniqueKey(b"invoice 7", tuple(LIVE))

    def job() -> NewJob:
        return NewJob(id=new_id(), queue="mail", name="send", payload=b"1", rules=Rules(unique=unique))

    for _ in range(3):
        replies = await asyncio.gather(*(stores[n % HANDLES].insert([job(), job()]) for n in range(64)))
        flat = [reply for each in replies for reply in each]
        assert flat.count(Inserted.CREATED) == 1
        assert len({reply.id for reply in flat if isinstance(reply, Conflict)}) == 1
        [claimed] = await stores[0].claim([ClaimAsk("mail", 5, "0")])
        await stores[0].settle([settlement(job) for job in claimed.jobs])


async def test_racing_inserts_with_many_unique_keys_in_any_order_wait_in_no_circle(
    stores: list[PostgresStore],
) -> None:
    """B.5"""
    dice = random.Random(3)

    def jobs() -> list[NewJob]:
        return [
            NewJob(
                id=new_id(),
                queue="mail",
                name="send",
                payload=b"1",
                rules=Rules(
                    unique=UniqueKey(str(n).encode(), tuple(LIVE)), flow=limits(n % KEYS) if n % 2 else ()
                ),
            )
            for n in dice.sample(range(60), 40)
        ]

    replies = await asyncio.gather(*(stores[n % HANDLES].insert(jobs()) for n in range(24)))
    flat = [reply for each in replies for reply in each]
    assert flat.count(Inserted.CREATED) == 60


async def test_racing_inserts_into_a_queue_with_room_fill_it_and_no_more(stores: list[PostgresStore]) -> None:
    """S0.8"""

    def jobs() -> list[NewJob]:
        return [
            NewJob(id=new_id(), queue="mail", name="send", payload=b"1", delay_ms=n, rules=Rules(room=100))
            for n in range(4)
        ]

    replies = await asyncio.gather(*(stores[n % HANDLES].insert(jobs()) for n in range(64)))
    flat = [reply for each in replies for reply in each]
    assert flat.count(Inserted.CREATED) == 100
    assert flat.count(Inserted.FULL) == 156
