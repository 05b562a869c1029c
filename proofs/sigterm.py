"""This proof sends SIGTERM to workers at random ages: each ends in time, and no job is lost or charged anything.

    python3 dev.py proof sigterm [--store sqlite] [--rounds 100] [--grace 2] [--lease 5] [--processes 1] [--seed N]

A round starts a worker, or with --processes a supervisor of several, and lets it be idle, or busy with jobs of 0.05 s,
or with jobs of 60 s, coroutines or threads that nothing can stop. The signal comes 0 to 2 seconds after the process
was started or, in every second turn, after its first job was. --store postgres or redis gives it a server of its own;
PROOF_URL names another.
"""

import argparse
import asyncio
import random
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from _arena import Arena, Verdicts, arena, every_job, tell
from _places import add_store

from longshore import QueueManager
from longshore.core.job import JobRecord
from longshore.core.states import State

WORK = {
    "idle": None,
    "jobs of 0.05 s": ("sleep", 0.05),
    "jobs of 60 s": ("sleep", 60.0),
    "threads of 60 s": ("block", 60.0),
}
JOBS_A_ROUND = 40
MARGIN_SECONDS = 2.0
UNHARMED = {State.COMPLETED, State.PENDING, State.SCHEDULED}


class Round(NamedTuple):
    """One worker's life."""

    work: str
    age_s: float
    took_s: float
    code: int
    jobs: list[JobRecord]


async def main(options: argparse.Namespace) -> int:
    """As many rounds as asked, each kind in turn."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(
        f"sigterm: {options.rounds} rounds, grace {options.grace:g} s, lease {options.lease:g} s, seed {seed}"
    )
    chance = random.Random(seed)
    rounds = []
    with arena(options.store, lease_seconds=options.lease, slots=10, grace_seconds=options.grace) as place:
        async with place.manager() as manager:
            for number in range(options.rounds):
                work = list(WORK)[number % len(WORK)]
                at_work = number // len(WORK) % 2 == 1
                age_s = chance.uniform(0, 2)
                rounds.append(await _round(place, manager, work, age_s, options, at_work=at_work))
                tell(f"round {number + 1} of {options.rounds}: {work}, {rounds[-1].took_s:.2f} s")
            return _judge(rounds, options.grace + MARGIN_SECONDS)


async def _first_start(place: Arena, before: int) -> None:
    while place.count_marks() <= before:  # noqa: ASYNC110 - the mark is made by another process
        await asyncio.sleep(0.02)


async def _round(
    place: Arena,
    manager: QueueManager,
    work: str,
    age_s: float,
    options: argparse.Namespace,
    *,
    at_work: bool,
) -> Round:
    """A worker of this age gets its signal; what it left behind is taken out of the next one's way."""
    name, seconds = WORK[work] or ("", 0.0)
    wishes = [{"name": name, "data": {"seconds": seconds}}] * (JOBS_A_ROUND if name else 0)
    ids = [job.id for job in await manager.add_bulk("work", wishes)]
    worker = place.start(*(("--processes", str(options.processes)) if options.processes > 1 else ()))
    if name and at_work:
        await _first_start(place, place.count_marks())
    await asyncio.sleep(age_s)
    worker.send(signal.SIGTERM)
    began = time.monotonic()
    try:
        code = await asyncio.to_thread(worker.process.wait, options.grace + 20)
    except subprocess.TimeoutExpired:
        code = -1
    took_s = time.monotonic() - began
    jobs = list((await every_job(manager, ids)).values())
    for each in ids:
        await manager.delete_job(each)
    return Round(work, age_s, took_s, code, jobs)


def _judge(rounds: list[Round], limit_s: float) -> int:
    print(
        f"\n{'work':<18} {'rounds':>6} {'longest exit':>12} {'completed':>9} {'handed back':>11} {'never begun':>11}"
    )
    for work in WORK:
        own = [each for each in rounds if each.work == work]
        jobs = [job for each in own for job in each.jobs]
        completed = sum(job.state is State.COMPLETED for job in jobs)
        returned = sum(job.state is not State.COMPLETED and job.releases > 0 for job in jobs)
        longest = max((each.took_s for each in own), default=0)
        print(
            f"{work:<18} {len(own):>6} {longest:>10.2f} s {completed:>9} {returned:>11} "
            f"{len(jobs) - completed - returned:>11}"
        )
    print()
    jobs = [job for each in rounds for job in each.jobs]
    added = sum(JOBS_A_ROUND for each in rounds if WORK[each.work])
    codes = {0, -signal.SIGTERM}  # a worker that was not there yet has nobody to ask for a drain
    verdicts = Verdicts()
    verdicts.check(
        "longest time from SIGTERM to exit, seconds", round(max(r.took_s for r in rounds), 2), limit_s
    )
    verdicts.equal("rounds that did not end well", sum(each.code not in codes for each in rounds), 0)
    verdicts.equal("jobs lost", added - len(jobs), 0)
    verdicts.equal("jobs neither completed nor back", sum(job.state not in UNHARMED for job in jobs), 0)
    verdicts.equal("failures of all jobs", sum(job.failures for job in jobs), 0)
    verdicts.equal("crashes of all jobs", sum(job.crashes for job in jobs), 0)
    verdicts.equal(
        "jobs that are back without a release",
        sum(job.state is not State.COMPLETED and job.fence != job.releases for job in jobs),
        0,
    )
    return verdicts.exit_code()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--grace", type=float, default=2)
    parser.add_argument("--lease", type=float, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int)
    sys.exit(asyncio.run(main(parser.parse_args())))
