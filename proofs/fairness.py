"""This proof lets one tenant have 10,000 jobs and nine others 10 each: the nine are done before the first has had 200.

python3 dev.py proof fairness [--store sqlite] [--workers 2] [--many 10000] [--few 10]
"""

import argparse
import asyncio
import sys

from _arena import Arena, Verdicts, arena, tell
from _limited import APP, declared
from _places import add_store

from longshore import QueueManager

OTHERS = 9
MOST = 200


async def main(options: argparse.Namespace) -> int:
    """Adds the jobs of the big tenant first, then those of the others, and lets workers loose on them."""
    print(f"fairness: {options.many:,} jobs of one tenant, {options.few} of each of {OTHERS} others")
    with arena(options.store, slots=10) as place:
        async with declared(place.manager()) as manager:
            await manager.pause_queue("shared")
            tenants = await _add(manager, options)
            for _ in range(options.workers):
                place.start("--queues", "shared", app=APP)
            await manager.resume_queue("shared")
            await _small_ones_done(place, tenants)
            return _judge(place, tenants)


async def _add(manager: QueueManager, options: argparse.Namespace) -> dict[str, str]:
    """The tenant of each job, by its id."""
    tenants = {}
    counts = {"big": options.many} | {f"small-{number}": options.few for number in range(OTHERS)}
    for key, count in counts.items():
        jobs = await manager.add_bulk("shared", [{"name": "work", "data": {"key": key}}] * count)
        tenants |= {job.id: key for job in jobs}
    return tenants


async def _small_ones_done(place: Arena, tenants: dict[str, str]) -> None:
    wanted = {job for job, key in tenants.items() if key != "big"}
    while not wanted <= {mark.job for mark in place.marks()}:
        tell(f"{place.count_marks():,} jobs have run")
        await asyncio.sleep(0.1)


def _judge(place: Arena, tenants: dict[str, str]) -> int:
    order = [tenants[mark.job] for mark in place.marks()]
    last = max(number for number, key in enumerate(order) if key != "big")
    verdicts = Verdicts()
    verdicts.check("jobs of the big one before the others were done", order[:last].count("big"), MOST)
    return verdicts.exit_code()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--few", type=int, default=10)
    sys.exit(asyncio.run(main(parser.parse_args())))
