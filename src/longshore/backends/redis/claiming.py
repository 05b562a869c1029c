"""This module gives pending jobs to sessions."""

from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Call, Reply
from longshore.backends.redis.rows import claimed_jobs
from longshore.backends.redis.sessions import copy_to
from longshore.store.commands import ClaimAsk
from longshore.store.replies import Claimed


async def claim(caller: Caller, asks: Sequence[ClaimAsk], now_ms: int | None) -> list[Claimed]:
    """One script for each ask; again where it saw only places that jobs have left, thousands of them."""
    calls = [_call(caller, ask, now_ms) for ask in asks]
    replies = await caller.each(calls)
    while long := [number for number, reply in enumerate(replies) if reply[1]]:
        again = await caller.each([calls[number] for number in long])
        for number, reply in zip(long, again, strict=True):
            replies[number] = reply
    if caller.keys.is_cluster:
        replies = await _with_copies(caller, asks, replies, now_ms)
    return [
        Claimed(claimed_jobs(reply[3:], ask.queue, ask.session, reply[2]), session_lost=bool(reply[0]))
        for ask, reply in zip(asks, replies, strict=True)
    ]


async def _with_copies(
    caller: Caller, asks: Sequence[ClaimAsk], replies: list[Reply], now_ms: int | None
) -> list[Reply]:
    """Asks again where a queue did not know the session, which home may know."""
    lost = [number for number, reply in enumerate(replies) if reply[0]]
    pairs = list(dict.fromkeys((asks[number].queue, asks[number].session) for number in lost))
    if pairs and await copy_to(caller, pairs, now_ms):
        again = await caller.each([_call(caller, asks[number], now_ms) for number in lost])
        for number, reply in zip(lost, again, strict=True):
            replies[number] = reply
    return replies


def _call(caller: Caller, ask: ClaimAsk, now_ms: int | None) -> Call:
    words = (ask.queue, ask.session, max(ask.count, 0), ask.id or b"")
    return caller.prepared("claim", [ask.queue], words, now_ms)
