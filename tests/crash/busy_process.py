"""A process that uses a store until it is killed or, asked for `drain`, until no job is left.

    python busy_process.py URL add|drain NAME

It prints a line for what the store has acknowledged, after the acknowledgement: `added N` and `done ID ID …`.
"""

import asyncio
import sys

from longshore.backends import open_store
from longshore.core.verdict import COMPLETED, crashed
from longshore.store.commands import ClaimAsk, Lease
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import QUEUE, new_job, new_jobs, settlement

BATCH = 10_000


async def add_for_ever(store: Store) -> None:
    """Inserts batch after batch."""
    while True:
        await store.insert(new_jobs(BATCH))
        print("added", BATCH, flush=True)


async def work(store: Store, session: str, *, leave_when_empty: bool) -> None:
    """Claims and completes; every seventh job crashes once, and every end leaves a follower behind."""
    await store.extend([Lease(session=session, lease_ms=600_000, queues=(QUEUE,), opens=True)])
    while True:
        [answer] = await store.claim([ClaimAsk(QUEUE, 50, session)])
        if not answer.jobs and leave_when_empty:
            return
        ends = [crashed(0) if job.fence == 1 and job.id[-1] % 7 == 0 else COMPLETED for job in answer.jobs]
        settled = await store.settle(
            [
                settlement(job, end, follow=(new_job("followers"),) if end is COMPLETED else ())
                for job, end in zip(answer.jobs, ends, strict=True)
            ]
        )
        assert set(settled) <= {"applied"}
        done = [job.id.hex() for job, end in zip(answer.jobs, ends, strict=True) if end is COMPLETED]
        print("done", *done, flush=True)


async def main(url: str, task: str, name: str) -> None:
    """Does what was asked for."""
    store = open_store(url)
    await store.open()
    workers = [work(store, f"{name}-{number}", leave_when_empty=task == "drain") for number in range(4)]
    await asyncio.gather(*workers, *([add_for_ever(store)] if task == "add" else []))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
