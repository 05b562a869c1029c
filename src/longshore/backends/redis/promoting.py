"""This module makes due jobs pending, over all queues in the order of their times, and sweeps what is over."""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.keys import HOME
from longshore.backends.redis.outbox import empty_outboxes
from longshore.backends.redis.rare import left_queues
from longshore.backends.redis.sessions import EXTENDS, packed
from longshore.store.replies import Promoted

CHUNK = 1000
"""Jobs that one script makes pending, at most: 2 ms."""


_PROMOTE_REPLIES = 6


class _Due(msgspec.Struct):
    """What waits for its time in one queue."""

    next_due_ms: int | None
    is_over: bool
    times: list[float] = []
    leaving: bool = False
    """Whether followers wait there for their own queues."""
    next_meter_ms: int | None = None
    serves: bool = False
    """Whether a meter there has to serve now."""


async def promote(caller: Caller, limit: int, now_ms: int | None) -> Promoted:
    """Up to `limit` jobs, the earliest first. Works in chunks, between which others have their turn."""
    dues = await _sweep_and_look(caller, min(CHUNK, limit), now_ms)
    count, queues = 0, set[str]()
    while True:
        shares = _shares(dues, min(CHUNK, limit - count))
        asked = shares.total()
        shares.update({queue: 0 for queue, due in dues.items() if due.serves})
        promoted, got = await _promote_shares(caller, shares, dues, now_ms)
        count, queues = count + promoted, queues | got
        is_over = any(due.is_over for due in dues.values())
        if not is_over or not asked or count >= limit:
            return Promoted(
                count=count,
                queues=tuple(sorted(queues)),
                next_due_ms=_first(dues.values()),
                more=is_over or any(due.serves for due in dues.values()),
            )
        dues = await _look(caller, list(dues), min(CHUNK, limit - count), now_ms)


async def sweep_history(caller: Caller, now_ms: int | None) -> None:
    """Drops the history that is older than a day, meters that nobody uses, and turns of long ago."""
    names = await caller.registry.names()
    await caller.each([caller.prepared("sweep_minutes", [queue], [], now_ms) for queue in names])
    for verb in ("sweep_meters", "sweep_marks"):
        cursors = dict.fromkeys(names, b"0")
        while cursors:
            calls = [caller.prepared(verb, [queue], [at], now_ms) for queue, at in cursors.items()]
            replies = zip(cursors, await caller.each(calls), strict=True)
            cursors = {queue: cursor for queue, cursor in replies if cursor != b"0"}


async def _sweep_and_look(caller: Caller, limit: int, now_ms: int | None) -> dict[str, _Due]:
    """What is due in every queue. One round trip, as long as no other process adds a queue: the sweep tells their
    names, and meanwhile those are looked at that were known."""
    if caller.keys.is_cluster:
        holding = await _sweep_apart(caller, now_ms)
        [reply] = await caller.each([caller.prepared_shared("sweep", HOME, [0, 0, *holding], now_ms)])
        await caller.registry.learn(reply[0])
        dues = await _look(caller, caller.registry.known, limit, now_ms)
    else:
        known = caller.registry.known
        words = [max(limit, 0), len(known)]
        [(names, _, _, *looks)] = await caller.each([caller.prepared("sweep", known, words, now_ms)])
        dues = {queue: _read(reply) for queue, reply in zip(known, looks, strict=True)}
        new = await caller.registry.learn(names)
        dues |= await _look(caller, new, limit, now_ms)
    await empty_outboxes(caller, [queue for queue, due in dues.items() if due.leaving], now_ms)
    return dues


async def _sweep_apart(caller: Caller, now_ms: int | None) -> list[bytes]:
    """Sweeps what each queue of a Cluster has for itself. Gives the sessions that hold jobs somewhere.

    A mark that a session was ended goes when home has ended it too.
    """
    queues = await caller.registry.names()
    replies = await caller.each([caller.prepared_shared("sweep", queue, [0, 0], now_ms) for queue in queues])
    for queue, (_, _, ended) in zip(queues, replies, strict=True):
        if ended:
            words = [packed(EXTENDS, 0, session.decode()) for session in ended]
            await caller.at_home("extend", words, now_ms)
            [key] = caller.keys.of(("sessions",), (), [queue])
            await caller.links.command("HDEL", key, *ended, key=key)
    return [session for _, held, _ in replies for session in held]


async def _look(caller: Caller, queues: Sequence[str], limit: int, now_ms: int | None) -> dict[str, _Due]:
    calls = [caller.prepared("look_due", [queue], [max(limit, 0)], now_ms) for queue in queues]
    return {queue: _read(reply) for queue, reply in zip(queues, await caller.each(calls), strict=True)}


def _read(reply: list[bytes]) -> _Due:
    next_due, is_over, leaving, next_meter, serves, *times = reply
    return _Due(
        _time(next_due),
        bool(is_over),
        [float(time) for time in times],
        bool(leaving),
        _time(next_meter),
        bool(serves),
    )


def _shares(dues: dict[str, _Due], limit: int) -> Counter[str]:
    """How many jobs of each queue are among the earliest."""
    times = heapq.merge(*([(time, queue) for time in due.times] for queue, due in dues.items()))
    return Counter(queue for _, (_, queue) in zip(range(max(limit, 0)), times, strict=False))


async def _promote_shares(
    caller: Caller, shares: Counter[str], dues: dict[str, _Due], now_ms: int | None
) -> tuple[int, set[str]]:
    """Makes them pending, and lets meters serve; `dues` then says what is left. How many were due, and which queues
    got pending jobs."""
    calls = [caller.prepared("promote", [queue], [queue, count], now_ms) for queue, count in shares.items()]
    total, queues = 0, set()
    left: list[str] = []
    for queue, reply in zip(shares, await caller.each(calls), strict=True):
        left += left_queues(reply, _PROMOTE_REPLIES)
        count, is_more, next_due, is_over, next_meter, serves = reply
        total += count
        if is_more:
            queues.add(queue)
        dues[queue] = _Due(
            _time(next_due), bool(is_over), next_meter_ms=_time(next_meter), serves=bool(serves)
        )
    return total, queues | await empty_outboxes(caller, left, now_ms)


def _first(dues: Iterable[_Due]) -> int | None:
    times = [time for due in dues for time in (due.next_due_ms, due.next_meter_ms) if time is not None]
    return min(times, default=None)


def _time(text: bytes) -> int | None:
    return int(float(text)) if text else None
