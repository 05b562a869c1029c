"""This script compares two ways to run many short coroutines at most N at a time: a task for each, or long-lived slots.

    python benchmarks/slots_or_tasks.py

It has no store and no verdicts: only what it costs to start a coroutine, in a contextvars context of its own, and to
have its result. CPU time per job; the best of five rounds.
"""

import asyncio
import contextvars
import gc
import time
from collections import deque

from longshore.worker.steps import Steps

ROUNDS = 5


async def no_op():
    return None


async def yields_once():
    await asyncio.sleep(0)


async def naps():
    await asyncio.sleep(0.01)


async def a_task_each(job, count, limit):
    """The plain way: a semaphore and a task for each job."""
    gate, done = asyncio.Semaphore(limit), 0
    tasks = set()

    async def one():
        nonlocal done
        try:
            await job()
            done += 1
        finally:
            gate.release()

    for _ in range(count):
        await gate.acquire()
        task = asyncio.create_task(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    assert done == count


async def slots(job, count, limit):
    """Long-lived tasks that take from a deque; the first to take wakes the next."""
    waiting, base, done = deque(range(count)), contextvars.copy_context(), 0

    async def slot(others):
        nonlocal done
        if others and waiting:
            asyncio.get_running_loop().call_soon(start, others - 1)
        while waiting:
            waiting.popleft()
            space, coroutine = base.copy(), job()
            try:
                waited = space.run(coroutine.send, None)
            except StopIteration:
                done += 1
                continue
            await Steps(coroutine, space, waited)
            done += 1

    running = set()

    def start(others):
        running.add(asyncio.ensure_future(slot(others)))

    start(limit - 1)
    while len(running) > sum(task.done() for task in running):
        await asyncio.wait(list(running))
    assert done == count


def cpu_of(way, job, count, limit):
    """Microseconds of CPU per job, and jobs per second."""
    best = (float("inf"), 0.0)
    for _ in range(ROUNDS):
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(way(job, count, limit))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        best = min(best, (cpu / count * 1e6, count / wall))
    return best


if __name__ == "__main__":
    for job, count in ((no_op, 50_000), (yields_once, 50_000), (naps, 5_000)):
        for way in (a_task_each, slots):
            cpu, rate = cpu_of(way, job, count, 100)
            print(f"{job.__name__:<12} {way.__name__:<12} {cpu:6.2f} µs of CPU a job   {rate:>9,.0f} /s")
