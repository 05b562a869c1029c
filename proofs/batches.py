"""This proof lets batch functions answer wrongly, hang, and kill their workers: no job is lost or ends twice.

    python3 dev.py proof batches [--store sqlite] [--items 200] [--kills 8] [--lease 2] [--seed N]

Eight batch tasks in two workers: one behaves, the others return too few answers, too many, in another order, raise,
take too long, drop items, or end the process; and now and then a worker is killed from outside. Then one job among 64
kills its worker each time: it must stand alone within seven crashes, and only it be charged. Then single jobs must
begin within max_wait + 100 ms. --store postgres or redis gives it a server of its own; PROOF_URL names another.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections import Counter, defaultdict
from typing import NamedTuple

from _arena import Arena, Verdicts, Worker, arena, every_job, tell
from _places import add_store

from longshore import QueueManager
from longshore.core.job import JobRecord
from longshore.core.states import State

WAYS = ("well", "too-few", "too-many", "wrong-order", "raise", "time-out", "drop", "kill")
APP = "_batch_app:manager"
POISON, AMONG, MOST_CRASHES = 37, 64, 7
WAIT_SECONDS, MARGIN_SECONDS, ROUNDS = 0.5, 0.1, 20
LIMIT_SECONDS = 300


class Line(NamedTuple):
    """A mark of the application."""

    what: str
    way: str
    item: int
    at_ms: int
    pid: int


async def main(options: argparse.Namespace) -> int:
    """The three parts, on one store."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(
        f"batches: {options.items} jobs for each of {len(WAYS)} functions, {options.kills} kills, seed {seed}"
    )
    verdicts = Verdicts()
    with arena(options.store, lease_seconds=options.lease, slots=20) as place:
        async with place.manager() as manager:
            await _matrix(place, manager, options, random.Random(seed), verdicts)
            await _halving(place, manager, verdicts)
            await _flushing(place, manager, verdicts)
    return verdicts.exit_code()


def lines(place: Arena) -> list[Line]:
    """What the application has marked so far."""
    rows = [row.split() for row in place.marked()]
    return [Line(what, way, int(item), int(at), int(pid)) for what, way, item, at, pid in rows]


async def _add(manager: QueueManager, queue: str, count: int) -> list[str]:
    return [
        job.id for job in await manager.add_bulk(queue, [{"name": queue, "data": n} for n in range(count)])
    ]


async def _until_over(manager: QueueManager, ids: list[str], tend: object, show: str) -> dict[str, JobRecord]:
    """Waits for the end of all jobs, and calls `tend` between two looks."""
    began = time.monotonic()
    while True:
        jobs = await every_job(manager, ids)
        left = sum(each not in jobs or not jobs[each].state.is_terminal for each in ids)
        tell(f"{show}: {len(ids) - left:,} of {len(ids):,} done")
        if not left:
            return jobs
        if time.monotonic() - began > LIMIT_SECONDS:
            raise TimeoutError(f"{left} jobs are not over")
        tend()
        await asyncio.sleep(0.1)


async def _matrix(
    place: Arena,
    manager: QueueManager,
    options: argparse.Namespace,
    chance: random.Random,
    verdicts: Verdicts,
) -> None:
    ids = {way: await _add(manager, way, options.items) for way in WAYS}
    workers = [place.start(app=APP) for _ in range(2)]
    deaths, kills, next_kill = 0, 0, time.monotonic() + 2

    def tend() -> None:
        nonlocal deaths, kills, next_kill
        if kills < options.kills and time.monotonic() > next_kill:
            chance.choice(workers).kill()
            kills, next_kill = kills + 1, time.monotonic() + chance.uniform(0.5, 2)
        for number, worker in enumerate(workers):
            if worker.process.poll() is not None:
                deaths += 1
                workers[number] = place.start(app=APP)

    began = time.monotonic()
    jobs = await _until_over(manager, [each for own in ids.values() for each in own], tend, "matrix")
    took_s = time.monotonic() - began
    await _stop(workers)
    found = lines(place)
    ends = Counter((line.way, line.item) for line in found if line.what == "end")
    print(
        f"\nmatrix: {len(jobs):,} jobs in {took_s:.1f} s, {deaths} workers died, {kills} of them killed from outside\n"
    )
    print(
        f"{'function':<12} {'jobs':>5} {'completed':>9} {'failures':>8} {'crashes':>8} {'begun':>6} {'told ends':>9}"
    )
    for way, own in ids.items():
        kept = [jobs[each] for each in own if each in jobs]
        begun = sum(line.what == "begin" and line.way == way for line in found)
        print(
            f"{way:<12} {len(own):>5} {sum(job.state is State.COMPLETED for job in kept):>9} "
            f"{sum(job.failures for job in kept):>8} {sum(job.crashes for job in kept):>8} {begun:>6} "
            f"{sum(count for (of, _), count in ends.items() if of == way):>9}"
        )
    print()
    verdicts.equal("jobs lost", sum(len(own) for own in ids.values()) - len(jobs), 0)
    verdicts.equal(
        "jobs that did not complete", sum(job.state is not State.COMPLETED for job in jobs.values()), 0
    )
    verdicts.equal("jobs of which two ends were told", sum(count > 1 for count in ends.values()), 0)
    verdicts.equal("jobs that began again after their end", _again(found), 0)
    verdicts.equal(
        "jobs with another's result",
        sum(
            jobs[each].result not in (None, str(n).encode())
            for own in ids.values()
            for n, each in enumerate(own)
        ),
        0,
    )
    verdicts.at_least("workers that died", deaths, options.kills)


def _again(found: list[Line]) -> int:
    ended: dict[tuple[str, int], int] = {}
    for line in found:
        if line.what == "end":
            ended.setdefault((line.way, line.item), line.at_ms)
    return sum(
        line.what == "begin" and line.at_ms > ended.get((line.way, line.item), line.at_ms) for line in found
    )


async def _halving(place: Arena, manager: QueueManager, verdicts: Verdicts) -> None:
    place.forget_marks()
    ids = await _add(manager, "poison", AMONG)
    workers = [place.start("--queues", "poison", app=APP)]

    def tend() -> None:
        if workers[0].process.poll() is not None:
            workers[0] = place.start("--queues", "poison", app=APP)

    jobs = await _until_over(manager, ids, tend, "halving")
    await _stop(workers)
    sizes = [int(line.way.partition("-")[2]) for line in lines(place) if line.item == POISON]
    print(f"\nhalving: the poison ran in batches of {', '.join(map(str, sizes))}\n")
    others = [jobs[each] for number, each in enumerate(ids) if number != POISON]
    verdicts.check("crashes until the poison stood alone", sizes.index(1) + 1, MOST_CRASHES)
    verdicts.equal("the poison's end", jobs[ids[POISON]].state, State.FAILED)
    verdicts.equal("others completed", sum(job.state is State.COMPLETED for job in others), AMONG - 1)
    verdicts.equal(
        "crashes and failures charged to others", sum(job.crashes + job.failures for job in others), 0
    )


async def _flushing(place: Arena, manager: QueueManager, verdicts: Verdicts) -> None:
    place.forget_marks()
    worker = place.start("--queues", "flush", app=APP)
    await _until_over(manager, await _add(manager, "flush", 50), lambda: None, "warm")
    added: dict[int, int] = {}
    for number in range(1000, 1000 + ROUNDS):
        [job] = await manager.add_bulk("flush", [{"name": "flush", "data": number}])
        added[number] = time.time_ns() // 1_000_000
        await _until_over(manager, [job.id], lambda: None, "flush")
    await _stop([worker])
    waits: dict[int, float] = defaultdict(float)
    for line in lines(place):
        if line.item in added:
            waits[line.item] = (line.at_ms - added[line.item]) / 1000
    print(f"\nflush: {min(waits.values()):.3f} to {max(waits.values()):.3f} s, max_wait {WAIT_SECONDS:g} s\n")
    verdicts.equal("single jobs that began", len(waits), ROUNDS)
    verdicts.check(
        "longest wait of a single job, seconds", max(waits.values()), WAIT_SECONDS + MARGIN_SECONDS
    )


async def _stop(workers: list[Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        await asyncio.to_thread(worker.process.wait, 30)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--seed", type=int)
    os.environ.setdefault("LONGSHORE_LOG_LEVEL", "WARNING")
    sys.exit(asyncio.run(main(parser.parse_args())))
