"""This module gives pending jobs to sessions."""

from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Call
from longshore.backends.redis.rows import claimed_jobs
from longshore.store.commands import ClaimAsk
from longshore.store.replies import Claimed


async def claim(caller: Caller, asks: Sequence[ClaimAsk], now_ms: int | None) -> list[Claimed]:
    """One script for each ask."""
    replies = await caller.each([_call(caller, ask, now_ms) for ask in asks])
    return [
        Claimed(claimed_jobs(reply[2:], ask.queue, ask.session), session_lost=bool(reply[0]))
        for ask, reply in zip(asks, replies, strict=True)
    ]


def _call(caller: Caller, ask: ClaimAsk, now_ms: int | None) -> Call:
    words = (ask.queue, ask.session, max(ask.count, 0), ask.id or b"")
    return caller.prepared("claim", [ask.queue], words, now_ms)
