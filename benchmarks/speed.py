"""This module measures speed: adding jobs, working them off, and how soon an idle worker starts one."""

from arena import Arena
from sizes import Sizes
from watch import rate

SLOTS = 100
"""Of a worker where a measure does not say otherwise."""

WARM_UP = 20
FAN = 12
"""Steps of a fan-out of ten."""

Figures = dict[str, float]


async def limits(place: Arena, sizes: Sizes) -> Figures:
    """What bare SQLite does here and now: the shares are shares of this."""
    answer = await (await place.start("limits.py", place.folder / "bare.db", sizes.drain)).answer()
    return {f"bare_{name}": value for name, value in answer.items()}


async def trips(place: Arena, sizes: Sizes) -> Figures:
    """What the bare driver does one after another: commits on PostgreSQL, SETs on Redis."""
    return {"trips": await place.ground.trips()}


async def batched(place: Arena, sizes: Sizes) -> Figures:
    """Items through a BatchedQueue, which has no store: batches of 50 that do nothing."""
    return {
        f"batched_{how}": (await place.run("batched", how, sizes.items))["per_s"] for how in ("one", "many")
    }


async def one(place: Arena, sizes: Sizes) -> Figures:
    """Enqueue one by one, each after the last one's answer."""
    return {"one": (await place.run("enqueue", "one", sizes.one))["per_s"]}


async def concurrent(place: Arena, sizes: Sizes) -> Figures:
    """Enqueue from 100 coroutines at once."""
    return {"concurrent": (await place.run("enqueue", "concurrent", sizes.enqueue))["per_s"]}


async def bulk(place: Arena, sizes: Sizes) -> Figures:
    """Enqueue in lists of 10,000."""
    return {"bulk": (await place.run("enqueue", "bulk", sizes.drain))["per_s"]}


async def drain(place: Arena, sizes: Sizes) -> Figures:
    """Jobs that do nothing, one worker process."""
    return {"drain": await drained(place, "noop", sizes.drain)}


async def drain2(place: Arena, sizes: Sizes) -> Figures:
    """The same with two worker processes."""
    return {"drain2": await drained(place, "noop", sizes.drain, processes=2)}


async def limited(place: Arena, sizes: Sizes) -> Figures:
    """Jobs that do nothing: without limits, under a rate that never binds, and at most five at once for each key."""
    tasks = {"limited_none": "noop", "limited_rate": "rated", "limited_key": "keyed"}
    return {figure: await drained(place, task, sizes.limited) for figure, task in tasks.items()}


async def workflows(place: Arena, sizes: Sizes) -> Figures:
    """Fan-outs of ten with a join: how fast their steps are added and worked off, beside plain jobs."""
    steps = max(1, sizes.steps // FAN) * FAN
    return {
        "workflow_none": await drained(place, "noop", steps),
        "workflow_steps": await drained(place, "fan", steps),
        "workflow_start": (await place.run("enqueue", "fan", steps))["per_s"],
    }


async def io(place: Arena, sizes: Sizes) -> Figures:
    """Jobs that wait 10 ms, at 100 slots: 10,000 per second is the most there can be."""
    return {"io": await drained(place, "wait", sizes.io, 100)}


async def threads(place: Arena, sizes: Sizes) -> Figures:
    """Jobs that block a thread for 1 ms, at 32 slots: 32,000 per second is the most there can be."""
    return {"threads": await drained(place, "block", sizes.threads, 32)}


async def latency(place: Arena, sizes: Sizes) -> Figures:
    """From before the enqueue call to the first line of the job, nothing else to do."""
    if place.shares_processes:
        async with place.working(10):
            await place.run("latency", WARM_UP)
            await place.wait_for(WARM_UP)
            place.board.clear()
            await place.run("latency", sizes.latency)
            await place.wait_for(sizes.latency)
    else:
        await place.run("latency-here", sizes.latency)
    waits_ms = place.board.waits_ms()
    return {
        "latency_p50": waits_ms[len(waits_ms) // 2],
        "latency_p99": waits_ms[len(waits_ms) * 99 // 100],
    }


async def drained(
    place: Arena, task: str, jobs: int, slots: int = SLOTS, *, processes: int = 1, watched: int | None = None
) -> float:
    """How many of `jobs` jobs are run in a second, their workers waiting when they come; of the first `watched`."""
    watched = watched or jobs
    if not place.shares_processes:
        return (await place.run("drain", task, jobs, slots, watched))["per_s"]
    manager = await place.manager()
    await manager.pause_queue("bench")
    await place.run("fill", task, jobs)
    async with place.working(slots, processes=processes):
        await manager.resume_queue("bench")
        return await rate(manager, place.board, watched, settled=watched == jobs)
