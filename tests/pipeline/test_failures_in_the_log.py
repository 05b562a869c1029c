"""What a worker's log says of attempts that went wrong."""

import logging

from longshore.core.ids import format_id
from longshore.core.retry import Retry


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


async def test_each_failed_attempt_has_one_line_and_the_last_is_an_error(plant, caplog):
    @plant.task(retry=Retry(3, initial=10, jitter=False))
    async def boom():
        raise RuntimeError("boom \x1b[31m7\nand more")

    job_id = await plant.add("boom")
    caplog.set_level(logging.INFO, "longshore")
    for _ in range(3):
        await plant.work()
        plant.clock.advance(20)
    job = f"Job {format_id(job_id)} (boom)"
    said = "RuntimeError: boom \N{REPLACEMENT CHARACTER}[31m7"
    assert lines(caplog, logging.WARNING) == [
        f"{job} failed, attempt 1 of 3; again in 10.0 s: {said}",
        f"{job} failed, attempt 2 of 3; again in 20.0 s: {said}",
    ]
    assert lines(caplog, logging.ERROR) == [f"{job} failed for good after 3 attempts: {said}"]
    assert "Traceback" not in caplog.text


async def test_the_traceback_of_a_failed_attempt_is_for_debugging(plant, caplog):
    @plant.task(retry=Retry(1))
    async def boom():
        raise RuntimeError("boom")

    await plant.add("boom")
    caplog.set_level(logging.DEBUG, "longshore.worker")
    await plant.work()
    assert any("Traceback" in line and "in boom" in line for line in lines(caplog, logging.DEBUG))


async def test_a_job_that_ends_well_leaves_no_line(plant, caplog):
    @plant.task()
    async def fine():
        return 1

    await plant.add("fine")
    caplog.set_level(logging.INFO, "longshore.worker")
    await plant.work()
    assert caplog.records == []
