"""Suspects: jobs that were in two workers that died. One at a time, so that only the guilty are charged."""

import asyncio

from longshore.core.states import State
from longshore.core.verdict import crashed
from longshore.store.commands import SUSPECT, ClaimAsk, Lease, RecordAsk, Settlement
from longshore.worker.control import Control
from tests.pipeline.plant import turns, until


async def make_suspects(plant, *ids):
    """As if two workers had died while they ran these jobs."""
    session = "elsewhere:1:00000000"
    await plant.store.extend([Lease(session=session, lease_ms=60_000, opens=True)])
    for _ in range(2):
        [claimed] = await plant.store.claim([ClaimAsk(queue="q", count=len(ids), session=session)])
        await plant.store.settle(
            [
                Settlement(id=job.id, queue="q", session=session, fence=job.fence, verdict=crashed(0))
                for job in claimed.jobs
            ]
        )


async def test_a_suspect_is_named_beside_its_session_before_it_begins(plant):
    seen = []

    @plant.task()
    async def looks(ctx: Control):
        [records] = await plant.store.get([RecordAsk(SUSPECT, (ctx.record.session,))])
        seen.append((ctx.record.id, [record.value for record in records]))

    ids = [await plant.add("looks") for _ in range(3)]
    await make_suspects(plant, *ids)
    await plant.work(slots=4)
    assert seen == [(each, [each]) for each in ids]


async def test_behind_a_long_suspect_the_others_go_back_after_a_second(plant):
    gate, ran = asyncio.Event(), []

    @plant.task()
    async def waits(number: int):
        ran.append(number)
        await gate.wait()

    ids = [await plant.add("waits", b'{"number":%d}' % number) for number in range(3)]
    await make_suspects(plant, *ids)
    async with plant.working(slots=4) as worker:
        await until(lambda: ran == [0])
        await turns()
        plant.clock.advance(1.1)
        await until(lambda: worker.stats.settled == 2)
        states = [(await plant.job(each)).state for each in ids]
        gate.set()
    assert states == [State.RUNNING, State.SCHEDULED, State.SCHEDULED]


async def test_a_drain_hands_back_the_suspects_that_wait(plant):
    gate, ran = asyncio.Event(), []

    @plant.task()
    async def waits():
        ran.append(1)
        await gate.wait()

    ids = [await plant.add("waits") for _ in range(3)]
    await make_suspects(plant, *ids)
    worker = plant.worker(slots=4)
    running = asyncio.create_task(worker.run())
    await until(lambda: ran == [1])
    worker.drain()
    await turns()
    gate.set()
    await running
    jobs = [await plant.job(each) for each in ids]
    assert [(job.state, job.crashes) for job in jobs] == [
        (State.COMPLETED, 2),
        (State.PENDING, 2),
        (State.PENDING, 2),
    ]


async def test_all_suspects_run_in_the_end(plant):
    ran = []

    @plant.task()
    async def runs(number: int):
        ran.append(number)

    ids = [await plant.add("runs", b'{"number":%d}' % number) for number in range(3)]
    await make_suspects(plant, *ids)
    for _ in range(3):
        await plant.work()
        plant.clock.advance(1)
    assert sorted(ran) == [0, 1, 2]
