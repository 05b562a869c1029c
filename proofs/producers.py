"""This proof lets a dozen producers add jobs at random times: a worker with free slots begins each without a poll.

python3 dev.py proof producers [--store sqlite] [--producers 12] [--seconds 20] [--pause 0.02]

A store may tell a waiting worker of a new job only now and then, as PostgreSQL does, where telling takes a lock of the
whole database. Whoever is told too seldom finds jobs by polling, seconds late.
"""

import argparse
import asyncio
import random
import sys
import time

from _arena import Arena, Verdicts, all_over, arena, tell
from _places import add_store

from longshore import QueueManager

BURSTS = (1, 1, 2, 3, 5, 6)
LATEST_SECONDS = 1.0
"""A poll takes 5 s; a machine whose cores are all busy takes a tenth of a second now and then."""
LATE_SECONDS = 0.2


async def main(options: argparse.Namespace) -> int:
    """Starts one worker, lets the producers add, and compares when each job was added and when it began."""
    print(f"producers: {options.producers} add jobs for {options.seconds:g} s")
    with arena(options.store, slots=50) as place:
        place.start()
        async with place.manager() as manager:
            await _warm(manager)
        place.forget_marks()
        until = time.monotonic() + options.seconds
        added: dict[str, int] = {}
        await asyncio.gather(
            *(_produce(place, until, options.pause, added) for _ in range(options.producers))
        )
        async with place.manager() as manager:
            await all_over(manager, list(added), seconds=60, show="done")
        return _judge(place, added)


async def _warm(manager: QueueManager) -> None:
    jobs = await manager.add_bulk("work", [{"name": "short", "data": {"number": 0}}] * 50)
    await all_over(manager, [job.id for job in jobs], seconds=60, show="warm")


async def _produce(place: Arena, until: float, pause: float, added: dict[str, int]) -> None:
    """Adds one job after the other, some at a time, on connections of its own."""
    async with place.manager() as manager:
        while time.monotonic() < until:
            await asyncio.sleep(random.expovariate(1 / pause))
            for _ in range(random.choice(BURSTS)):
                at_ms = time.time_ns() // 1_000_000
                job = await manager.add_job("work", "short", {"number": 1})
                added[job.id] = at_ms
            tell(f"{len(added):,} jobs were added")


def _judge(place: Arena, added: dict[str, int]) -> int:
    waits = sorted((mark.at_ms - added[mark.job]) / 1000 for mark in place.marks() if mark.job in added)
    print(f"\n{len(waits):,} jobs began after {waits[len(waits) // 2]:.3f} s in the median\n")
    verdicts = Verdicts()
    verdicts.equal("jobs that began", len(waits), len(added))
    verdicts.check("99 of 100 waited at most, seconds", waits[len(waits) * 99 // 100], LATE_SECONDS)
    verdicts.check("longest wait, seconds", waits[-1], LATEST_SECONDS)
    return verdicts.exit_code()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--producers", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pause", type=float, default=0.02, help="mean, between two bursts of one producer")
    sys.exit(asyncio.run(main(parser.parse_args())))
