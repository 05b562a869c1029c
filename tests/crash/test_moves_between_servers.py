"""`longshore move` between real servers: killed at its calls, with workers on both sides, every job runs once."""

import asyncio
from collections import Counter
from itertools import count

import pytest

from longshore import QueueManager
from longshore.backends import open_store
from longshore.core.clock import SystemClock
from longshore.core.states import State
from longshore.moving.journal import KIND, LOCK
from longshore.moving.mover import Mover, Plan
from longshore.store.commands import Put
from servers import running
from tests.conformance import on_servers
from tests.unit.moving.yard import HOUR_MS, Hand, Killed, Yard

PAIRS = [
    ("sqlite", "postgres"),
    ("postgres", "redis"),
    ("redis", "sqlite"),
    ("sqlite", "cluster"),
    ("cluster", "postgres"),
]
QUEUES = ("mail", "video")
STEP = 6
"""Every sixth call is one of death; tests/unit/moving takes each of them, in memory."""


@pytest.fixture
async def make_yard(tmp_path):
    numbers = count()
    kinds = {
        "sqlite": lambda place: open_store(f"sqlite:///{place}.db"),
        "postgres": lambda place: on_servers.postgres_store(running.postgres_majors()[-1], place),
        "redis": lambda place: on_servers.redis_store(running.newest("redis"), place),
        "cluster": on_servers.cluster_store,
    }
    yards = []

    async def make(source, target):
        places = [tmp_path / f"{tmp_path.name}_{next(numbers)}" for _ in range(2)]
        stores = [kinds[kind](place) for kind, place in zip((source, target), places, strict=True)]
        yards.append(await Yard(*stores, clock=SystemClock()).open())
        return yards[-1]

    yield make
    for yard in yards:
        await yard.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_everything_goes_over_as_it_is(make_yard, source, target):
    yard = await make_yard(source, target)
    wanted, completed = await yard.one_of_each()
    before = await yard.jobs(yard.source)
    moved = await yard.mover(history=True).run()
    after = await yard.jobs(yard.target)
    assert await yard.states(yard.target) == {**wanted, completed: State.COMPLETED}
    assert not await yard.jobs(yard.source)
    for job_id, job in after.items():
        job.updated_ms = before[job_id].updated_ms
    assert after == before
    assert (moved.remaining, moved.vanished) == (0, 0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_a_move_killed_at_its_calls_runs_every_job_once(make_yard, source, target):
    kills = 0
    for kill_at in count(3, STEP):
        yard = await make_yard(source, target)
        ids = [*await yard.add(3), *await yard.add(2, queue="video")]
        [later] = await yard.add(delay_ms=HOUR_MS)

        async def work(yard=yard):
            await yard.work(yard.target, QUEUES)

        try:
            await yard.mover(Hand(kill_at, after=kill_at % 2 == 0, watch=work)).run()
        except Killed:
            kills += 1
        else:
            break
        await yard.source.put([Put(kind=KIND, key=LOCK, value=None)])  # as if its time were over
        await yard.work(yard.source, QUEUES)
        moved = await yard.mover(Hand(watch=work)).run()
        assert moved.remaining == 0, kill_at
        assert {job_id: yard.runs[job_id] for job_id in ids} == dict.fromkeys(ids, 1), kill_at
        assert not await yard.jobs(yard.source), kill_at
        assert await yard.states(yard.target) == {later: State.SCHEDULED}, kill_at
    assert kills >= 5


@pytest.mark.timeout(120)
async def test_a_queue_moves_while_workers_run_it_on_both_sides_and_producers_add_to_it(tmp_path):
    places = tmp_path / f"{tmp_path.name}_a", tmp_path / f"{tmp_path.name}_b"
    urls = (
        f"sqlite:///{places[0]}.db",
        f"{running.postgres(running.postgres_majors()[-1]).url}?schema={running.name_for(places[1])}",
    )
    ran: Counter[int] = Counter()
    where: Counter[str] = Counter()
    done = asyncio.Event()

    def shop(url):
        manager = QueueManager(url, concurrency=5)

        @manager.queue("mail").task
        async def send(number: int) -> None:
            ran[number] += 1
            where[url] += 1
            if len(ran) == 1500:
                done.set()

        return manager, send

    (old, send), (new, _) = map(shop, urls)
    async with old, new:
        await send.options(delay=3600).enqueue_many([(number,) for number in range(2000, 2100)])
        await send.enqueue_many([(number,) for number in range(500)])
        await old.start_workers()
        await new.start_workers()

        async def produce():
            for start in range(500, 1500, 100):
                await send.enqueue_many([(number,) for number in range(start, start + 100)])

        stores = [await manager.store() for manager in (old, new)]
        mover = Mover(*stores, Plan(wait_seconds=60), SystemClock())
        moved, _ = await asyncio.gather(mover.run(), produce())
        if moved.remaining:  # the last were added when the move had looked for the last time
            moved = await Mover(*stores, Plan(wait_seconds=60), SystemClock()).run()
        assert moved.remaining == 0
        await done.wait()
    assert ran == dict.fromkeys(range(1500), 1)
    assert where[urls[1]] > 0
