"""This proof runs jobs that take their worker down among healthy ones: only the first end as dead letters.

    python3 dev.py proof poison [--store sqlite] [--jobs 1000] [--processes 2] [--slots 10] [--lease 2]
        [--memory 300]

Each of os._exit, a segmentation fault and endless memory, from a coroutine and from a thread, in processes of one
supervisor. No kernel is asked to run out of memory: this proof kills a worker that holds more than --memory MB, as
the kernel does with a container's. --store postgres or
redis gives it a server of its own; PROOF_URL names another.
"""

import argparse
import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

from _arena import Arena, Verdicts, Worker, all_over, arena, ended, every_job, tell
from _places import add_store

from longshore import QueueManager
from longshore.core.job import JobRecord
from longshore.core.states import State

POISONS = [f"{way}-{place}" for way in ("exit", "segfault", "memory") for place in ("async", "thread")]
MAX_CRASHES = 3


async def main(options: argparse.Namespace) -> int:
    """Adds both kinds, waits until all are over, and counts."""
    print(
        f"poison: {len(POISONS)} jobs that take their worker down among {options.jobs:,} healthy ones, "
        f"{options.processes} processes of {options.slots} slots, lease {options.lease:g} s"
    )
    with arena(options.store, lease_seconds=options.lease, slots=options.slots) as place:
        async with place.manager() as manager:
            healthy, poison = await _add(manager, options.jobs)
            supervisor = place.start("--processes", str(options.processes))
            killer = asyncio.create_task(_kill_large(supervisor, options.memory * 1_000_000))
            took_s = await all_over(manager, healthy + poison, seconds=300, show="running")
            killer.cancel()
            supervisor.send(signal.SIGTERM)
            code = await asyncio.to_thread(supervisor.process.wait, 30)
            jobs = await every_job(manager, healthy + poison)
            return _judge(
                place, [jobs[each] for each in healthy], [jobs[each] for each in poison], took_s, code
            )


async def _add(manager: QueueManager, count: int) -> tuple[list[str], list[str]]:
    """Healthy jobs, short ones and some that are there when a neighbour dies, with the poison spread among them."""
    healthy: list[str] = []
    poison: list[str] = []
    share = count // len(POISONS)
    for name in POISONS:
        wishes = [{"name": "short", "data": {"number": n}} for n in range(share)]
        wishes[::20] = [{"name": "sleep", "data": {"seconds": 0.5}} for _ in wishes[::20]]
        healthy += [job.id for job in await manager.add_bulk("work", wishes)]
        poison.append((await manager.add_job("work", name, {})).id)
    return healthy, poison


async def _kill_large(supervisor: Worker, limit_bytes: int) -> None:
    """What a kernel does to a container's processes."""
    while True:
        for pid in _children(supervisor.process.pid):
            if _held_bytes(pid) > limit_bytes:
                tell(f"process {pid} holds too much memory: SIGKILL")
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _held_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _judge(place: Arena, healthy: list[JobRecord], poison: list[JobRecord], took_s: float, code: int) -> int:
    starts = {job.replace("-", ""): marks for job, marks in place.starts().items()}
    print(f"\n{'poison':<18} {'state':<10} {'crashes':>7} {'failures':>8} {'starts':>6}  last error")
    for job in poison:
        ran = len(starts.get(job.id.hex(), ()))
        print(f"{job.name:<18} {job.state:<10} {job.crashes:>7} {job.failures:>8} {ran:>6}  {job.error_text}")
    print(f"healthy jobs by their crashes: {_by_crashes(healthy)}; all over after {took_s:.0f} s\n")
    verdicts = Verdicts()
    verdicts.equal("poison jobs that are dead", sum(job.state is State.FAILED for job in poison), len(poison))
    verdicts.equal(
        f"poison jobs with exactly {MAX_CRASHES} crashes",
        sum(job.crashes == MAX_CRASHES for job in poison),
        len(poison),
    )
    verdicts.equal(
        f"poison jobs that began more than {MAX_CRASHES} times",
        sum(len(starts.get(job.id.hex(), ())) > MAX_CRASHES for job in poison),
        0,
    )
    verdicts.equal("healthy jobs that did not complete", sum(not ended(job) for job in healthy), 0)
    verdicts.equal("failures of healthy jobs", sum(job.failures for job in healthy), 0)
    verdicts.check("most crashes of a healthy job", max(job.crashes for job in healthy), MAX_CRASHES - 1)
    verdicts.equal("exit code of the supervisor after SIGTERM", code, 0)
    return verdicts.exit_code()


def _by_crashes(jobs: list[JobRecord]) -> str:
    crashes = [job.crashes for job in jobs]
    return ", ".join(f"{crashes.count(n):,} with {n}" for n in sorted(set(crashes)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--memory", type=int, default=300, help="MB that a worker may hold")
    sys.exit(asyncio.run(main(parser.parse_args())))
