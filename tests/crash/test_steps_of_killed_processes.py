"""A durable task whose worker is killed again and again; `dev.py proof steps` does it thirty times, on every store."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from longshore import QueueManager

PROGRAM = Path(__file__).with_name("stepping_process.py")
STEPS = 12
DEATHS = (1, 5, 9)


def start(url: str, marks: Path, dies_at: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(PROGRAM), url, str(marks), str(dies_at)])


async def test_steps_that_were_recorded_are_not_run_again_after_a_kill(tmp_path: Path) -> None:
    """B.12"""
    url, marks = f"sqlite:///{tmp_path}/jobs.db", tmp_path / "marks"
    async with QueueManager(url) as manager:
        job = await manager.add_job("steps", "walk", {})
        await manager.signal(job, "half-way", "so far")
        for step in DEATHS:
            with start(url, marks, step) as process:
                assert process.wait(60) == -9
        with start(url, marks, -1) as process:
            try:
                result = await job.result(60)
            finally:
                process.kill()
        await job.refresh()
        steps = await job.steps()
    assert job.crashes == len(DEATHS)
    times = Counter(map(int, marks.read_text().split()))
    assert times == {number: 1 + (number in DEATHS) for number in range(STEPS)}
    assert result == [step.value for step in steps]
    fences = [step.value[1] for step in steps if step.kind == "step"]
    assert fences == [1, *[2] * 4, *[3] * 4, *[4] * 3]
