"""This module finds jobs: a page from each queue, merged into one.

A script looks at a bounded number of jobs and says how far it came. What lies behind the nearest of these frontiers may
not be shown yet: another queue may still have something before it.
"""

import struct
from collections.abc import Sequence

import msgspec

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Lane, Reply
from longshore.backends.redis.queries import After, page_words
from longshore.backends.redis.rows import finished_ms, lines, scanned_job
from longshore.core.errors import InvalidOption
from longshore.core.job import JobRecord
from longshore.store.commands import SCAN_LIMIT, JobQuery, Order
from longshore.store.replies import Page

_DOUBLE = struct.Struct("<d")

Key = tuple[int, bytes]
"""What pages are sorted by: when a job ended (0 where that does not count), and its id."""


async def scan(caller: Caller, queries: Sequence[JobQuery], now_ms: int | None) -> list[Page]:
    """One page for each query."""
    if all(query.lost for query in queries) and await _nothing_is_lost(caller, now_ms):
        return [Page([], None) for _ in queries]
    plans = await plan(caller, queries)
    calls = [
        caller.prepared("scan", [queue], [each.words], now_ms) for each in plans for queue in each.queues
    ]
    replies = iter(await caller.each(calls, Lane.READ))
    return [merged(each, [next(replies) for _ in each.queues]) for each in plans]


async def _nothing_is_lost(caller: Caller, now_ms: int | None) -> bool:
    """What a rescuer hears all day long, on one server in one round trip."""
    return not caller.keys.is_cluster and not await caller.at_home("look_lost", [], now_ms, Lane.READ)


class Plan(msgspec.Struct):
    """A query as it goes to each of its queues."""

    query: JobQuery
    queues: list[str]
    spare: int
    """How many of the first are to be left out, where the scripts cannot do it because there are several."""
    words: bytes


async def plan(caller: Caller, queries: Sequence[JobQuery]) -> list[Plan]:
    """Which queues to ask, and what."""
    names: list[str] = []
    if any(query.queues is None for query in queries):
        names = await caller.registry.names()
    return [
        _plan(query, names if query.queues is None else list(dict.fromkeys(query.queues)))
        for query in queries
    ]


def _plan(query: JobQuery, queues: list[str]) -> Plan:
    after = read_cursor(query.cursor)
    spare = query.spare if after is None else after.spare
    limit = max(min(query.limit, SCAN_LIMIT), 0)
    if query.ids is not None and not query.ids:
        queues = []
    if len(queues) == 1:
        return Plan(query, queues, 0, page_words(query, after, limit=limit, spare=spare))
    everything = min(limit + spare, SCAN_LIMIT)
    return Plan(query, queues, spare, page_words(query, after, limit=everything, spare=0))


def merged(plan: Plan, replies: Sequence[Reply]) -> Page:
    """One page of what the queues answered."""
    query, order = plan.query, plan.query.order
    found: list[tuple[Key, JobRecord]] = []
    frontiers: list[Key] = []
    spare_left = plan.spare
    for queue, (is_all, last, spare, *rows) in zip(plan.queues, replies, strict=True):
        if len(plan.queues) == 1:
            spare_left = spare
        if not is_all:
            frontiers.append(_frontier(last, order))
        found += _jobs(rows, queue, query)
    is_downward = order is not Order.OLDEST
    found.sort(key=lambda each: each[0], reverse=is_downward)
    frontier = (max(frontiers) if is_downward else min(frontiers)) if frontiers else None
    if frontier is not None:
        found = [each for each in found if (each[0] >= frontier if is_downward else each[0] <= frontier)]
    limit = min(query.limit, SCAN_LIMIT)
    skipped = plan.spare if len(plan.queues) != 1 else 0
    taken = found[: skipped + limit]
    if len(plan.queues) != 1:
        spare_left = max(plan.spare - len(taken), 0)
    end = taken[-1][0] if len(taken) < len(found) else frontier
    cursor = None if end is None else f"{end[0]}.{end[1].hex()}.{spare_left}"
    return Page([job for _, job in taken[skipped:]], cursor)


def _frontier(last: bytes, order: Order) -> Key:
    if order is Order.FINISHED:
        return int(_DOUBLE.unpack(last[:8])[0]), last[8:]
    return 0, last


def _jobs(rows: list[bytes], queue: str, query: JobQuery) -> list[tuple[Key, JobRecord]]:
    width = 9 if query.full else 7
    is_by_end = query.order is Order.FINISHED
    jobs = []
    for at in range(0, len(rows), width):
        job = scanned_job(queue, rows[at : at + 7])
        if query.full:
            job.errors, job.logs = lines(rows[at + 7]), lines(rows[at + 8])
        jobs.append(((finished_ms(rows[at + 2]) if is_by_end else 0, rows[at]), job))
    return jobs


def read_cursor(cursor: str | None) -> After | None:
    """Where the page before ended. Raises InvalidOption for anything else."""
    if cursor is None:
        return None
    try:
        ended_ms, job_id, spare = cursor.split(".")
        return After(int(ended_ms), bytes.fromhex(job_id), int(spare))
    except ValueError as error:
        raise InvalidOption("cursor", cursor, "the cursor of the page before") from error
