"""This module is the application of the proofs about limits and turns: queues that producers and workers declare alike.

A start leaves a line in the file PROOF_MARKS, as in `_app.py`.
"""

import asyncio
import os
import time

from longshore import Concurrency, JobContext, Queue, QueueManager, Rate

APP = "_limited:manager"
RATE, BURST = 10, 5
MOST = 5
"""Of the limits of `capped_queue`."""


def paced_queue(manager: QueueManager) -> Queue:
    """So many starts a second for each key."""
    return manager.queue("paced", rate_limit=Rate(RATE, per=1, burst=BURST, by="key"))


def capped_queue(manager: QueueManager, limit: int) -> Queue:
    """So many jobs of a key at once."""
    return manager.queue(f"capped-{limit}", limit=Concurrency(limit, by="key"))


def shared_queue(manager: QueueManager) -> Queue:
    """Keys take turns."""
    return manager.queue("shared", fair_by="key")


async def work(key: str, seconds: float = 0, *, ctx: JobContext) -> None:
    """As long as it is told."""
    _mark(ctx, ctx.job.attempt + ctx.job.releases)
    if seconds:
        await asyncio.sleep(seconds)


def _mark(ctx: JobContext, fence: int) -> None:
    record = f"{ctx.job.id} {fence} {time.time_ns() // 1_000_000} {os.getpid()}\n"
    os.write(_marks(), record.encode())


def _marks() -> int:
    if not _opened:
        _opened.append(os.open(os.environ["PROOF_MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    return _opened[0]


_opened: list[int] = []


def declared(manager: QueueManager) -> QueueManager:
    """The manager with all queues and the task of each."""
    capped = [capped_queue(manager, limit) for limit in range(1, MOST + 1)]
    for queue in (paced_queue(manager), shared_queue(manager), *capped):
        queue.task(name="work")(work)
    return manager


manager = declared(QueueManager())
