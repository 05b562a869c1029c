"""This module takes in new jobs, and those of other stores."""

from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.grouping import Numbers, grouped
from longshore.backends.redis.links import Call, Word
from longshore.backends.redis.rows import (
    item,
    packed_body,
    packed_extras,
    packed_lines,
    packed_record,
    packed_words,
)
from longshore.core.durability import Durability
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord, NewJob
from longshore.store.adopting import search_keys
from longshore.store.replies import Inserted

OUTCOMES = (Inserted.DUPLICATE, Inserted.CREATED)


async def insert(
    caller: Caller, jobs: Sequence[NewJob], durability: Durability | None, now_ms: int | None
) -> list[Inserted]:
    """Takes in new jobs: in one step on one server, in one for each queue on a Cluster."""
    caller.links.refuse_unreachable(durability)
    queues = [job.queue for job in jobs]
    await caller.registry.add(queues)
    outcomes = [Inserted.DUPLICATE] * len(jobs)
    groups = grouped(queues, is_cluster=caller.keys.is_cluster)
    calls = [_insert_call(caller, [jobs[position] for position in group], now_ms) for group in groups]
    replies = await caller.each(calls, durability=durability)
    for group, reply in zip(groups, replies, strict=True):
        for position, created in zip(group, reply, strict=True):
            outcomes[position] = OUTCOMES[created]
    return outcomes


async def adopt(caller: Caller, jobs: Sequence[JobRecord]) -> list[Inserted]:
    """Takes in jobs of another store as they are."""
    queues = [job.queue for job in jobs]
    await caller.registry.add(queues)
    outcomes = [Inserted.DUPLICATE] * len(jobs)
    groups = grouped(queues, is_cluster=caller.keys.is_cluster)
    calls = [_adopt_call(caller, [jobs[position] for position in group]) for group in groups]
    for group, reply in zip(groups, await caller.each(calls), strict=True):
        for position, created in zip(group, reply, strict=True):
            outcomes[position] = OUTCOMES[created]
    return outcomes


def _insert_call(caller: Caller, jobs: Sequence[NewJob], now_ms: int | None) -> Call:
    numbers = Numbers()
    items = [numbers.of(job.queue) + item(job) for job in jobs]
    names = numbers.names
    return caller.prepared("insert", names, [len(names), *names, *items], now_ms)


def _adopt_call(caller: Caller, jobs: Sequence[JobRecord]) -> Call:
    numbers = Numbers()
    words: list[Word] = []
    for job in jobs:
        keys = search_keys(job.details)
        packed = packed_words(keys.reference, keys.correlation_id, keys.tags) if any(keys) else b""
        words += [
            numbers.of(job.queue) + job.id + packed_body(job, packed),
            packed_record(job),
            packed_extras(job),
            packed_lines(job.errors[-ERRORS_KEPT:]),
            packed_lines(job.logs[-LOGS_KEPT:]),
        ]
    names = numbers.names
    return caller.prepared("adopt", names, [len(names), *names, *words], None)
