"""This module is the writer of the proof `powercut`: it adds and completes jobs, and notes in a file what was answered.

python _acknowledged.py URL FILE
"""

import asyncio
import os
import sys
from itertools import cycle

from longshore.backends import open_store
from longshore.core.ids import JobId, format_id, new_id
from longshore.core.job import NewJob
from longshore.core.verdict import COMPLETED
from longshore.store.commands import ClaimAsk, Lease, Settlement
from longshore.store.contract import Store
from longshore.store.replies import Settled

QUEUE, SESSION = "work", "writer"
BATCHES = (1, 5, 20)


async def main(url: str, file: str) -> None:
    """Two at the same time, until the power goes."""
    store = open_store(url)
    await store.open()
    await store.extend([Lease(session=SESSION, lease_ms=3_600_000, queues=(QUEUE,), opens=True)])
    notes = os.open(file, os.O_WRONLY | os.O_APPEND)
    await asyncio.gather(_add(store, notes), _complete(store, notes))


async def _add(store: Store, notes: int) -> None:
    for size in cycle(BATCHES):
        jobs = [NewJob(id=new_id(), queue=QUEUE, name="short", payload=b"{}") for _ in range(size)]
        await store.insert(jobs)
        _note(notes, "added", [job.id for job in jobs])


async def _complete(store: Store, notes: int) -> None:
    for size in cycle(BATCHES):
        [claimed] = await store.claim([ClaimAsk(QUEUE, size, SESSION)])
        ends = [
            Settlement(id=job.id, queue=QUEUE, session=SESSION, fence=job.fence, verdict=COMPLETED)
            for job in claimed.jobs
        ]
        replies = await store.settle(ends)
        done = [end.id for end, reply in zip(ends, replies, strict=True) if reply is Settled.APPLIED]
        _note(notes, "completed", done)


def _note(notes: int, what: str, ids: list[JobId]) -> None:
    os.write(notes, "".join(f"{what} {format_id(each)}\n" for each in ids).encode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
