"""This module measures what time does to a store and a worker: idleness, memory, size, backlog and history."""

import asyncio
from statistics import median

from arena import Arena
from sizes import Sizes
from speed import Figures, drained
from watch import rate

LOOKS = 3
"""Short drains are repeated, for the median."""


async def idle(place: Arena, sizes: Sizes) -> Figures:
    """A worker with nothing to do: processor time and store calls in a minute."""
    async with place.working(10) as (worker,):
        await _one_job(place)
        await asyncio.sleep(sizes.rest_s)
        before_s, before = worker.cpu_s(), place.board.calls_of(0)
        await asyncio.sleep(sizes.idle_s)
        per_minute = 60 / sizes.idle_s
        return {
            "idle_cpu": (worker.cpu_s() - before_s) * per_minute,
            "idle_calls": (place.board.calls_of(0) - before) * per_minute,
        }


async def memory(place: Arena, sizes: Sizes) -> Figures:
    """What a worker takes when it is new, and how much more when it has run many jobs."""
    async with place.working(10) as (worker,):
        await _one_job(place)
        await asyncio.sleep(sizes.rest_s)
        new_mb = worker.pss_mb()
        await place.run("fill", "noop", sizes.memory)
        await rate(await place.manager(), place.board, sizes.memory, limit_s=900)
        await asyncio.sleep(sizes.rest_s)
        return {"memory": new_mb, "memory_growth": worker.pss_mb() - new_mb}


async def size(place: Arena, sizes: Sizes) -> Figures:
    """What a waiting job takes on disk."""
    await place.run("fill", "noop", 1)
    empty_bytes = place.size_bytes()
    await place.run("fill", "noop", sizes.drain)
    return {"size": (place.size_bytes() - empty_bytes) / sizes.drain}


async def backlog(place: Arena, sizes: Sizes) -> Figures:
    """The rate with many jobs waiting, as a share of that with few."""
    few = [await drained(place, "noop", sizes.few) for _ in range(LOOKS)]
    many = await drained(place, "noop", sizes.backlog, watched=min(5 * sizes.few, sizes.backlog))
    return {"backlog": 100 * many / median(few)}


async def history(place: Arena, sizes: Sizes) -> Figures:
    """The rate with many finished jobs in the store, as a share of that with hardly any."""
    before = [await drained(place, "noop", sizes.few) for _ in range(LOOKS)]
    await drained(place, "noop", sizes.history)
    after = [await drained(place, "noop", sizes.few) for _ in range(LOOKS)]
    return {"history": 100 * median(after) / median(before)}


async def _one_job(place: Arena) -> None:
    await place.run("fill", "noop", 1)
    await place.wait_for(1)
