"""This proof freezes workers: SIGSTOP for three leases, the work is done elsewhere, SIGCONT: late writes are refused.

    python3 dev.py proof zombie [--store sqlite] [--rounds 50] [--lease 2] [--together 10]

Rounds run side by side: each has a job and a worker of its own that is frozen while it holds the job.
"""

import argparse
import asyncio
import signal
import sys

from _arena import Arena, Verdicts, Worker, all_over, arena, every_job, tell
from _places import add_store

from longshore import QueueManager
from longshore.core.errors import StoreUnavailable


async def main(options: argparse.Namespace) -> int:
    """Runs the rounds in groups and adds up what they found."""
    print(f"zombie: {options.rounds} rounds, frozen for 3 leases of {options.lease:g} s")
    accepted = redone = rounds = 0
    while rounds < options.rounds:
        together = min(options.together, options.rounds - rounds)
        found = await _group(options, together)
        accepted, redone, rounds = accepted + found[0], redone + found[1], rounds + together
        tell(f"{rounds} of {options.rounds} rounds")
    verdicts = Verdicts()
    verdicts.equal("stale writes accepted", accepted, 0)
    verdicts.equal("jobs done by another worker meanwhile", redone, options.rounds)
    return verdicts.exit_code()


async def _group(options: argparse.Namespace, together: int) -> tuple[int, int]:
    queues = [f"zombie-{number}" for number in range(together)]
    with arena(options.store, lease_seconds=options.lease, slots=1) as place:
        async with place.manager() as manager:
            data = {"seconds": 2 * options.lease}
            ids = [(await manager.add_job(queue, "sleep", data)).id for queue in queues]
            frozen = [place.start("--queues", queue) for queue in queues]
            await _freeze(place, manager, frozen, ids)
            await asyncio.sleep(3 * options.lease)
            rescuer = place.start("--queues", ",".join(queues), "--concurrency", str(together))
            await all_over(manager, ids, seconds=60, show="redone elsewhere")
            before = await every_job(manager, ids)
            _signal_all(frozen, signal.SIGCONT)
            await asyncio.sleep(2 * options.lease)  # for the thawed to finish what they believe is theirs
            after = await every_job(manager, ids)
            accepted = sum(before[each] != after[each] for each in ids)
            redone = sum(_ended_by(place, before[each].fence, each, rescuer) for each in ids)
            return accepted, redone


async def _freeze(place: Arena, manager: QueueManager, workers: list[Worker], ids: list[str]) -> None:
    """Stops the workers when all hold their jobs, and none of them in the middle of a write or in the line for one: a
    process that is stopped while it holds a file's lock stops everybody, which is SQLite's nature and another story."""
    while not place.starts().keys() >= set(ids):  # noqa: ASYNC110 - the marks are made by other processes
        await asyncio.sleep(0.02)
    _signal_all(workers, signal.SIGSTOP)
    while not await _accepts_writes(manager):
        _signal_all(workers, signal.SIGCONT)
        await asyncio.sleep(0.1)
        _signal_all(workers, signal.SIGSTOP)


async def _accepts_writes(manager: QueueManager) -> bool:
    """Twice: the first may only have come before a frozen one that waits in line."""
    try:
        for _ in range(2):
            await asyncio.wait_for(manager.resume_queue("zombie-probe"), 0.5)
    except (TimeoutError, StoreUnavailable):
        return False
    return True


def _signal_all(workers: list[Worker], number: signal.Signals) -> None:
    for worker in workers:
        worker.send(number)


def _ended_by(place: Arena, fence: int, job: str, rescuer: Worker) -> bool:
    """Whether the claim that ended the job was made by the rescuer."""
    return any(mark.fence == fence and mark.pid == rescuer.process.pid for mark in place.starts()[job])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--together", type=int, default=10)
    sys.exit(asyncio.run(main(parser.parse_args())))
