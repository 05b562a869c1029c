"""This module carries on what scripts may not do in queues of other calls: it brings followers there, asks how parents
are, and tells children.

A step writes it into an outbox in its own slot; whoever took the step, or promotes, then carries it on and strikes it
off. A process that dies in between leaves it there for the next one. Only one at a time is at a queue's outbox: a
follower that was inserted twice might run twice, if it is forgotten in between. What is told twice is heard once.

An entry is length of the queue 1 · queue · follower, or 0 · ASK or TELL · length of the queue 1 · queue · what
`ask.lua` and `tell.lua` say.
"""

from collections.abc import Iterable, Sequence

import msgspec

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Call, Word
from longshore.backends.redis.rare import left_queues, ruled_call
from longshore.backends.redis.rows import split_item

BATCH = 100
LOCK_MS = 20_000
"""Twice the longest call: by then whoever had the outbox has given up."""
ASK, TELL = 1, 2
_INDEX = 3
_PARENT = _INDEX + 16
"""Which edge, and the parent."""


class _Ask(msgspec.Struct):
    """How the parents of one child are."""

    queue: str
    """Theirs."""
    words: bytes

    def heard(self, answers: bytes) -> tuple[Word, Word]:
        """What the child is to hear."""
        begin = 1 + self.words[0]
        child, is_last = self.words[begin : begin + 22], self.words[begin + 22]
        parents = self.words[begin + 23 :]
        told = [
            child + parents[at * _PARENT : at * _PARENT + _INDEX] + bytes([answer])
            for at, answer in enumerate(answers)
        ]
        return is_last, b"".join(told)


class _Batch(msgspec.Struct):
    """The first entries of an outbox."""

    followers: dict[str, list[tuple[bytes, bytes]]] = {}
    asks: list[_Ask] = []
    tells: dict[str, list[Word]] = {}

    def add(self, entry: bytes) -> None:
        """One entry."""
        if entry[0]:
            queue, rest = _split(entry)
            self.followers.setdefault(queue, []).append(split_item(rest))
        elif entry[1] == ASK:
            self.asks.append(_Ask(*_split(entry[2:])))
        else:
            queue, rest = _split(entry[2:])
            self.tells.setdefault(queue, []).extend((0, rest))


async def empty_outboxes(caller: Caller, queues: Iterable[str], now_ms: int | None) -> set[str]:
    """Carries on what waits in these queues' slots, and what comes of that. Gives queues with more to claim now."""
    left, woken = dict.fromkeys(queues), set[str]()
    while left:
        queue = next(iter(left))
        del left[queue]
        [lock] = caller.keys.of((), ("outbox_lock",), [queue])
        while await caller.links.command("SET", lock, 1, "NX", "PX", LOCK_MS, key=lock):
            try:
                count, more = await _empty_some(caller, queue, woken, now_ms)
            finally:
                await caller.links.command("DEL", lock, key=lock)
            left.update(dict.fromkeys(more))
            if count < BATCH:
                break
    return woken


async def _empty_some(
    caller: Caller, queue: str, woken: set[str], now_ms: int | None
) -> tuple[int, list[str]]:
    """Carries on the first entries. Says how many there were, and which outboxes got more by that."""
    [outbox] = caller.keys.of((), ("outbox",), [queue])
    entries = await caller.links.command("LRANGE", outbox, 0, BATCH - 1, key=outbox)
    if not entries:
        return 0, []
    batch, left = _Batch(), []
    for entry in entries:
        batch.add(entry)
    calls = [_insert_call(caller, name, found, now_ms) for name, found in batch.followers.items()]
    for found, reply in zip(batch.followers.values(), await caller.each(calls), strict=True):
        left += left_queues(reply, len(found))
    await _ask(caller, queue, batch, now_ms)
    calls = [caller.prepared("tell", [name], [name, *words], now_ms) for name, words in batch.tells.items()]
    for name, reply in zip(batch.tells, await caller.each(calls), strict=True):
        left += left_queues(reply, 1)
        if reply[0]:
            woken.add(name)
    await caller.each([caller.prepared("strike", [queue], entries, now_ms)])
    return len(entries), left


async def _ask(caller: Caller, queue: str, batch: _Batch, now_ms: int | None) -> None:
    """Asks the queues of parents, and notes what they answer for the children, which are in this queue."""
    asks: dict[str, list[_Ask]] = {}
    for ask in batch.asks:
        asks.setdefault(ask.queue, []).append(ask)
    calls = [
        caller.prepared("ask", [name], [name, *(ask.words for ask in some)], now_ms)
        for name, some in asks.items()
    ]
    for some, answers in zip(asks.values(), await caller.each(calls), strict=True):
        for ask, answer in zip(some, answers, strict=True):
            batch.tells.setdefault(queue, []).extend(ask.heard(answer))


def _split(entry: bytes) -> tuple[str, bytes]:
    """The queue in front, and the rest."""
    end = 1 + entry[0]
    return entry[1:end].decode(), entry[end:]


def _insert_call(
    caller: Caller, queue: str, followers: Sequence[tuple[bytes, bytes]], now_ms: int | None
) -> Call:
    return ruled_call(caller, [(queue, item, rules) for rules, item in followers], now_ms, are_followers=True)
