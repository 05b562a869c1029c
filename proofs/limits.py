"""This proof holds limits against many processes that are killed and frozen: never too much, nearly all, nothing stuck.

    python3 dev.py proof limits [--store sqlite] [--seconds 30] [--workers 8] [--kills 20] [--only rates]

Rates: 50 keys at 10 a second with a burst of 5, more jobs than may start. Between any two claims of a key, t seconds
apart by the store's clock, lie at most 10 t + 5; between two starts as workers note them, which is some time after the
claim, as many as in t and the tolerance. Concurrency: 200 keys with limits from 1 to 5, some workers frozen for three
leases; the store is looked at all the time.
"""

import argparse
import asyncio
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable

from _arena import Arena, Verdicts, Worker, all_over, arena, every_job, tell
from _limited import APP, BURST, MOST, RATE, declared
from _places import add_store

from longshore import QueueManager
from longshore.core.ids import format_id
from longshore.core.states import State
from longshore.store.commands import JobQuery, MeterAsk

RATED_KEYS = 50
CAPPED_KEYS = 40
"""Of each limit."""
USED = 0.95


async def main(options: argparse.Namespace) -> int:
    """Both halves."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(
        f"limits: {options.workers} workers, {options.kills} SIGKILLs in {options.seconds:g} s, seed {seed}"
    )
    halves = {"rates": rates, "concurrency": concurrency}
    verdicts = Verdicts()
    for name in [options.only] if options.only else list(halves):
        with arena(options.store, lease_seconds=options.lease, slots=options.slots) as place:
            async with declared(place.manager()) as manager:
                await halves[name](place, manager, options, random.Random(seed), verdicts)
    return verdicts.exit_code()


# ---------------------------------------------------------------------------------------------------------------- rates


async def rates(
    place: Arena,
    manager: QueueManager,
    options: argparse.Namespace,
    chance: random.Random,
    verdicts: Verdicts,
) -> None:
    """Starts, by key."""
    await manager.pause_queue("paced")
    keys = await _fill(manager, "paced", RATED_KEYS, int(options.seconds * RATE * 1.2) + BURST + 10)
    await _start(place, options, "paced")
    await manager.resume_queue("paced")
    begin_ms = await _first_start(place)
    await _kill(place, options, chance, "paced")
    await asyncio.sleep(max(0.0, options.seconds - (time.time() - begin_ms / 1000)))
    end_ms = begin_ms + options.seconds * 1000
    for worker in place.workers:
        worker.kill()
    noted: dict[str, list[int]] = defaultdict(list)
    for mark in place.marks():
        noted[keys[mark.job]].append(mark.at_ms)
    claims: dict[str, list[int]] = defaultdict(list)
    for job, record in (await every_job(manager, list(keys))).items():
        if record.started_ms is not None:
            claims[keys[job]].append(record.started_ms)
    used = sum(time_ms <= end_ms for times in noted.values() for time_ms in times)
    allowed = RATED_KEYS * (BURST + RATE * options.seconds)
    late = [needed_ms(times) for times in noted.values()]
    verdicts.equal(
        "rates: keys with too many claims by the store's clock", sum(map(has_too_many, claims.values())), 0
    )
    verdicts.check("rates: ms by which noted starts bunch up, at worst", max(late), options.tolerance)
    verdicts.at_least("rates: share of what is allowed that started", round(used / allowed, 3), USED)


def has_too_many(times_ms: Iterable[int]) -> bool:
    """Whether some stretch has more than its rate and burst. A claim's time is cut to a whole millisecond."""
    return needed_ms(times_ms) > 1


def needed_ms(times_ms: Iterable[int]) -> float:
    """By how much the worst stretch is too short for what started in it."""
    worst, latest = 0.0, float("-inf")
    for number, time_ms in enumerate(sorted(times_ms)):
        latest = max(latest, time_ms - number * 1000 / RATE)
        worst = max(worst, (number + 1 - BURST) * 1000 / RATE - time_ms + latest)
    return round(worst, 1)


async def _first_start(place: Arena) -> int:
    while not place.count_marks():  # noqa: ASYNC110 - the mark is made by another process
        await asyncio.sleep(0.02)
    return min(mark.at_ms for mark in place.marks())


# ---------------------------------------------------------------------------------------------------------- concurrency


async def concurrency(
    place: Arena,
    manager: QueueManager,
    options: argparse.Namespace,
    chance: random.Random,
    verdicts: Verdicts,
) -> None:
    """Running jobs, by key."""
    queues = [f"capped-{limit}" for limit in range(1, MOST + 1)]
    keys: dict[str, str] = {}
    for limit, queue in enumerate(queues, 1):
        keys |= await _fill(manager, queue, CAPPED_KEYS, options.jobs * limit, seconds=0.05)
    await _start(place, options, ",".join(queues))
    watching = asyncio.create_task(_watch(manager, keys, queues))
    frozen = asyncio.create_task(_freeze(place, manager, options, chance))
    await _kill(place, options, chance, ",".join(queues))
    await frozen
    await all_over(manager, list(keys), seconds=120, show="concurrency")
    watching.cancel()
    await asyncio.wait([watching])
    samples, over, most = watching.result()
    store = await manager.store()
    readings = [
        reading for each in await store.gauge([MeterAsk(queue) for queue in queues]) for reading in each
    ]
    verdicts.at_least("concurrency: looks at the store", samples, 10)
    verdicts.at_least("concurrency: share of all limits that was in use at most", most, 0.1)
    verdicts.equal("concurrency: samples of a key over its limit", over, 0)
    verdicts.equal("concurrency: keys stuck", sum(each.used + each.held > 0 for each in readings), 0)


async def _watch(manager: QueueManager, keys: dict[str, str], queues: list[str]) -> tuple[int, int, float]:
    """How often it looked, how often a key was over its limit, and the largest share of all limits in use at once."""
    store = await manager.store()
    samples = over = most = 0
    queries = [JobQuery(queues=(queue,), states=(State.RUNNING,), limit=1000) for queue in queues]
    try:
        while True:
            for limit, page in enumerate(await store.scan(queries), 1):
                running = Counter(keys[format_id(job.id)] for job in page.jobs)
                over += sum(count > limit for count in running.values())
                most = max(most, len(page.jobs) / (limit * CAPPED_KEYS))
            samples += 1
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return samples, over, round(most, 2)


async def _freeze(
    place: Arena, manager: QueueManager, options: argparse.Namespace, chance: random.Random
) -> None:
    """Stops workers for three leases, not in the middle of a write to a file: that would stop everybody."""
    for _ in range(options.zombies):
        worker = chance.choice([each for each in place.workers if each.process.poll() is None])
        worker.send(signal.SIGSTOP)
        while not await _accepts_writes(manager):
            worker.send(signal.SIGCONT)
            await asyncio.sleep(0.02)
            worker.send(signal.SIGSTOP)
        await asyncio.sleep(3 * options.lease)
        worker.send(signal.SIGCONT)


async def _accepts_writes(manager: QueueManager) -> bool:
    try:
        await asyncio.wait_for(manager.resume_queue("probe"), 0.5)
    except TimeoutError:
        return False
    return True


# ----------------------------------------------------------------------------------------------------------------- both


async def _fill(
    manager: QueueManager, queue: str, keys: int, count: int, *, seconds: float = 0
) -> dict[str, str]:
    """Adds so many jobs of each key, in turns; the key of each job by its id."""
    found: dict[str, str] = {}
    for _ in range(0, count, 10):
        data = [{"key": f"{queue} {key}", "seconds": seconds} for key in range(keys)] * 10
        jobs = await manager.add_bulk(queue, [{"name": "work", "data": each} for each in data])
        found |= {job.id: each["key"] for job, each in zip(jobs, data, strict=True)}
        tell(f"{len(found):,} jobs in {queue}")
    return found


async def _start(place: Arena, options: argparse.Namespace, queues: str) -> None:
    for _ in range(options.workers):
        place.start("--queues", queues, app=APP)
    await asyncio.sleep(2)  # so that most of them are there when it begins


async def _kill(place: Arena, options: argparse.Namespace, chance: random.Random, queues: str) -> None:
    """Kills workers, evenly over the time, and starts a new one for each."""
    for number in range(options.kills):
        await asyncio.sleep(options.seconds / (options.kills + 1))
        alive: list[Worker] = [worker for worker in place.workers if worker.process.poll() is None]
        chance.choice(alive).kill()
        place.start("--queues", queues, app=APP)
        tell(f"kill {number + 1} of {options.kills}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--zombies", type=int, default=3)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--jobs", type=int, default=40, help="of each key and unit of its limit")
    parser.add_argument("--tolerance", type=float, default=500, help="ms between a claim and its start")
    parser.add_argument("--only", choices=("rates", "concurrency"))
    parser.add_argument("--seed", type=int)
    sys.exit(asyncio.run(main(parser.parse_args())))
