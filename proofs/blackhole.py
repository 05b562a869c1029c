"""This proof swallows connections: they stay open and nothing answers, and work goes on within two deadlines.

    python3 dev.py proof blackhole [--store postgres] [--rounds 5] [--deadline 5] [--slots 10] [--lease 15]

As behind a router that has forgotten its connections: new ones pass, the old ones are silent for ever. An idle worker
hears no wake-up either, so what it takes to look by itself is in the measure too.
"""

import argparse
import asyncio
import sys
import time

from _arena import Arena, Verdicts, all_over, arena, every_job, tell
from _places import add_store
from _stubborn import Producer

from longshore.backends import open_store
from servers.proxy import Proxy

BETWEEN_SECONDS = 2.0


async def main(options: argparse.Namespace) -> int:
    """A worker behind the proxy, jobs added past it."""
    print(f"blackhole: {options.store}, {options.rounds} rounds, deadline {options.deadline:g} s")
    with arena(options.store, lease_seconds=options.lease, slots=options.slots) as place, Proxy() as proxy:
        url = proxy.url_for(place.place.running.url)
        store = open_store(place.url)
        await store.open()
        place.go_through(f"{url}{'&' if '?' in url else '?'}deadline={options.deadline:g}")
        worker = place.start()
        producer, stop = Producer(store), asyncio.Event()
        producing = asyncio.create_task(_keep_busy(producer, stop))
        await _next_start(place, 0)
        silences = [await _swallow(place, proxy, number) for number in range(options.rounds)]
        stop.set()
        await producing
        exited = worker.process.poll() is not None
        async with place.manager() as manager:
            await all_over(manager, producer.acknowledged, seconds=60 + options.lease, show="draining")
            jobs = await every_job(manager, producer.acknowledged)
        await store.close()
        verdicts = Verdicts()
        verdicts.check("longest silence, seconds", round(max(silences), 2), 2 * options.deadline)
        verdicts.equal("workers that exited", int(exited), 0)
        verdicts.equal("jobs lost", len(producer.acknowledged) - len(jobs), 0)
        verdicts.equal("jobs that did not complete", sum(j.state != "completed" for j in jobs.values()), 0)
        return verdicts.exit_code()


async def _keep_busy(producer: Producer, stop: asyncio.Event) -> None:
    """A hundred jobs a second, so that each silence is that of the worker."""
    while not stop.is_set():
        await producer.add(10)
        await asyncio.sleep(0.1)


async def _swallow(place: Arena, proxy: Proxy, number: int) -> float:
    """Seconds from the loss of all connections to the first job that begins on a new one."""
    await asyncio.sleep(BETWEEN_SECONDS)
    await asyncio.to_thread(proxy.swallow)
    begin = time.monotonic()
    await asyncio.sleep(0.5)  # jobs that were claimed before may still begin
    await _next_start(place, place.count_marks())
    took_s = time.monotonic() - begin
    tell(f"round {number + 1}: silent for {took_s:.2f} s")
    return took_s


async def _next_start(place: Arena, after: int) -> None:
    while place.count_marks() <= after:  # noqa: ASYNC110 - the mark is made by another process
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser, stores=("postgres", "redis", "valkey"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--deadline", type=float, default=5, help="seconds that a call to the store may take")
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--lease", type=float, default=15)
    sys.exit(asyncio.run(main(parser.parse_args())))
