"""This module takes what is recorded of jobs from one store to another, before the jobs themselves go there."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from longshore.core.ids import JobId
from longshore.steps.entries import mention, signals_of, steps_of
from longshore.steps.signals import POKE
from longshore.store.commands import SCAN_LIMIT, Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record

JOBS_AT_ONCE = 50
"""Whose records are read in one call: each may have hundreds."""


async def carry(source: Store, target: Store, jobs: Sequence[JobId]) -> None:
    """Copies the steps and signals of jobs that no worker can run now. Again: does nothing."""
    named = await with_steps(source, jobs)
    for start in range(0, len(named), JOBS_AT_ONCE):
        chunk = named[start : start + JOBS_AT_ONCE]
        asks = [RecordAsk(kind) for job_id in chunk for kind in (steps_of(job_id), signals_of(job_id))]
        asks.append(RecordAsk(POKE, tuple(job_id.hex() for job_id in chunk)))
        found = [record for records in await source.get(asks) for record in records]
        puts = [mention(job_id) for job_id in chunk] + [put for record in found for put in _puts(record)]
        for begin in range(0, len(puts), SCAN_LIMIT):
            await target.put(puts[begin : begin + SCAN_LIMIT])


async def with_steps(store: Store, jobs: Sequence[JobId]) -> list[JobId]:
    """Those of the jobs of which something is recorded."""
    keys: dict[str, list[str]] = defaultdict(list)
    for job_id in jobs:
        keys[mention(job_id).kind].append(job_id.hex())
    asks = [RecordAsk(kind, tuple(some)) for kind, some in keys.items()]
    found = [record for records in await store.get(asks) for record in records]
    return [JobId(bytes.fromhex(record.key)) for record in found]


def _puts(record: Record) -> Iterator[Put]:
    """A wait that has ended is at version 2, and so is a signal that was taken: the version is part of the record."""
    for version in range(record.version):
        yield Put(kind=record.kind, key=record.key, value=record.value, expect=version)
