"""This proof fills a store with millions of jobs: claims stay quick, workers stay small, pruning is in nobody's way.

    python3 dev.py proof sizes [--store sqlite] [--count 1000000] [--claims 2000]

As many jobs are waiting, scheduled and finished in one queue. A claim is of one job, beside the same claim of a queue
that holds nothing else. What prunes is another process, in the pruner's chunks and with its pauses.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from _arena import Arena, Verdicts, arena, tell
from _places import add_store

from longshore.backends import open_store
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.verdict import COMPLETED
from longshore.store.commands import ClaimAsk, Lease, Settlement
from longshore.store.contract import Store

QUEUE, ALONE, SESSION = "work", "alone", "proof"
CHUNK = 1000
HOUR_MS = 3_600_000
PRUNER = Path(__file__).with_name("_pruning.py")
WORKER_JOBS = 5000
PAYLOAD = b'{"number": 7}'


class Pace(NamedTuple):
    """Claims of one job each, each job settled."""

    p50_ms: float
    p99_ms: float
    a_second: float


async def main(options: argparse.Namespace) -> int:
    """Measures empty, fills, measures full, looks at a worker, prunes."""
    print(f"sizes: {options.store}, {options.count:,} jobs each waiting, scheduled and finished")
    with arena(options.store, lease_seconds=30, slots=10) as place:
        store = open_store(place.url)
        await store.open()
        await store.extend([Lease(session=SESSION, lease_ms=24 * HOUR_MS, queues=(QUEUE, ALONE), opens=True)])
        empty = await _pace(store, ALONE, options.claims, refills=True)
        await _fill(store, options.count)
        full = await _pace(store, QUEUE, options.claims, refills=False)
        worker_mb = await _worker_mb(place)
        before, during, pruned = await _prune(place, store)
        await store.close()
    print(f"\n{'claim of one job':<22} {'p50 ms':>8} {'p99 ms':>8} {'per second':>11}")
    for name, pace in {
        "empty": empty,
        "full": full,
        "before pruning": before,
        "while pruning": during,
    }.items():
        print(f"{name:<22} {pace.p50_ms:>8.2f} {pace.p99_ms:>8.2f} {pace.a_second:>11,.0f}")
    verdicts = Verdicts()
    verdicts.check("p99 of a claim, full against empty", round(full.p99_ms / empty.p99_ms, 2), 2)
    verdicts.check("memory of a worker, MB", round(worker_mb), 200)
    verdicts.check(
        "claiming is slower while pruning, %", round(100 * (1 - during.a_second / before.a_second)), 20
    )
    verdicts.equal("finished jobs pruned", pruned, options.count)
    return verdicts.exit_code()


async def _fill(store: Store, count: int) -> None:
    """Waiting, scheduled and finished jobs, a third each; the finished ones are older than a pruner keeps them."""
    long_ago_ms = time.time_ns() // 1_000_000 - 2 * HOUR_MS

    def waiting() -> NewJob:
        return NewJob(id=new_id(), queue=QUEUE, name="short", payload=PAYLOAD)

    def scheduled() -> NewJob:
        return NewJob(id=new_id(), queue=QUEUE, name="short", payload=PAYLOAD, delay_ms=24 * HOUR_MS)

    def finished() -> JobRecord:
        return JobRecord(
            id=new_id(),
            queue=QUEUE,
            name="short",
            payload=PAYLOAD,
            state=State.COMPLETED,
            priority=3,
            fence=1,
            created_ms=long_ago_ms,
            started_ms=long_ago_ms,
            finished_ms=long_ago_ms,
            updated_ms=long_ago_ms,
            result=b"7",
        )

    for what, make, put in (
        ("waiting", waiting, store.insert),
        ("scheduled", scheduled, store.insert),
        ("finished", finished, store.adopt),
    ):
        begin = time.monotonic()
        for done in range(0, count, CHUNK):
            await put([make() for _ in range(min(CHUNK, count - done))])  # type: ignore[operator]
            if done % 100_000 == 0:
                tell(f"{what}: {done:,} of {count:,}")
        tell(f"{what}: {count:,} in {time.monotonic() - begin:.0f} s")


async def _pace(store: Store, queue: str, claims: int, *, refills: bool) -> Pace:
    """So many claims, one after the other. With `refills` the queue holds nothing but the job of the next claim."""
    times = []
    for _ in range(claims):
        if refills:
            await store.insert([NewJob(id=new_id(), queue=queue, name="short", payload=PAYLOAD)])
        times.append(await _claim_and_settle(store, queue))
    return _summary(times, sum(times))


async def _claim_and_settle(store: Store, queue: str) -> float:
    """The seconds that the claim took."""
    begin = time.perf_counter()
    [claimed] = await store.claim([ClaimAsk(queue, 1, SESSION)])
    took_s = time.perf_counter() - begin
    [job] = claimed.jobs
    await store.settle(
        [Settlement(id=job.id, queue=queue, session=SESSION, fence=job.fence, verdict=COMPLETED)]
    )
    return took_s


def _summary(times: Sequence[float], took_s: float) -> Pace:
    ordered = sorted(times)
    return Pace(
        1000 * ordered[len(ordered) // 2], 1000 * ordered[len(ordered) * 99 // 100], len(times) / took_s
    )


async def _worker_mb(place: Arena) -> float:
    """The most memory that a worker held while it ran some thousand of the jobs."""
    worker = place.start()
    while place.count_marks() < WORKER_JOBS:  # noqa: ASYNC110 - the marks are made by another process
        await asyncio.sleep(0.05)
    held_mb = _most_mb(worker.process.pid)
    worker.send(signal.SIGTERM)
    await asyncio.to_thread(worker.process.wait, 30)
    return held_mb


def _most_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1000


async def _prune(place: Arena, store: Store) -> tuple[Pace, Pace, int]:
    """The pace before and while another process prunes all that is old, and how many jobs that was."""
    before = await _pace_until(store, lambda begin: time.monotonic() - begin > 10)
    pruning = asyncio.create_task(_pruned(place.url))
    during = await _pace_until(store, lambda _: pruning.done())
    return before, during, await pruning


async def _pruned(url: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PRUNER), url, QUEUE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return int(said or 0)


async def _pace_until(store: Store, is_over: Callable[[float], bool]) -> Pace:
    begin = time.monotonic()
    times = []
    while not is_over(begin):
        times.append(await _claim_and_settle(store, QUEUE))
    return _summary(times, time.monotonic() - begin)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--claims", type=int, default=2000)
    sys.exit(asyncio.run(main(parser.parse_args())))
