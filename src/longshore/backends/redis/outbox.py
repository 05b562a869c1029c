"""This module brings followers into queues of other slots of a Cluster.

A settlement writes them into an outbox in its own slot, in the same step; whoever settled, or promotes, then inserts
them where they belong and strikes them off. A process that dies in between leaves them there for the next one. Only one
at a time is at a queue's outbox: a follower that was inserted twice might run twice, if it is forgotten in between.
"""

from collections.abc import Iterable, Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.inserting import ruled_call
from longshore.backends.redis.links import Call
from longshore.backends.redis.rows import split_item

BATCH = 100
LOCK_MS = 20_000
"""Twice the longest call: by then whoever had the outbox has given up."""


async def empty_outboxes(caller: Caller, queues: Iterable[str], now_ms: int | None) -> None:
    """Inserts the followers that wait in these queues' slots."""
    for queue in queues:
        [lock] = caller.keys.of((), ("outbox_lock",), [queue])
        while await caller.links.command("SET", lock, 1, "NX", "PX", LOCK_MS, key=lock):
            try:
                count = await _empty_some(caller, queue, now_ms)
            finally:
                await caller.links.command("DEL", lock, key=lock)
            if count < BATCH:
                break


async def _empty_some(caller: Caller, queue: str, now_ms: int | None) -> int:
    """Inserts the first followers of an outbox, and says how many there were."""
    [outbox] = caller.keys.of((), ("outbox",), [queue])
    entries = await caller.links.command("LRANGE", outbox, 0, BATCH - 1, key=outbox)
    followers: dict[str, list[tuple[bytes, bytes]]] = {}
    for entry in entries:
        end = 1 + entry[0]
        followers.setdefault(entry[1:end].decode(), []).append(split_item(entry[end:]))
    await caller.each([_insert_call(caller, queue, found, now_ms) for queue, found in followers.items()])
    for entry in entries:
        await caller.links.command("LREM", outbox, 1, entry, key=outbox)
    return len(entries)


def _insert_call(
    caller: Caller, queue: str, followers: Sequence[tuple[bytes, bytes]], now_ms: int | None
) -> Call:
    return ruled_call(caller, [(queue, item, rules) for rules, item in followers], now_ms, are_followers=True)
