"""A process that races others for one unique job, or for one lock.

    python racing_process.py URL add COUNT       COUNT managers add the same job at the same time
    python racing_process.py URL lock FILE       takes a lock again and again, and notes it there, until it is killed
    python racing_process.py URL hold TTL        takes the lock, and keeps it until it is killed

It prints `ready`, waits for a line, and prints what came of it: a job's id and whether it was in conflict, or `held
FENCE`.
"""

import asyncio
import os
import sys

from longshore import QueueManager, Unique

KEY = "race:1"


async def add(url: str, count: int) -> None:
    """Each manager has a store of its own."""
    managers = [QueueManager(url) for _ in range(count)]
    for manager in managers:
        await manager.store()
    wait_for_go()
    jobs = await asyncio.gather(
        *(manager.add_job("race", "run", {"lap": 1}, unique=Unique()) for manager in managers)
    )
    for job in jobs:
        print(job.id, job.conflict, flush=True)
    for manager in managers:
        await manager.shutdown()


async def take_turns(url: str, path: str) -> None:
    """What is appended in one call to `os.write` is not torn by others."""
    manager = QueueManager(url)
    await manager.store()
    wait_for_go()
    note = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        async with manager.lock(KEY, ttl=4) as lock:
            os.write(note, f"in {lock.fence}\n".encode())
            await manager.runtime.clock.sleep(0.001)
            os.write(note, f"out {lock.fence}\n".encode())


async def hold(url: str, ttl: float) -> None:
    """Until somebody kills this process."""
    manager = QueueManager(url)
    await manager.store()
    wait_for_go()
    async with manager.lock(KEY, ttl=ttl) as lock:
        print("held", lock.fence, flush=True)
        await asyncio.Event().wait()


def wait_for_go() -> None:
    """Says that it is ready, and waits for the others."""
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    where, what, how = sys.argv[1:]
    if what == "add":
        asyncio.run(add(where, int(how)))
    elif what == "lock":
        asyncio.run(take_turns(where, how))
    else:
        asyncio.run(hold(where, float(how)))
