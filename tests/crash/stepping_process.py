"""A worker of a task with steps, that dies in the middle of one.

    python stepping_process.py URL MARKS DIES_AT

Each step leaves a line in MARKS when it does its work; right after that of step DIES_AT the process is killed, if it
is the first that comes there. -1: it lives until somebody else kills it.
"""

import asyncio
import os
import signal
import sys

from longshore import JobContext, QueueManager

STEPS = 12
LEASE_SECONDS = 2
url, marks_path, dies_at = sys.argv[1:]
manager = QueueManager(url, lease=LEASE_SECONDS)
marks = os.open(marks_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


async def effect(number: int, fence: int) -> list[int]:
    """Says that it ran; its result says in which claim."""
    os.write(marks, f"{number}\n".encode())
    if number == int(dies_at):
        os.kill(os.getpid(), signal.SIGKILL)
    return [number, fence]


@manager.task(queue="steps", max_crashes=100)
async def walk(ctx: JobContext) -> list[object]:
    """All its steps, and a signal in the middle."""
    first = [await ctx.step("step", effect, number, ctx.job.fence) for number in range(STEPS // 2)]
    middle = await ctx.wait_for("half-way", timeout=600)
    last = [await ctx.step("step", effect, number, ctx.job.fence) for number in range(STEPS // 2, STEPS)]
    return [*first, middle, *last]


async def main() -> None:
    """Works until it is killed."""
    await manager.start_workers()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
