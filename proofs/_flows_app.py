"""This module is the application of the proof of workflows: parts, the join that adds them up, and a path of failure.

Two queues, so that a join and the parts it waits for lie apart on stores where queues do. The kills are ours, so no job
is taken for poison because several of them hit it.
"""

import asyncio

from _app import _mark

from longshore import Discard, JobContext, QueueManager, Retry

manager = QueueManager()
parts = manager.queue("parts", retry=Retry(3, initial=0.1))
joins = manager.queue("joins", retry=Retry(3, initial=0.1))


@parts.task(name="part", max_crashes=100)
async def part(number: int, *, fails: bool = False, ctx: JobContext) -> int:
    """About 5 ms of work; some fail for good."""
    _mark(ctx)
    await asyncio.sleep(0.005)
    if fails:
        raise Discard("told to fail")
    return number


@joins.task(name="join", max_crashes=100)
async def join(*, ctx: JobContext) -> int:
    """Adds up what the parts returned."""
    _mark(ctx)
    return sum(await ctx.previous)


@joins.task(name="alert", max_crashes=100)
async def alert(*, ctx: JobContext) -> int:
    """The path of failure; says how many parts failed."""
    _mark(ctx)
    return sum(job.state == "failed" for job in await ctx.parents)
