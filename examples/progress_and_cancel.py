"""A long job says how far it is, writes a log, and can be stopped: in a coroutine and in a thread.

It prints:

    export: running, at least half done: half of it
    export: completed, log ['began', 'wrote 10 rows']
    crunch: cancelled, and the thread saw it: True
"""

import asyncio
import time

from longshore import JobContext, QueueManager

manager = QueueManager()
exports = manager.queue("exports")
seen = {"half": asyncio.Event(), "go on": asyncio.Event()}
stopped_in_time: list[bool] = []


@exports.task
async def export(ctx: JobContext, rows: int) -> None:
    await ctx.log("began")
    await ctx.progress(0.5, "half of it")
    seen["half"].set()
    await seen["go on"].wait()
    await ctx.log(f"wrote {rows} rows")


@exports.task
def crunch(ctx: JobContext) -> None:
    while not ctx.cancelled:  # nothing can stop a thread from outside, so it looks
        time.sleep(0.01)
    stopped_in_time.append(True)
    raise InterruptedError


async def main() -> None:
    async with manager:
        await manager.start_workers()
        job = await export.enqueue(10)
        await seen["half"].wait()
        while job.progress is None:  # what a task says is stored within half a second
            await asyncio.sleep(0.05)
            await job.refresh()
        print(f"export: {job.state}, at least half done: {job.progress_note}")
        seen["go on"].set()
        await job.result()
        await job.refresh()
        print(f"export: {job.state}, log {[line.text for line in job.logs]}")

        job = await crunch.enqueue()
        while job.state != "running":
            await asyncio.sleep(0.05)
            await job.refresh()
        await job.cancel()
        await manager.drain(timeout=20)
        await job.refresh()
        print(f"crunch: {job.state}, and the thread saw it: {stopped_in_time == [True]}")


asyncio.run(main())
