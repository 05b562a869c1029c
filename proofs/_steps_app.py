"""This module is the application of the proof `steps`: a task of many steps that marks each side effect.

A mark is one line, `job fence step milliseconds`, written by one append when a step's function has done its work.
"""

import asyncio
import os
import time

from longshore import JobContext, QueueManager

manager = QueueManager()
_marks = os.open(os.environ["PROOF_MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
STEPS = int(os.environ.get("PROOF_STEPS", "100"))
STEP_SECONDS = float(os.environ.get("PROOF_STEP_SECONDS", "0.05"))


async def _effect(job: str, fence: int, step: int) -> list[int]:
    """Its result names the claim that ran it: two results of one step can be told apart."""
    os.write(_marks, f"{job} {fence} {step} {time.time_ns() // 1_000_000}\n".encode())
    await asyncio.sleep(STEP_SECONDS)
    return [step, fence]


@manager.task(queue="steps", max_crashes=1000)
async def walk(ctx: JobContext) -> list[list[int]]:
    """Takes its steps; among them it sleeps, and waits for a signal that was sent ahead."""
    results = []
    for step in range(STEPS):
        if step == STEPS // 3:
            await ctx.sleep(1.2)
        if step == STEPS // 2:
            results.append([-1, await ctx.wait_for("half-way", timeout=600)])
        if step == STEPS // 5:
            results.append([-2, await ctx.wait_for("on-the-way", timeout=600)])
        results.append(await ctx.step("step", _effect, ctx.job.id, ctx.job.fence, step))
    return results
