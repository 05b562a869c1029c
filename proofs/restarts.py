"""This proof restarts the server under load: workers stay, no acknowledged job is lost, and the speed comes back.

    python3 dev.py proof restarts [--store postgres] [--restarts 20] [--workers 2] [--slots 10] [--lease 5]
        [--every 11]

Every second restart is a kill, the others are in order. The speed is that of jobs of 5 ms, in windows of a second; a
producer keeps some thousand jobs ahead of the workers.
"""

import argparse
import asyncio
import statistics
import sys
import time
from bisect import bisect_left
from itertools import pairwise

from _arena import Arena, Verdicts, all_over, arena, every_job, tell
from _places import add_store
from _stubborn import Producer

from longshore import QueueManager
from longshore.backends import open_store
from servers import ServerLike

AHEAD = 3000
CHUNK = 250
WARM_SECONDS = 8
SHARE = 0.9
LIMIT_SECONDS = 10


async def main(options: argparse.Namespace) -> int:
    """Loads, restarts, drains and judges."""
    print(
        f"restarts: {options.store}, {options.restarts} restarts, {options.workers} workers of {options.slots} slots"
    )
    with arena(options.store, lease_seconds=options.lease, slots=options.slots) as place:
        store = open_store(place.url)
        await store.open()
        producer = Producer(store)
        for _ in range(options.workers):
            place.start()
        stop = asyncio.Event()
        producing = asyncio.create_task(_stay_ahead(place, producer, stop))
        up_ms = await _restart(place, options)
        stop.set()
        await producing
        await store.close()
        exited = sum(worker.process.poll() is not None for worker in place.workers)
        async with place.manager() as manager:
            await all_over(manager, producer.acknowledged, seconds=120, show="draining")
            return await _judge(place, manager, producer, up_ms, exited)


async def _stay_ahead(place: Arena, producer: Producer, stop: asyncio.Event) -> None:
    """Adds jobs as they are worked off."""
    while not stop.is_set():
        if len(producer.acknowledged) - place.count_marks() < AHEAD:
            await producer.add(CHUNK)
        else:
            await asyncio.sleep(0.02)


async def _restart(place: Arena, options: argparse.Namespace) -> list[int]:
    """When the server was there again, each time, in milliseconds since 1970; the last one has time to be judged."""
    server, found = place.place.running, []
    while place.count_marks() < CHUNK:  # noqa: ASYNC110 - the marks are made by other processes
        await asyncio.sleep(0.1)
    await asyncio.sleep(WARM_SECONDS)
    for number in range(options.restarts):
        await asyncio.to_thread(_one, server, kills=number % 2 == 1)
        found.append(time.time_ns() // 1_000_000)
        tell(f"restart {number + 1} of {options.restarts}")
        await asyncio.sleep(options.every if number + 1 < options.restarts else LIMIT_SECONDS)
    return found


def _one(server: ServerLike, *, kills: bool) -> None:
    (server.kill if kills else server.stop)()
    server.start()


async def _judge(
    place: Arena, manager: QueueManager, producer: Producer, up_ms: list[int], exited: int
) -> int:
    jobs, marks = await every_job(manager, producer.acknowledged), place.marks()
    times = sorted(mark.at_ms for mark in marks)
    begin_ms = up_ms[0] - 500
    usual = _usual(times, begin_ms - (WARM_SECONDS - 4) * 1000, begin_ms)
    ends = [*up_ms[1:], up_ms[-1] + LIMIT_SECONDS * 1000]
    back = [_back(times, up, end, usual * SHARE) for up, end in zip(up_ms, ends, strict=True)]
    print(
        f"\n{len(jobs):,} jobs; {usual:,.0f} jobs/s before; back at {SHARE:.0%} after "
        f"{statistics.median(back):.1f} s in the median; {producer.repeats} calls of the producer repeated"
    )
    late = sum(mark.at_ms > (jobs[mark.job].finished_ms or 0) for mark in marks if mark.job in jobs)
    verdicts = Verdicts()
    verdicts.equal("workers that exited", exited, 0)
    verdicts.equal("acknowledged jobs lost", len(producer.acknowledged) - len(jobs), 0)
    verdicts.equal("jobs that did not complete", sum(job.state != "completed" for job in jobs.values()), 0)
    verdicts.equal("starts after a durable end", late, 0)
    verdicts.at_least("jobs a second before the first restart", round(usual), 1)
    verdicts.check(f"seconds until the speed is back at {SHARE:.0%}", round(max(back), 1), LIMIT_SECONDS)
    return verdicts.exit_code()


def _usual(times: list[int], begin_ms: int, end_ms: int) -> float:
    """Jobs a second, in the median of the whole seconds between."""
    edges = range(begin_ms, end_ms + 1, 1000)
    return statistics.median(_count(times, *pair) for pair in pairwise(edges))


def _back(times: list[int], up_ms: int, end_ms: int, wanted: float) -> float:
    """Seconds after which a window of one second begins that is fast enough; infinite when there is none in time."""
    for begin in range(up_ms, end_ms - 999, 100):
        if _count(times, begin, begin + 1000) >= wanted:
            return (begin - up_ms) / 1000
    return float("inf")


def _count(times: list[int], begin_ms: int, end_ms: int) -> int:
    return bisect_left(times, end_ms) - bisect_left(times, begin_ms)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser, stores=("postgres", "redis", "valkey", "redis-cluster"))
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--lease", type=float, default=5)
    parser.add_argument("--every", type=float, default=11, help="seconds between two restarts")
    sys.exit(asyncio.run(main(parser.parse_args())))
