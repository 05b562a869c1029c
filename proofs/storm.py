"""This proof kills workers: jobs that append to a file, SIGKILLs at random, nothing lost, nothing run after its end.

    python3 dev.py proof storm [--store sqlite] [--jobs 5000] [--kills 40] [--workers 2] [--slots 10] [--lease 2]
        [--seed N]

--store postgres or redis gives it a server of its own; PROOF_URL names another.
"""

import argparse
import asyncio
import random
import sys
import time

from _arena import Arena, Verdicts, Worker, all_over, arena, every_job, tell
from _places import add_store

from longshore import QueueManager

CHUNK = 50


async def main(options: argparse.Namespace) -> int:
    """Produces, kills, waits and counts."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(
        f"storm: {options.jobs:,} jobs, {options.workers} workers of {options.slots} slots, "
        f"{options.kills} SIGKILLs, seed {seed}"
    )
    with arena(options.store, lease_seconds=options.lease, slots=options.slots) as place:
        async with place.manager() as manager:
            for _ in range(options.workers):
                place.start()
            killing = asyncio.create_task(_kill(place, options, random.Random(seed)))
            ids = await _produce(manager, options, killing)
            last_kill = await killing
            await all_over(manager, ids, seconds=options.lease * 2 + 60, show="draining")
            drained_s = time.monotonic() - last_kill
            return await _judge(place, manager, ids, options, drained_s)


async def _produce(
    manager: QueueManager, options: argparse.Namespace, killing: asyncio.Task[float]
) -> list[str]:
    """Adds the jobs evenly over the time of the kills, and more until the last one, so that each kill meets work."""
    ids: list[str] = []
    pause = 1.5 * options.kills * options.every / (options.jobs / CHUNK)  # the last kill must meet work too
    while len(ids) < options.jobs or not killing.done():
        numbers = range(len(ids), len(ids) + CHUNK)
        jobs = await manager.add_bulk("work", [{"name": "short", "data": {"number": n}} for n in numbers])
        ids += [job.id for job in jobs]
        await asyncio.sleep(0 if killing.done() else pause)
    return ids


async def _kill(place: Arena, options: argparse.Namespace, random_source: random.Random) -> float:
    """Kills one worker after the other and starts a new one for each; the time of the last kill."""
    last = time.monotonic()
    for number in range(options.kills):
        await asyncio.sleep(random_source.uniform(0.2, 1.8) * options.every)
        random_source.choice(await _at_work(place)).kill()
        last = time.monotonic()
        place.start()
        tell(f"kill {number + 1} of {options.kills}")
    return last


async def _at_work(place: Arena) -> list[Worker]:
    """The workers that have run something: a kill during the start of a process would prove little."""
    while True:
        busy = {mark.pid for mark in place.marks()}
        found = [
            worker for worker in place.workers if worker.process.poll() is None and worker.process.pid in busy
        ]
        if found:
            return found
        await asyncio.sleep(0.05)


async def _judge(
    place: Arena, manager: QueueManager, ids: list[str], options: argparse.Namespace, drained_s: float
) -> int:
    jobs, starts = await every_job(manager, ids), place.starts()
    extra = sum(len(marks) - 1 for marks in starts.values())
    after_end = sum(
        mark.at_ms > (jobs[job].finished_ms or 0)
        for job, marks in starts.items()
        if job in jobs
        for mark in marks
    )
    verdicts = Verdicts()
    verdicts.equal("jobs lost", len(ids) - len(jobs), 0)
    verdicts.equal("jobs that never ran", sum(each not in starts for each in ids), 0)
    verdicts.equal(
        "jobs without exactly one terminal state", sum(not j.state.is_terminal for j in jobs.values()), 0
    )
    verdicts.equal("jobs that did not complete", sum(j.state != "completed" for j in jobs.values()), 0)
    verdicts.equal("starts after a durable end", after_end, 0)
    verdicts.check("extra starts", extra, options.kills * options.slots)
    verdicts.check("seconds from the last kill to all done", round(drained_s, 1), 2 * options.lease)
    return verdicts.exit_code()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--every", type=float, default=0.7, help="seconds between two kills, on average")
    parser.add_argument("--seed", type=int)
    sys.exit(asyncio.run(main(parser.parse_args())))
