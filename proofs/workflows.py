"""This proof kills workers amid workflows: each join fires once with all results, each path of failure is taken once.

    python3 dev.py proof workflows [--store sqlite] [--fan-outs 2000] [--failing 200] [--parts 10] [--kills 40]
        [--workers 2] [--slots 10] [--lease 2] [--seed N]

A fan-out is a group of parts and a join of them, with a path of failure; in the failing ones two parts fail for good.
--store postgres or redis gives it a server of its own; PROOF_URL names another.
"""

import argparse
import asyncio
import logging
import random
import sys
import time
from collections.abc import Iterable

from _arena import Arena, Mark, Verdicts, Worker, arena, every_job, tell
from _places import add_store

from longshore import QueueManager, Step, Workflow, WorkflowRun, chain, group
from longshore.core.job import JobRecord

AT_ONCE = 20
STUCK_SECONDS = 60.0
"""After the last kill; a workflow that does not end then is stuck."""


def fan_out(first: int, parts: int, *, fails: bool) -> Workflow:
    """Parts with numbers from `first` on; of a failing one, two fail."""
    steps = [
        Step("parts", "part", {"number": first + n, "fails": fails and n in (1, parts - 1)}, id=f"part-{n}")
        for n in range(parts)
    ]
    return chain(group(steps, on_failure=Step("joins", "alert", {})), Step("joins", "join", {}))


async def main(options: argparse.Namespace) -> int:
    """Starts workflows, kills, waits and counts."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(
        f"workflows: {options.fan_outs:,} fan-outs of {options.parts} with a join, {options.failing:,} more that fail, "
        f"{options.workers} workers of {options.slots} slots, {options.kills} SIGKILLs, seed {seed}"
    )
    logging.getLogger("longshore").setLevel(logging.ERROR)
    source = random.Random(seed)
    with arena(options.store, lease_seconds=options.lease, slots=options.slots) as place:
        async with place.manager() as manager:
            for _ in range(options.workers):
                place.start(app="_flows_app:manager")
            killing = asyncio.create_task(_kill(place, options, source))
            runs = await _start(manager, options, source, killing)
            last_kill = await killing
            jobs = await _until_over(manager, runs)
            print(f"drained {time.monotonic() - last_kill:.1f} s after the last kill")
            return _judge(place, runs, jobs, options)


async def _start(
    manager: QueueManager, options: argparse.Namespace, source: random.Random, killing: "asyncio.Task[float]"
) -> list[tuple[WorkflowRun, int, bool]]:
    """Starts them evenly over the time of the kills; each with its first number and whether it fails."""
    failing = [False] * options.fan_outs + [True] * options.failing
    source.shuffle(failing)
    pause = 1.1 * options.kills * options.every / (len(failing) / AT_ONCE)
    runs: list[tuple[WorkflowRun, int, bool]] = []
    for begin in range(0, len(failing), AT_ONCE):
        now = [
            (options.parts * (begin + n), fails) for n, fails in enumerate(failing[begin : begin + AT_ONCE])
        ]
        started = await asyncio.gather(
            *(manager.execute_workflow(fan_out(first, options.parts, fails=fails)) for first, fails in now)
        )
        runs += [(run, first, fails) for run, (first, fails) in zip(started, now, strict=True)]
        await asyncio.sleep(0 if killing.done() else pause)
    return runs


async def _kill(place: Arena, options: argparse.Namespace, source: random.Random) -> float:
    """Kills one worker after the other and starts a new one for each; the time of the last kill."""
    last = time.monotonic()
    for number in range(options.kills):
        await asyncio.sleep(source.uniform(0.2, 1.8) * options.every)
        source.choice(await _at_work(place)).kill()
        last = time.monotonic()
        place.start(app="_flows_app:manager")
        tell(f"kill {number + 1} of {options.kills}")
    return last


async def _at_work(place: Arena) -> list[Worker]:
    """The workers that have run something: a kill during the start of a process would prove little."""
    while True:
        busy = {mark.pid for mark in place.marks()}
        found = [
            worker for worker in place.workers if worker.process.poll() is None and worker.process.pid in busy
        ]
        if found:
            return found
        await asyncio.sleep(0.05)


async def _until_over(
    manager: QueueManager, runs: list[tuple[WorkflowRun, int, bool]]
) -> dict[str, JobRecord]:
    """All jobs by id, when all are over or some are stuck."""
    ids = [job.id for run, _, _ in runs for job in run.steps.values()]
    done: dict[str, JobRecord] = {}
    idle_since = time.monotonic()
    while len(done) < len(ids) and time.monotonic() - idle_since < STUCK_SECONDS:
        left = [each for each in ids if each not in done]
        found = {key: job for key, job in (await every_job(manager, left)).items() if job.state.is_terminal}
        if found:
            idle_since = time.monotonic()
        done |= found
        tell(f"draining: {len(done):,} of {len(ids):,} steps over")
        await asyncio.sleep(0.2)
    return done


def _judge(
    place: Arena,
    runs: list[tuple[WorkflowRun, int, bool]],
    jobs: dict[str, JobRecord],
    options: argparse.Namespace,
) -> int:
    starts = place.starts()
    joins = [(jobs.get(run.job("join").id), run, first, fails) for run, first, fails in runs]
    alerts = [(jobs.get(run.job("alert").id), fails) for run, _, fails in runs]
    expected = [sum(range(first, first + options.parts)) for _, _, first, fails in joins if not fails]
    verdicts = Verdicts()
    verdicts.equal("steps stuck", sum(len(run.steps) for run, _, _ in runs) - len(jobs), 0)
    verdicts.equal("joins fired", _completed(job for job, *_ in joins), options.fan_outs)
    verdicts.equal(
        "joins with all results",
        sum(
            job is not None and job.result == str(total).encode()
            for (job, _, _, _), total in zip([each for each in joins if not each[3]], expected, strict=True)
        ),
        options.fan_outs,
    )
    verdicts.equal("joins that ended more than once", sum(_ends(job) > 1 for job, *_ in joins), 0)
    verdicts.equal(
        "joins that began before a part was over", sum(_early(each, jobs, starts) for each in joins), 0
    )
    verdicts.equal(
        "joins cancelled by a failed part",
        sum(_is(job, "cancelled") for job, *_, fails in joins if fails),
        options.failing,
    )
    verdicts.equal(
        "paths of failure taken", _completed(job for job, fails in alerts if fails), options.failing
    )
    verdicts.equal("paths of failure that ended more than once", sum(_ends(job) > 1 for job, _ in alerts), 0)
    verdicts.equal(
        "paths of failure left out",
        sum(_is(job, "skipped") for job, fails in alerts if not fails),
        options.fan_outs,
    )
    unaccounted = sum(
        len(starts.get(each, ())) > 1 + job.crashes + job.releases + job.failures
        for each, job in jobs.items()
    )
    verdicts.equal("steps that began again without a crash", unaccounted, 0)
    _tell_of_strays([job for job, _, _, fails in joins if not fails and not _is(job, "completed")])
    return verdicts.exit_code()  # fmt: skip


def _tell_of_strays(joins: list[JobRecord | None]) -> None:
    """Joins that should have completed, and what they say."""
    for job in joins[:10]:
        if job is not None:
            print(f"join {job.id.hex()}: {job.state}, {job.crashes} crashes, {job.error_text}")


def _completed(jobs: Iterable[JobRecord | None]) -> int:
    return sum(_is(job, "completed") for job in jobs)


def _is(job: JobRecord | None, state: str) -> bool:
    return job is not None and job.state == state


def _ends(job: JobRecord | None) -> int:
    """Claims that neither crashed, failed nor were handed back."""
    return 0 if job is None else job.fence - job.crashes - job.failures - job.releases


def _early(
    join: tuple[JobRecord | None, WorkflowRun, int, bool],
    jobs: dict[str, JobRecord],
    starts: dict[str, list[Mark]],
) -> bool:
    _, run, _, _ = join
    marks = starts.get(run.job("join").id, [])
    ended = [
        jobs[job.id].finished_ms or 0
        for step, job in run.steps.items()
        if step.startswith("part") and job.id in jobs
    ]
    return bool(marks) and min(mark.at_ms for mark in marks) + 1 < max(ended)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--fan-outs", type=int, default=2000)
    parser.add_argument("--failing", type=int, default=200)
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--every", type=float, default=0.7, help="seconds between two kills, on average")
    parser.add_argument("--seed", type=int)
    sys.exit(asyncio.run(main(parser.parse_args())))
