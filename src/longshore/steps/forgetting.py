"""This module forgets the steps and signals of jobs that are gone: deleted, pruned, or not kept from the first."""

from collections.abc import Sequence

import msgspec

from longshore.core.ids import JobId
from longshore.steps.entries import bucket, mention, signals_of, steps_of
from longshore.steps.signals import POKE, tell
from longshore.store.commands import SCAN_LIMIT, JobQuery, Put, RecordAsk
from longshore.store.contract import Store

JOBS_AT_ONCE = 50
"""Whose records are read and forgotten in one call: each may have hundreds."""


async def sweep(store: Store, number: int) -> int:
    """Forgets what belongs to jobs of one bucket that are gone, and tells those that were not told of a signal. How
    many jobs it forgot."""
    named, pokes = await store.get([RecordAsk(bucket(number)), RecordAsk(POKE)])
    await tell(store, [JobId(bytes.fromhex(poke.key)) for poke in pokes])
    jobs = [JobId(bytes.fromhex(record.key)) for record in named]
    forgotten = 0
    for start in range(0, len(jobs), SCAN_LIMIT):
        gone = await _gone(store, jobs[start : start + SCAN_LIMIT])
        for begin in range(0, len(gone), JOBS_AT_ONCE):
            await forget(store, gone[begin : begin + JOBS_AT_ONCE])
        forgotten += len(gone)
    return forgotten


async def forget(store: Store, jobs: Sequence[JobId]) -> None:
    """Forgets all that is recorded for these jobs."""
    asks = [RecordAsk(kind) for job_id in jobs for kind in (steps_of(job_id), signals_of(job_id))]
    found = [record for records in await store.get(asks) for record in records]
    puts = [Put(kind=record.kind, key=record.key, value=None) for record in found]
    puts += [Put(kind=POKE, key=job_id.hex(), value=None) for job_id in jobs]
    for start in range(0, len(puts), SCAN_LIMIT):
        await store.put(puts[start : start + SCAN_LIMIT])
    await store.put([msgspec.structs.replace(mention(job_id), value=None, expect=None) for job_id in jobs])


async def _gone(store: Store, jobs: Sequence[JobId]) -> list[JobId]:
    there: set[JobId] = set()
    cursor: str | None = ""
    while cursor is not None:
        query = JobQuery(ids=tuple(jobs), limit=SCAN_LIMIT, cursor=cursor or None)
        [page] = await store.scan([query])
        there.update(job.id for job in page.jobs)
        cursor = page.cursor
    return [job_id for job_id in jobs if job_id not in there]
