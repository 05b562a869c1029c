"""What a task gives back may run its code when it is looked at. That is the job's trouble, never the worker's."""

import asyncio
import sys

import pytest

from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.worker.registry import Kind

ONCE = Retry(1)


class Untouchable(Exception):
    """Nothing can be asked of it, not even its class."""

    def __getattribute__(self, name):
        raise RuntimeError(name)


class Exits:
    """A model whose encoder ends the process."""

    @classmethod
    def model_validate(cls, value):
        sys.exit(value)

    def model_dump(self, mode):
        sys.exit(mode)


async def ends(plant, name):
    """How the one job ended, with the worker alive enough to run the next."""

    @plant.task()
    async def good():
        return 1

    bad_one, good_one = await plant.add(name), await plant.add("good")
    await plant.work(slots=1)
    assert (await plant.job(good_one)).state is State.COMPLETED
    return await plant.job(bad_one)


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.THREAD])
async def test_an_exception_that_cannot_be_looked_at_fails_its_job_and_frees_its_slot(plant, kind):
    async def raises():
        raise Untouchable

    def raises_plainly():
        raise Untouchable

    plant.task(kind=kind, retry=ONCE)(raises if kind is Kind.ASYNC else raises_plainly)
    job = await ends(plant, plant.registry.names()[0])
    assert (job.state, job.failures) == (State.FAILED, 1)
    assert "Untouchable" in job.error_text


async def test_a_result_whose_encoder_exits_fails_its_job_and_not_the_worker(plant):
    @plant.task(retry=ONCE)
    async def returns():
        return Exits()

    job = await ends(plant, "returns")
    assert (job.state, job.failures) == (State.FAILED, 1)
    assert "SystemExit" in job.error_text


async def test_a_retry_if_that_exits_means_try_again_and_ends_no_worker(plant):
    def leaves(error):
        sys.exit(str(error))

    @plant.task(retry=Retry(2, initial=10, retry_if=leaves))
    async def raises():
        raise ValueError("no")

    assert (await ends(plant, "raises")).state is State.RETRYING


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
async def test_a_hook_that_exits_ends_neither_the_worker_nor_the_other_hooks(plant, end, caplog):
    def leaves(*_):
        raise end

    plant.bus.on("completed", leaves)
    plant.hear("completed")

    @plant.task(on_complete=leaves)
    async def returns():
        return 1

    assert (await ends(plant, "returns")).state is State.COMPLETED
    assert plant.names() == ["completed", "completed"]
    assert caplog.text.count("the job is not affected") == 3


async def test_a_stored_payload_whose_reader_raises_anything_is_undecodable(plant):
    class Choosy:
        @classmethod
        def model_validate(cls, value):
            raise KeyError(value)

    async def reads(choice: Choosy):
        return choice

    reads.__annotations__["choice"] = Choosy
    plant.task(retry=Retry(5))(reads)
    job_id = await plant.add("reads", b'{"choice":"x"}')
    await plant.work()
    job = await plant.job(job_id)
    assert (job.state, job.payload) == (State.FAILED, b'{"choice":"x"}')
    assert job.error_text.startswith("PayloadUndecodable: ")
