"""This module takes the time of a drain: from when the worker is warm until the store holds no unfinished job."""

import asyncio
import time

from board import Board

from longshore import QueueManager

WARM_SHARE = 0.05
"""Of the jobs, run before the clock starts: the worker's start and its first claims are not its rate."""
LOOK_S = 0.002


class StuckError(Exception):
    """Jobs that do not get done."""


async def rate(
    manager: QueueManager, board: Board, jobs: int, *, settled: bool = True, limit_s: float = 300
) -> float:
    """How many jobs per second are run until `jobs` of them are done; raises StuckError.

    The store is looked at only after the last one ran. With `settled=False` not at all: for one that holds more.
    """
    begin_s = time.monotonic()
    give_up_s = begin_s + limit_s
    warm = await reached(board, int(jobs * WARM_SHARE), give_up_s=give_up_s)
    if warm < jobs:
        begin_s = time.monotonic()
    else:  # all had run before the first look: so few that no rate is to be had, but their time is
        warm = 0
    last = await reached(board, jobs, give_up_s=give_up_s)
    while settled and await unfinished(manager):
        _refuse_to_hang(give_up_s, "the store still holds unfinished jobs")
        await asyncio.sleep(LOOK_S)
    return (last - warm) / (time.monotonic() - begin_s)


async def unfinished(manager: QueueManager) -> int:
    """Pending and running jobs in the store."""
    metrics = await manager.get_queue_metrics("bench", minutes=1)
    return metrics.waiting + metrics.active


async def reached(board: Board, jobs: int, *, give_up_s: float) -> int:
    """Waits until at least so many jobs, and one, have run; how many have. Raises StuckError."""
    while (count := board.jobs()) < max(jobs, 1):
        _refuse_to_hang(give_up_s, f"{count} of {jobs} jobs have run")
        await asyncio.sleep(LOOK_S)
    return count


def _refuse_to_hang(give_up_s: float, why: str) -> None:
    if time.monotonic() > give_up_s:
        raise StuckError(why)
