"""This module keeps the leases of workers' sessions.

On a Cluster a session's home is one slot, and every queue keeps a copy in its own, where scripts can see it: `extend`
renews all of them at once, a claim where there is none fetches one (`copy_to`), and a session that a rescue has ended
in one queue is ended everywhere. What was ended in a queue leaves a mark there until home knows of it, so that it
cannot come back by a copy.
"""

import struct
from collections.abc import Iterable, Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.keys import HOME
from longshore.backends.redis.links import Lane
from longshore.core.ids import JobId
from longshore.store.commands import Lease
from longshore.store.replies import Extended

EXTENDS, OPENS, COPIES = 0, 1, 2
HELD, ENDED = b"1", b"-"
_LEASE = struct.Struct("<Bd")


async def extend(caller: Caller, leases: Sequence[Lease], now_ms: int | None) -> list[Extended]:
    """Opens, prolongs and ends sessions."""
    places = [HOME]
    if caller.keys.is_cluster:
        places += await _queues(caller, leases)
    words = [packed(OPENS if lease.opens else EXTENDS, lease.lease_ms, lease.session) for lease in leases]
    calls = [caller.prepared_shared("extend", place, words, now_ms) for place in places]
    replies = await caller.each(calls, Lane.LEASE)
    extended = [_extended(of_one) for of_one in zip(*replies, strict=True)]
    half_ended = [
        lease.session
        for lease, answer, at_home in zip(leases, extended, replies[0], strict=True)
        if not answer.held and at_home[:1] == HELD
    ]
    if half_ended:
        await end(caller, half_ended, now_ms)
    return extended


async def end(caller: Caller, sessions: Iterable[str], now_ms: int | None) -> None:
    """Ends sessions on a Cluster for good: in every queue first, where they hold jobs."""
    words = [packed(EXTENDS, 0, session) for session in sessions]
    for places in (await caller.registry.names(), [HOME]):
        await caller.each([caller.prepared_shared("extend", place, words, now_ms) for place in places])


async def copy_to(caller: Caller, pairs: Sequence[tuple[str, str]], now_ms: int | None) -> bool:
    """Lets queues of a Cluster know sessions, each the one beside it, that live at home. Whether any does."""
    left = await caller.at_home("lease_left", [session for _, session in pairs], now_ms)
    live = [
        (queue, session, left_ms)
        for (queue, session), left_ms in zip(pairs, left, strict=True)
        if left_ms > 0
    ]
    await caller.registry.add([queue for queue, _, _ in live])  # as below: copies must be found
    calls = [
        caller.prepared_shared("extend", queue, [packed(COPIES, left_ms, session)], now_ms)
        for queue, session, left_ms in live
    ]
    return any(reply[:1] == HELD for [reply] in await caller.each(calls))


def packed(how: int, lease_ms: float, session: str) -> bytes:
    """A lease as the script reads it."""
    return _LEASE.pack(how, lease_ms) + session.encode()


async def _queues(caller: Caller, leases: Sequence[Lease]) -> list[str]:
    """Where the sessions may be known: in the queues that they name, or in all."""
    if all(lease.queues for lease in leases):
        named = dict.fromkeys(queue for lease in leases for queue in lease.queues)
        await caller.registry.add(named)  # who looks for a session's copies must find this one
        return list(named)
    return await caller.registry.names()


def _extended(replies: Sequence[bytes]) -> Extended:
    """What home and the queues say of one session."""
    is_held = replies[0][:1] == HELD and not any(reply[:1] == ENDED for reply in replies)
    wishes = [
        JobId(reply[at : at + 16])
        for reply in replies
        if reply[:1] == HELD
        for at in range(1, len(reply), 16)
    ]
    return Extended(held=is_held, cancel=tuple(dict.fromkeys(wishes)) if is_held else ())
