"""Attempts that complete their job by themselves, while the store fails the worker that wants to know."""

import asyncio
from random import Random

import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.core.verdict import COMPLETED
from longshore.store.commands import Settlement
from longshore.testing.faults import Fault, Faults, FaultyStore, Harm
from longshore.worker.control import Control
from tests.pipeline.plant import Plant, until


class Doubtful:
    """A plant with a store that can be broken, and a task that completes its job as `ctx.complete_in` does."""

    def __init__(self):
        clock = ManualClock()
        self.sound, self.faults = MemoryStore(clock), Faults(Random(1))
        self.plant = Plant(FaultyStore(self.sound, self.faults, clock))
        self.plant.clock = clock

    async def open(self, *, commits, **policy):
        await self.sound.open()

        @self.plant.task(**policy)
        async def order(ctx: Control):
            ctx.log_sync("noted before")
            ctx.completing(b'"done"')
            if commits:
                await self.sound.change(ctx.notes)
                await self.sound.settle([self.settlement(ctx.record)])
            for fault in self.planted:
                self.faults.plant(fault)

        self.planted = []
        self.plant.hear("completed", "failed", "retrying", "stale")
        return self

    def settlement(self, record):
        return Settlement(
            id=record.id,
            queue=record.queue,
            session=record.session,
            fence=record.fence,
            verdict=COMPLETED,
            result=b'"done"',
        )

    async def run(self):
        """Runs one job while time flies, until the worker has nothing left to find out; gives the job."""
        job_id = await self.plant.add("order")
        working = asyncio.create_task(self.plant.work())

        def flown():
            self.plant.clock.advance(0.05)
            return working.done()

        await until(flown)
        await working
        return await self.plant.job(job_id)


FAULTS = [Fault(harm=harm, verb=verb, calls=(1, 2)) for verb in ("scan", "settle", "change") for harm in Harm]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.verb}-{fault.harm}")
async def test_a_commit_is_found_out_whatever_the_store_does(fault):
    doubtful = await Doubtful().open(commits=True)
    doubtful.planted = [fault]
    job = await doubtful.run()
    assert (job.state, job.result, job.failures) == (State.COMPLETED, b'"done"', 0)
    assert doubtful.plant.names() == ["completed"]
    assert len(job.logs) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.verb}-{fault.harm}")
async def test_a_rollback_is_found_out_whatever_the_store_does(fault):
    doubtful = await Doubtful().open(commits=False, retry=Retry(1))
    doubtful.planted = [fault]
    job = await doubtful.run()
    assert (job.state, job.failures) == (State.FAILED, 1)
    assert job.error_text.startswith("NotCommitted")
    assert doubtful.plant.names() == ["failed"]
    assert len(job.logs) >= 1  # after a lost reply a line may stand there twice


async def test_many_doubts_are_asked_about_together():
    doubtful = await Doubtful().open(commits=True)
    ids = [await doubtful.plant.add("order") for _ in range(50)]
    scans = []
    look = doubtful.plant.store.scan

    async def counted(queries, **options):
        scans.append(len(queries[0].ids or ()))
        return await look(queries, **options)

    doubtful.plant.store.scan = counted
    await doubtful.plant.work()
    assert {(await doubtful.plant.job(job_id)).state for job_id in ids} == {State.COMPLETED}
    assert len([count for count in scans if count > 1]) <= 5
