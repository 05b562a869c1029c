"""This proof kills the workers of durable tasks again and again: no finished step runs again, no result changes.

    python3 dev.py proof steps [--store sqlite] [--jobs 2] [--steps 100] [--kills 30] [--lease 2] [--seed N]

Each job takes its steps, sleeps once, and waits twice: for a signal that came early, and for one that comes some time.
Workers are killed (SIGKILL) in the middle of steps, and others start; what was recorded is read after each kill. At the
end each step's side effect has happened at least once, its result was recorded exactly once and is what the task
returned, and no step began again after its result was recorded. --store postgres or redis gives it a server of its own;
PROOF_URL names another.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections import Counter, defaultdict

import msgspec
from _arena import Arena, Verdicts, arena, every_job, tell
from _places import add_store

from longshore import QueueManager, RecordedStep, State

APP = "_steps_app:manager"
LIMIT_SECONDS = 900


class Seen:
    """What was recorded when, of all jobs."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, str], tuple[RecordedStep, int]] = {}
        self.changed = 0

    def note(self, job: str, steps: list[RecordedStep], now_ms: int) -> None:
        """Compares with what was there before."""
        for step in steps:
            if step.ended_at is None or step.kind == "sleep":
                continue
            known = self.first.setdefault((job, step.name), (step, now_ms))
            self.changed += known[0] != step
        self.changed += len({name for of, name in self.first if of == job} - {step.name for step in steps})


async def main(options: argparse.Namespace) -> int:
    """Runs the jobs to their end, whatever it takes."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(f"steps: {options.jobs} jobs of {options.steps} steps, {options.kills} kills, seed {seed}")
    verdicts, seen, chance = Verdicts(), Seen(), random.Random(seed)
    with arena(options.store, lease_seconds=options.lease, slots=10) as place:
        place.environment |= {
            "PROOF_STEPS": str(options.steps),
            "PROOF_STEP_SECONDS": str(options.step_seconds),
        }
        async with place.manager() as manager:
            ids = [(await manager.add_job("steps", "walk", {})).id for _ in range(options.jobs)]
            for number, each in enumerate(ids):
                await manager.signal(each, "half-way", number)
            kills = await _walk(place, manager, ids, options.kills, chance, seen)
            await _judge(place, manager, ids, options.steps, seen, verdicts)
        verdicts.equal("kills", kills, options.kills)
    return verdicts.exit_code()


async def _walk(
    place: Arena, manager: QueueManager, ids: list[str], kills: int, chance: random.Random, seen: Seen
) -> int:
    """Lets workers work, and kills them; how often."""
    worker, killed, began = place.start(app=APP), 0, time.monotonic()
    marks = place.count_marks()
    send_at = {each: began + chance.uniform(3, 12) for each in ids}
    while time.monotonic() - began < LIMIT_SECONDS:
        await _come_back(manager, ids)
        jobs = await every_job(manager, ids)
        left = [each for each in ids if not jobs[each].state.is_terminal]
        tell(f"{killed} of {kills} kills, {len(ids) - len(left)} of {len(ids)} jobs done")
        if not left:
            worker.process.terminate()
            await asyncio.to_thread(worker.process.wait, 30)
            return killed
        for each in [each for each, at in send_at.items() if time.monotonic() > at]:
            await manager.signal(each, "on-the-way", ids.index(each))
            del send_at[each]
        if worker.process.poll() is not None:
            raise RuntimeError("a worker ended that nobody killed; PROOF_KEEP=folder keeps its log")
        now = place.count_marks()
        if killed < kills and now > marks:
            await asyncio.sleep(chance.uniform(0, 0.1))
            worker.kill()
            killed, marks = killed + 1, place.count_marks()
            await _note(manager, ids, seen)
            worker = place.start(app=APP)
        await asyncio.sleep(0.02)
    raise TimeoutError(f"not over after {LIMIT_SECONDS} s and {killed} kills")


async def _come_back(manager: QueueManager, ids: list[str]) -> None:
    """A job that has crashed often waits ever longer; the proof does not."""
    for each in ids:
        job = await manager.get_job(each)
        if job is not None and job.state is State.RETRYING:
            await job.retry()


async def _note(manager: QueueManager, ids: list[str], seen: Seen) -> None:
    now_ms = time.time_ns() // 1_000_000
    for each in ids:
        job = await manager.get_job(each)
        assert job is not None
        seen.note(each, await job.steps(), now_ms)


async def _judge(
    place: Arena, manager: QueueManager, ids: list[str], steps: int, seen: Seen, verdicts: Verdicts
) -> None:
    await _note(manager, ids, seen)
    effects: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for line in place.marked():
        job, fence, step, at_ms = line.split()
        effects[job, int(step)].append((int(fence), int(at_ms)))
    jobs = await every_job(manager, ids)
    recorded = 0
    wrong = again = 0
    for number, each in enumerate(ids):
        job = await manager.get_job(each)
        assert job is not None
        found = [step for step in await job.steps() if step.kind == "step"]
        recorded += len(found)
        expected = [step.value for step in found]
        expected.insert(steps // 2, [-1, number])
        expected.insert(steps // 5, [-2, number])
        wrong += msgspec.json.decode(jobs[each].result or b"null") != expected
        wrong += any(step.value[0] != place for place, step in enumerate(found))
        again += sum(
            any(at_ms > seen.first[each, step.name][1] for _, at_ms in effects[each, place])
            for place, step in enumerate(found)
        )
        wrong += sum(
            step.value[1] not in {fence for fence, _ in effects[each, place]}
            for place, step in enumerate(found)
        )
    runs = Counter(len(effects[each, step]) for each in ids for step in range(steps))
    print(
        f"\nruns of a step's function: {', '.join(f'{n} steps {k} times' for k, n in sorted(runs.items()))}\n"
    )
    verdicts.equal("jobs completed", sum(job.state is State.COMPLETED for job in jobs.values()), len(ids))
    verdicts.equal("steps whose side effect never happened", runs[0], 0)
    verdicts.equal("results recorded", recorded, len(ids) * steps)
    verdicts.equal("results that changed or vanished after they were recorded", seen.changed, 0)
    verdicts.equal("results that are not what the task returned, or nobody's", wrong, 0)
    verdicts.equal("steps that began again after their result was recorded", again, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--step-seconds", type=float, default=0.05)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--seed", type=int)
    os.environ.setdefault("LONGSHORE_LOG_LEVEL", "WARNING")
    sys.exit(asyncio.run(main(parser.parse_args())))
