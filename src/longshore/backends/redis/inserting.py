"""This module takes in new jobs, and those of other stores."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.edging import adopted_edges, packed_rare
from longshore.backends.redis.grouping import Numbers, grouped
from longshore.backends.redis.keys import Line
from longshore.backends.redis.links import Call, Word
from longshore.backends.redis.outbox import empty_outboxes
from longshore.backends.redis.rare import left_queues, ruled_call
from longshore.backends.redis.rows import (
    item,
    packed_body,
    packed_extras,
    packed_lines,
    packed_record,
    packed_words,
)
from longshore.backends.redis.ruling import packed_rules
from longshore.core.durability import Durability
from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, JobRecord, NewJob
from longshore.core.states import ORDER
from longshore.store.adopting import search_keys
from longshore.store.replies import Conflict, Inserted, Insertion

OUTCOMES = (Inserted.DUPLICATE, Inserted.CREATED, Inserted.FULL)


async def insert(
    caller: Caller, jobs: Sequence[NewJob], durability: Durability | None, now_ms: int | None
) -> list[Insertion]:
    """Takes in new jobs: in one step on one server, in one for each queue on a Cluster."""
    if durability is not None:
        await caller.links.check_durability(durability)
    if any(job.rules is not None or job.edges is not None for job in jobs):
        return await _insert_ruled(caller, jobs, durability, now_ms)
    if len(jobs) == 1:
        return [await _insert_one(caller, jobs[0], durability, now_ms)]
    lines = _lines(jobs)
    await caller.registry.add([line.queue for line in lines])
    outcomes: list[Insertion] = [Inserted.DUPLICATE] * len(jobs)
    groups = grouped([line.queue for line in lines], is_cluster=caller.keys.is_cluster)
    parts = [{line: lines[line] for line in map(list(lines).__getitem__, group)} for group in groups]
    calls = [
        insert_call(
            caller,
            {line: [item(jobs[position]) for position in positions] for line, positions in part.items()},
            now_ms,
        )
        for part in parts
    ]
    replies = await caller.each(calls, durability=durability)
    for part, reply in zip(parts, replies, strict=True):
        for position, created in zip(chain(*part.values()), reply, strict=True):
            outcomes[position] = OUTCOMES[created]
    return outcomes


async def _insert_one(
    caller: Caller, job: NewJob, durability: Durability | None, now_ms: int | None
) -> Insertion:
    """A lone job: what sorts many by their lines takes as long as everything else that is done here for it."""
    if not caller.registry.has_added(job.queue):
        await caller.registry.add([job.queue])
    call = insert_call(caller, {Line(job.queue, job.priority): (item(job),)}, now_ms)
    [[created]] = await caller.each([call], durability=durability)
    return OUTCOMES[created]


def insert_call(caller: Caller, items: Mapping[Line, Sequence[bytes]], now_ms: int | None) -> Call:
    """One call for items of lines that lie together; no id stands there twice."""
    sizes: list[Word] = []
    for line, found in items.items():
        sizes += (line.queue, len(found))
    words = (len(items), *sizes, *chain(*items.values()))
    return caller.prepared("insert", list(items), words, now_ms)


async def _insert_ruled(
    caller: Caller, jobs: Sequence[NewJob], durability: Durability | None, now_ms: int | None
) -> list[Insertion]:
    """The same where some have rules or edges: one job after the other."""
    queues = [job.queue for job in jobs]
    await caller.registry.add(queues)
    groups = grouped(queues, is_cluster=caller.keys.is_cluster)
    calls = []
    for group in groups:
        some = [jobs[position] for position in group]
        calls.append(ruled_call(caller, [(job.queue, item(job), packed_rare(job)) for job in some], now_ms))
    outcomes: list[Insertion] = [Inserted.DUPLICATE] * len(jobs)
    left: list[str] = []
    for group, reply in zip(groups, await caller.each(calls, durability=durability), strict=True):
        left += left_queues(reply, len(group))
        for position, told in zip(group, reply, strict=True):
            outcomes[position] = (
                Conflict(JobId(told[:16]), ORDER[told[16]]) if isinstance(told, bytes) else OUTCOMES[told]
            )
    await empty_outboxes(caller, left, now_ms)
    return outcomes


def _lines(jobs: Sequence[NewJob]) -> dict[Line, list[int]]:
    """The positions of jobs, by the lines in which they are to stand; of an id that stands there twice the first."""
    positions: Iterable[int] = range(len(jobs))
    first = {
        job.id: position for position, job in zip(reversed(range(len(jobs))), reversed(jobs), strict=True)
    }
    if len(first) < len(jobs):
        positions = sorted(first.values())
    lines: dict[tuple[str, int], list[int]] = {}
    for position in positions:
        job = jobs[position]
        lines.setdefault((job.queue, job.priority), []).append(position)
    return {Line(*line): found for line, found in lines.items()}


async def adopt(caller: Caller, jobs: Sequence[JobRecord], now_ms: int | None) -> list[Inserted]:
    """Takes in jobs of another store as they are."""
    queues = [job.queue for job in jobs]
    await caller.registry.add(queues)
    outcomes = [Inserted.DUPLICATE] * len(jobs)
    left: list[str] = []
    groups = grouped(queues, is_cluster=caller.keys.is_cluster)
    calls = [_adopt_call(caller, [jobs[position] for position in group], now_ms) for group in groups]
    for group, reply in zip(groups, await caller.each(calls), strict=True):
        left += left_queues(reply, len(group))
        for position, created in zip(group, reply, strict=True):
            outcomes[position] = OUTCOMES[created]
    await empty_outboxes(caller, left, now_ms)
    return outcomes


def _adopt_call(caller: Caller, jobs: Sequence[JobRecord], now_ms: int | None) -> Call:
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
            packed_rules(job.rules),
            adopted_edges(job),
        ]
    names = numbers.names
    return caller.prepared("adopt", names, [len(names), *names, *words], now_ms)
