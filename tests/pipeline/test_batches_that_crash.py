"""A batch that takes its worker down: halves, until the guilty job stands alone."""

import asyncio

from longshore.batch.halving import Begun, announcement, halved, read_half
from longshore.core.ids import new_id
from longshore.core.states import State
from longshore.store.commands import HALVED, ClaimAsk, Lease, RecordAsk
from tests.pipeline.plant import until
from tests.pipeline.test_batches import add, batch_task


async def test_of_64_jobs_a_poison_is_alone_after_seven_crashes_and_only_it_is_charged(plant):
    """B.9, B.2: the other 63 complete; max_crashes later the poison is a dead letter."""
    died, crashes = asyncio.Event(), []

    @batch_task(plant, size=64, max_wait=1.0)
    async def sends(items):
        if 37 in items:
            crashes.append(len(items))
            died.set()
            await asyncio.Event().wait()
        return [True] * len(items)

    ids = await add(plant, 64)
    _, rescuer = plant.services()
    for _ in range(9):
        worker = plant.worker()
        running = asyncio.create_task(worker.run())
        for _ in range(10_000):
            if died.is_set():
                break
            plant.clock.advance(0.5)
            await plant.engine.promote(100)
            await asyncio.sleep(0)
        died.clear()
        await until(lambda worker=worker: worker._parts.completer.unsettled == 0)
        await plant.store.extend(
            [Lease(session=worker.session, lease_ms=0)]
        )  # it is dead, as the store sees it
        await rescuer._rescue()
        worker.stop()
        await running
    await plant.work()
    found = [await plant.job(each) for each in ids]
    assert crashes == [64, 32, 16, 8, 4, 2, 1, 1, 1]
    assert (found[37].state, found[37].crashes) == (State.FAILED, 3)
    others = found[:37] + found[38:]
    assert {(job.state, job.crashes, job.failures) for job in others} == {(State.COMPLETED, 0, 0)}


async def test_a_half_that_ends_well_is_forgotten_and_its_jobs_mix_again(plant):
    seen = []

    @batch_task(plant, size=4, max_wait=1.0)
    async def sends(items):
        seen.append(len(items))
        return [True] * len(items)

    ids = await add(plant, 4)
    session = "gone:1"
    await plant.store.extend([Lease(session=session, lease_ms=60_000, opens=True)])
    await plant.store.claim([ClaimAsk("q", 4, session)])
    await plant.store.put([announcement(session, Begun((("q", "sends"),), (tuple(ids),)))])
    await plant.store.extend([Lease(session=session, lease_ms=0)])
    _, rescuer = plant.services()
    await rescuer._rescue()
    [records] = await plant.store.get([RecordAsk(HALVED)])
    assert {read_half(record).most for record in records} == {2}
    await plant.work()
    assert seen == [2, 2]
    [records] = await plant.store.get([RecordAsk(HALVED)])
    assert records == []


def test_the_halves_of_one_crash_are_told_from_those_of_another():
    ids = tuple(new_id() for _ in range(5))
    whole, rest = halved(ids), halved(ids[:2])
    assert len({put.value for put in whole}) == 1
    assert whole[0].value != rest[0].value
    assert [put.value for put in halved(ids)] == [put.value for put in whole]
