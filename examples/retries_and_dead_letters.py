"""Failures: what is retried, what is given up at once, and how a dead letter comes back (seeds 001, 002 and 003).

It prints:

    flaky: completed after 3 attempts
    bad input: failed after 1 attempt, Discard: no such account
    broken: failed after 2 attempts, ConnectionError: the bank is closed
    dead letters: ['broken', 'bad-input']
    broken, in its second life: completed
"""

import asyncio
from typing import Any

from longshore import Discard, Job, JobContext, QueueManager, Retry

manager = QueueManager()
payments = manager.queue("payments", retry=Retry(max_attempts=4, initial=0.05, factor=2))
bank = {"open": False}


@payments.task
async def flaky(ctx: JobContext) -> None:
    if ctx.attempt < 3:
        raise TimeoutError("no answer")


@payments.task(name="bad-input")
async def bad_input(account: str) -> None:
    raise Discard("no such account")  # no further attempt will help


@payments.task(retry=Retry(2, delays=[0.1], retry_if=ConnectionError))
async def broken() -> None:
    if not bank["open"]:
        raise ConnectionError("the bank is closed")


def show(label: str, job: Job[Any]) -> None:
    times = "1 attempt" if job.attempt == 1 else f"{job.attempt} attempts"
    error = f", {job.error_message}" if job.state == "failed" else ""
    print(f"{label}: {job.state} after {times}{error}")


async def main() -> None:
    async with manager:
        jobs = {
            "flaky": await flaky.enqueue(),
            "bad input": await bad_input.enqueue("nobody"),
            "broken": await broken.enqueue(),
        }
        await manager.run_until_empty()
        for label, job in jobs.items():
            await job.refresh()
            show(label, job)

        letters = await manager.dead_letters.list("payments")  # the newest death first
        print("dead letters:", [letter.name for letter in letters])

        bank["open"] = True
        await manager.dead_letters.requeue(jobs["broken"].id)
        await manager.run_until_empty()
        await jobs["broken"].refresh()
        print("broken, in its second life:", jobs["broken"].state)


asyncio.run(main())
