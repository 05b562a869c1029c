"""Suspects: jobs that were in two workers that died. One at a time and alone, so that only the guilty are charged."""

import asyncio
from contextlib import asynccontextmanager

from longshore.core.states import State
from longshore.core.verdict import crashed
from longshore.engine.suspicion import Suspicion, read, write
from longshore.flow.pausing import pause, resume
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
    assert seen == [(each, [write(Suspicion(each, is_alone=True))]) for each in ids]


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


@asynccontextmanager
async def a_job_and_then_a_suspect(plant):
    """A worker that runs a job, and then claims a suspect; gives what begins, and what lets each of them end."""
    began, gates = [], {"other": asyncio.Event(), "suspect": asyncio.Event()}

    @plant.task(queue="a")
    async def other():
        began.append("other")
        await gates["other"].wait()

    @plant.task()
    async def suspect():
        began.append("suspect")
        await gates["suspect"].wait()

    job_id = await plant.add("suspect")
    await make_suspects(plant, job_id)
    await pause(plant.store, ["q"], plant.clock)
    await plant.add("other", queue="a")
    async with plant.working("a", "q", slots=4):
        await until(lambda: began == ["other"])
        await resume(plant.store, ["q"])
        await until_claimed(plant, job_id)
        yield began, gates, job_id
        for gate in gates.values():
            gate.set()


async def until_claimed(plant, job_id):
    while (await plant.job(job_id)).state is not State.RUNNING:
        await turns(1)
    await turns()


async def test_a_suspect_begins_when_the_others_have_ended_and_others_when_it_has(plant):
    async with a_job_and_then_a_suspect(plant) as (began, gates, _):
        assert began == ["other"]
        await plant.add("other", queue="a")
        gates["other"].set()
        await until(lambda: began == ["other", "suspect"])
        await turns()
        assert began == ["other", "suspect"]
        gates["suspect"].set()
        await until(lambda: began == ["other", "suspect", "other"])


async def test_a_suspect_goes_back_when_the_others_run_long(plant):
    async with a_job_and_then_a_suspect(plant) as (began, _, job_id):
        plant.clock.advance(1.1)
        while (await plant.job(job_id)).state is not State.SCHEDULED:
            await turns(1)
        await plant.add("other", queue="a")
        await until(lambda: began == ["other", "other"])


async def test_a_suspect_that_went_back_four_times_begins_in_company(plant):
    plant.use_upkeep()
    async with a_job_and_then_a_suspect(plant) as (began, _, job_id):
        for returns in range(1, 5):
            plant.clock.advance(1.1)
            while (await plant.job(job_id)).releases < returns:
                await turns(1)
            plant.clock.advance(8.1)
            await until_claimed(plant, job_id)
        assert began == ["other"]
        plant.clock.advance(1.1)
        await until(lambda: began == ["other", "suspect"])
        assert [each.is_alone for each in await suspicions(plant)] == [False]


async def test_a_suspect_that_runs_long_gets_company_and_is_named_so(plant):
    gate, ran = asyncio.Event(), []

    @plant.task()
    async def waits(number: int):
        ran.append(number)
        await gate.wait()

    suspect = await plant.add("waits", b'{"number":0}')
    await make_suspects(plant, suspect)
    async with plant.working(slots=4):
        await until(lambda: ran == [0])
        await plant.add("waits", b'{"number":1}')
        await turns()
        assert ran == [0]
        assert [each.is_alone for each in await suspicions(plant)] == [True]
        plant.clock.advance(1.1)
        await until(lambda: ran == [0, 1])
        assert [each.is_alone for each in await suspicions(plant)] == [False]
        gate.set()


async def suspicions(plant):
    [records] = await plant.store.get([RecordAsk(SUSPECT)])
    return [read(record.value) for record in records]
