"""Suspects: jobs that were running when a worker died. One at a time, so that only the guilty are charged."""

from longshore.core.states import State
from longshore.core.verdict import crashed
from longshore.store.commands import ClaimAsk, Lease, Settlement
from tests.pipeline.plant import until


async def crash_once(plant, *ids):
    """As if a worker had died while it ran these jobs."""
    session = "elsewhere:1:00000000"
    await plant.store.extend([Lease(session=session, lease_ms=60_000, opens=True)])
    [claimed] = await plant.store.claim([ClaimAsk(queue="q", count=len(ids), session=session)])
    await plant.store.settle(
        [
            Settlement(id=job.id, queue="q", session=session, fence=job.fence, verdict=crashed(0))
            for job in claimed.jobs
        ]
    )


async def test_no_job_begins_before_the_other_suspects_are_out_of_the_worker(plant):
    seen = []

    @plant.task()
    async def looks():
        seen.append([(await plant.job(each)).state for each in ids])

    ids = [await plant.add("looks") for _ in range(4)]
    await crash_once(plant, *ids[:3])
    async with plant.working(slots=4):
        await until(lambda: len(seen) == 2)
    for states in seen:
        assert states.count(State.SCHEDULED) == 2


async def test_all_suspects_run_in_the_end(plant):
    ran = []

    @plant.task()
    async def runs(number: int):
        ran.append(number)

    ids = [await plant.add("runs", b'{"number":%d}' % number) for number in range(3)]
    await crash_once(plant, *ids)
    for _ in range(3):
        await plant.work()
        plant.clock.advance(1)
    assert sorted(ran) == [0, 1, 2]
