"""This module is the application that is measured: one manager, four tasks, and what a fresh process is asked to do.

It uses the public API as a user would. Each command prints one line of JSON; the environment says where the store
(LONGSHORE_URL) and the board (BENCH_BOARD, BENCH_SEAT) are, and on which event loop to run (BENCH_LOOP).

    subject.py enqueue HOW COUNT             how: one, concurrent (100 coroutines), bulk, fan (fan-outs with a join)
    subject.py fill TASK COUNT               in bulk, nothing measured
    subject.py work SLOTS                    a worker, until SIGTERM
    subject.py latency COUNT                 a job every 20 ms for the worker of another process
    subject.py drain TASK COUNT SLOTS WATCH  fills the store and works it off here, timed until WATCH jobs are done
    subject.py latency-here COUNT            latency with the worker in this process
    subject.py batched HOW COUNT             items through a BatchedQueue; how: one, many
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from board import Board
from calls import report_calls
from watch import rate, reached

from longshore import BatchedQueue, Concurrency, QueueManager, Rate, Workflow, chain
from longshore.cli.loops import run_on
from longshore.cli.memory import bound_arenas

FILLER = "x" * 100
COROUTINES = 100
CHUNK = 10_000
GAP_S = 0.02
NEVER_BINDS = 10_000_000
KEYS = 1000
FAN = 12
"""Steps of a fan-out of ten."""

board = Board(Path(os.environ["BENCH_BOARD"]), int(os.environ.get("BENCH_SEAT", "0")))
manager = QueueManager()
queue = manager.queue("bench")


@queue.task(name="noop")
async def noop(n: int, s: str) -> None:
    """Nothing."""
    board.mark()


@queue.task(name="wait")
async def wait(n: int, s: str) -> None:
    """10 ms of waiting for somebody else."""
    await asyncio.sleep(0.01)
    board.mark()


@queue.task(name="block")
def block(n: int, s: str) -> None:
    """1 ms in which its thread can do nothing else."""
    time.sleep(0.001)
    board.mark()


@queue.task(name="stamp")
async def stamp(n: int, s: str) -> None:
    """Writes down how long it waited, `n` being the time before it was enqueued."""
    board.mark_wait(time.monotonic_ns() - n)


@queue.task(name="rated", rate_limit=Rate(NEVER_BINDS, per=1))
async def rated(n: int, s: str) -> None:
    """Nothing, under a rate that it never reaches."""
    board.mark()


@queue.task(name="keyed", limit=Concurrency(5, by=lambda data: data["n"] % KEYS))
async def keyed(n: int, s: str) -> None:
    """Nothing, at most five at once for each of many keys."""
    board.mark()


TASKS = {task.name: task for task in (noop, wait, block, stamp, rated, keyed)}


def payload(number: int) -> dict[str, Any]:
    """What every job carries."""
    return {"n": number, "s": FILLER}


async def enqueue_one(count: int) -> None:
    """Each after the last one's answer."""
    for number in range(count):
        await noop.enqueue(number, FILLER)


async def enqueue_concurrent(count: int) -> None:
    """From 100 coroutines at once, each of them one by one."""
    await asyncio.gather(*(enqueue_one(count // COROUTINES) for _ in range(COROUTINES)))


async def enqueue_fans(count: int) -> None:
    """As steps of workflows: one, ten side by side after it, and one after all of them; ten workflows at a time."""
    sizes = [FAN] * (count // FAN)
    for begin in range(0, len(sizes), 10):
        await asyncio.gather(*(manager.execute_workflow(fan()) for _ in sizes[begin : begin + 10]))


def fan() -> Workflow:
    """A fan-out of ten with a join."""
    first, *parts, last = (noop.step(number, FILLER) for number in range(FAN))
    return chain(first, parts, last)


async def enqueue_bulk(count: int, name: str = "noop") -> None:
    """In lists of 10,000, which keeps the producer small."""
    if name not in TASKS:
        await HOW[name](count)
        return
    for begin in range(0, count, CHUNK):
        await TASKS[name].enqueue_many([payload(n) for n in range(begin, min(begin + CHUNK, count))])


HOW: dict[str, Callable[[int], Awaitable[None]]] = {
    "one": enqueue_one,
    "concurrent": enqueue_concurrent,
    "bulk": enqueue_bulk,
    "fan": enqueue_fans,
}


async def enqueue(how: str, count: int) -> dict[str, float]:
    """How fast jobs are added, after some that are not counted."""
    async with manager:
        await HOW[how](COROUTINES)
        begin_s = time.perf_counter()
        await HOW[how](count)
        return {"per_s": count / (time.perf_counter() - begin_s)}


async def fill(name: str, count: int) -> dict[str, float]:
    """Adds jobs."""
    async with manager:
        await enqueue_bulk(count, name)
    return {}


async def work(slots: int) -> dict[str, float]:
    """A worker until SIGTERM, as `longshore worker` is one; the board says how often it called its store."""
    bound_arenas()
    report_calls(await manager.store(), board.mark_call)
    await manager.run_worker(concurrency=slots)
    return {}


async def send_stamps(count: int) -> None:
    """A job every 20 ms."""
    next_s = time.monotonic()
    for _ in range(count):
        next_s += GAP_S
        await asyncio.sleep(max(0.0, next_s - time.monotonic()))
        await stamp.enqueue(time.monotonic_ns(), FILLER)


async def latency(count: int) -> dict[str, float]:
    """For a worker elsewhere."""
    async with manager:
        await send_stamps(count)
    return {}


async def drain(name: str, count: int, slots: int, watched: int) -> dict[str, float]:
    """Fills the store and works it off, all in this process."""
    async with manager:
        await enqueue_bulk(count, name)
        async with working(slots):
            return {"per_s": await rate(manager, board, watched, settled=watched == count)}


async def nothing(items: list[int]) -> list[bool]:
    """A batch that takes no time."""
    return [True] * len(items)


async def batched(how: str, count: int) -> dict[str, float]:
    """Items through a queue of this process, in batches of 50 that do nothing, until all are settled."""
    queue = BatchedQueue(nothing, batch_size=50)
    begin_s = time.perf_counter()
    if how == "many":
        await queue.enqueue_many(iter(range(count)))
    else:
        for number in range(count):
            await queue.enqueue(number)
    await queue.close()
    assert queue.stats.completed == count
    return {"per_s": count / (time.perf_counter() - begin_s)}


async def latency_here(count: int) -> dict[str, float]:
    """`latency` with a worker on the same event loop."""
    async with manager, working(10):
        await send_stamps(count)
        await reached(board, count, give_up_s=time.monotonic() + 10)
    return {}


@asynccontextmanager
async def working(slots: int) -> AsyncIterator[None]:
    """With a worker in the background."""
    await manager.start_workers(concurrency=slots)
    yield
    await manager.shutdown(timeout=0)


COMMANDS: dict[str, Callable[..., Awaitable[dict[str, float]]]] = {
    "enqueue": enqueue,
    "fill": fill,
    "work": work,
    "latency": latency,
    "drain": drain,
    "latency-here": latency_here,
    "batched": batched,
}


async def main(command: str, *words: str) -> None:
    """Carries out the command line."""
    print(
        json.dumps(await COMMANDS[command](*(int(word) if word.isdigit() else word for word in words))),
        flush=True,
    )


if __name__ == "__main__":
    run_on(os.environ.get("BENCH_LOOP", "auto"), main(*sys.argv[1:]))
