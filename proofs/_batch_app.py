"""This module is the application of the proof `batches`: batch functions that misbehave, and leave marks.

A mark is one line, `what way item milliseconds process`, written by one append: `begin` for each item of a call, `end`
for each outcome that the application was told of. An item kills, or hangs, only the first time: a file remembers it.
"""

import asyncio
import os
import random
import time
from pathlib import Path

from longshore import ItemResult, Job, QueueManager, Retry

manager = QueueManager()
_marks = os.open(os.environ["PROOF_MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_once = Path(os.environ["PROOF_MARKS"]).parent
POISON = 37
WAYS = ("well", "too-few", "too-many", "wrong-order", "raise", "time-out", "drop", "kill")
WAIT_SECONDS = 0.5
HOW_OFTEN = 0.3


def _mark(what: str, way: str, items: list[int]) -> None:
    now_ms = time.time_ns() // 1_000_000
    lines = [f"{what} {way} {item} {now_ms} {os.getpid()}\n" for item in items]
    os.write(_marks, "".join(lines).encode())


def _first_time(way: str, item: int) -> bool:
    try:
        os.close(os.open(_once / f"{way}-{item}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


async def _answers(way: str, jobs: list[Job]) -> object:
    good: dict[str, object] = {job.id: ItemResult(success=True, result=job.data) for job in jobs}
    if random.random() < HOW_OFTEN:
        if way == "too-few":
            return [True] * (len(jobs) - 1)
        if way == "too-many":
            return [True] * (len(jobs) + 1)
        if way == "raise":
            raise ConnectionError("busy")
        if way == "time-out":
            await asyncio.sleep(60)
        if way == "drop":
            return dict(random.sample(sorted(good.items()), len(good) // 2))
    if way == "kill" and any(job.data % 40 == 0 and _first_time(way, job.data) for job in jobs):
        os._exit(9)
    answers = list(good.items())
    if way == "wrong-order":
        random.shuffle(answers)
    return dict(answers)


def _define(way: str) -> None:
    def told(job: Job, *_: object) -> None:
        _mark("end", way, [job.data])

    @manager.batch_task(
        queue=way,
        name=way,
        size=20,
        max_wait=0.1,
        concurrency=2,
        timeout=0.5,
        retry=Retry(0, initial=0.05, maximum=0.2),
        max_crashes=100,
        on_complete=told,
        on_failure=told,
    )
    async def misbehaves(jobs: list[Job]) -> object:
        _mark("begin", way, [job.data for job in jobs])
        await asyncio.sleep(0.005)
        return await _answers(way, jobs)


for _way in WAYS:
    _define(_way)


@manager.queue("poison").batch_task(name="poison", size=64, max_wait=0.3)
async def poison(items: list[int]) -> list[bool]:
    """One of its items takes the worker down, each time."""
    _mark("begin", f"poison-{len(items)}", items)
    await asyncio.sleep(0.02)
    if POISON in items:
        os._exit(9)
    return [True] * len(items)


@manager.queue("flush").batch_task(name="flush", size=50, max_wait=WAIT_SECONDS)
async def flush(items: list[int]) -> list[bool]:
    """Says when it began."""
    _mark("begin", "flush", items)
    return [True] * len(items)
