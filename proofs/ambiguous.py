"""This proof loses replies: what a worker or a producer does not hear of was done all the same, and is done only once.

    python3 dev.py proof ambiguous [--store postgres] [--jobs 20000] [--share 0.1] [--slots 20] [--lease 5] [--seed N]

A proxy before the server drops this share of the replies and cuts their connections. Producers repeat a call that was
not answered, with the same ids; so do workers when they settle.
"""

import argparse
import asyncio
import random
import sys

from _arena import Arena, Verdicts, all_over, arena, every_job, tell
from _places import add_store
from _stubborn import Producer

from longshore import QueueManager
from longshore.backends import open_store
from servers.proxy import Proxy

TOGETHER = 20


async def main(options: argparse.Namespace) -> int:
    """Adds jobs and runs them through the proxy, and counts on the server itself."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(
        f"ambiguous: {options.jobs:,} jobs on {options.store}, {options.share:.0%} of replies lost, seed {seed}"
    )
    with (
        arena(options.store, lease_seconds=options.lease, slots=options.slots) as place,
        Proxy(seed=seed) as proxy,
    ):
        url = proxy.url_for(place.place.running.url)
        async with place.manager() as manager:
            place.go_through(url)
            await _start_worker(place, manager)
            proxy.drop_replies(options.share)
            producer = await _produce(url, options.jobs)
            await all_over(manager, producer.acknowledged, seconds=300, show="draining")
            proxy.heal()
            return await _judge(place, manager, producer, proxy.dropped)


async def _start_worker(place: Arena, manager: QueueManager) -> None:
    """A worker that has run a job: one that finds no store when it starts ends with an error, as it should."""
    worker = place.start()
    [job] = await manager.add_bulk("work", [{"name": "short", "data": {"number": 0}}])
    await all_over(manager, [job.id], seconds=30, show="the worker's start")
    await manager.delete_job(job.id)
    place.forget_marks()
    assert worker.process.poll() is None


async def _produce(url: str, jobs: int) -> Producer:
    store = open_store(url)
    producer = Producer(store)
    await producer.stubbornly(store.open)
    try:
        begun = 0
        while begun < jobs:
            await producer.add_in_many_calls(min(1000, jobs - begun), together=TOGETHER)
            begun += 1000
            tell(f"{len(producer.acknowledged):,} of {jobs:,} added, {producer.repeats:,} calls repeated")
    finally:
        await store.close()
    return producer


async def _judge(place: Arena, manager: QueueManager, producer: Producer, dropped: int) -> int:
    ids = producer.acknowledged
    jobs, starts = await every_job(manager, ids), place.starts()
    there = sum(sum(counts.states.values()) for counts in await (await manager.store()).count(None))
    late = sum(
        mark.at_ms > (jobs[job].finished_ms or 0)
        for job, marks in starts.items()
        if job in jobs
        for mark in marks
    )
    print(
        f"\n{dropped:,} times replies were lost, those of several calls at once where they share a connection; "
        f"the producer repeated {producer.repeats:,} calls itself"
    )
    verdicts = Verdicts()
    verdicts.at_least(
        "adds that a repeat found done, of 1,000", round(1000 * producer.found_there / len(ids)), 10
    )
    verdicts.equal("jobs lost", len(ids) - len(jobs), 0)
    verdicts.equal("jobs in the store beyond those added", there - len(ids), 0)
    verdicts.equal("jobs that never ran", sum(each not in starts for each in ids), 0)
    verdicts.equal("jobs that did not complete", sum(job.state != "completed" for job in jobs.values()), 0)
    verdicts.equal("jobs that ran twice", sum(len(marks) > 1 for marks in starts.values()), 0)
    verdicts.equal("starts after a durable end", late, 0)
    return verdicts.exit_code()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser, stores=("postgres", "redis", "valkey"))
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument(
        "--share", type=float, default=0.1, help="of the replies, after each connection's greeting"
    )
    parser.add_argument("--slots", type=int, default=20)
    parser.add_argument("--lease", type=float, default=5)
    parser.add_argument("--seed", type=int)
    sys.exit(asyncio.run(main(parser.parse_args())))
