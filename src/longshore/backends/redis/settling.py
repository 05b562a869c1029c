"""This module ends claims."""

import struct
from collections.abc import Iterable, Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.grouping import Numbers, grouped
from longshore.backends.redis.links import Call, Reply
from longshore.backends.redis.outbox import empty_outboxes
from longshore.backends.redis.rare import left_queues
from longshore.backends.redis.rows import ruled_item
from longshore.backends.redis.ruling import short_rules
from longshore.backends.redis.sessions import end
from longshore.core.job import NewJob
from longshore.core.states import CODES
from longshore.core.verdict import COMPLETED
from longshore.store.commands import Settlement
from longshore.store.replies import Settled

OUTCOMES = (Settled.STALE, Settled.APPLIED, Settled.APPLIED, Settled.STALE)
ENDED_SESSION, NEEDS_RULES = 2, 3
ELSEWHERE = (65535).to_bytes(2, "little")
IF_LOST, KEEP, RESULT, ERROR, TEXT, AT_TIME, TOLD = 1, 2, 4, 8, 16, 32, 64
_PLAIN = frozenset({KEEP, KEEP + RESULT})
_HEAD = struct.Struct("<16sIBBBdHBIII")


async def settle(caller: Caller, settlements: Sequence[Settlement], now_ms: int | None) -> list[Settled]:
    """Ends claims, each in one step with its followers."""
    await _register_followers(caller, settlements)
    outcomes = [Settled.STALE] * len(settlements)
    groups = grouped([each.queue for each in settlements], is_cluster=caller.keys.is_cluster)
    over: set[str] = set()
    left: list[str] = []
    for group, reply in await _replies(caller, settlements, groups, now_ms):
        left += left_queues(reply, len(group))
        for position, applied in zip(group, reply, strict=True):
            outcomes[position] = OUTCOMES[applied]
            if applied == ENDED_SESSION:
                over.add(settlements[position].session)
    if caller.keys.is_cluster:
        left += await _tell_other_slots(caller, settlements, over, now_ms)
    await empty_outboxes(caller, left, now_ms)
    return outcomes


async def _replies(
    caller: Caller, settlements: Sequence[Settlement], groups: Sequence[Sequence[int]], now_ms: int | None
) -> list[tuple[Sequence[int], Reply]]:
    """What the script answered about each group, and again about those whose rules nobody has told it."""
    calls = []
    for group in groups:
        some = [settlements[position] for position in group]
        has_rules = caller.foresight.expects(each.queue for each in some)
        calls.append(settle_call(caller, some, now_ms, has_rules=has_rules))
    replies = list(zip(groups, await caller.each(calls), strict=True))
    again = [
        [position for position, applied in zip(group, reply, strict=False) if applied == NEEDS_RULES]
        for group, reply in replies
    ]
    again = [group for group in again if group]
    if again:
        caller.foresight.learn(settlements[position].queue for group in again for position in group)
        calls = [
            settle_call(caller, [settlements[position] for position in group], now_ms, has_rules=True)
            for group in again
        ]
        replies += zip(again, await caller.each(calls), strict=True)
    return replies


async def _tell_other_slots(
    caller: Caller, settlements: Sequence[Settlement], over: Iterable[str], now_ms: int | None
) -> set[str]:
    """What a settlement means for other queues: sessions that it has ended, and followers. Which queues sent some."""
    if over:
        await end(caller, over, now_ms)
    return {each.queue for each in settlements if any(job.queue != each.queue for job in each.follow)}


async def _register_followers(caller: Caller, settlements: Sequence[Settlement]) -> None:
    queues = [job.queue for settlement in settlements if settlement.follow for job in settlement.follow]
    if queues:
        await caller.registry.add(queues)


def settle_call(
    caller: Caller, settlements: Sequence[Settlement], now_ms: int | None, *, has_rules: bool = False
) -> Call:
    """One call for settlements that lie together; of another script where rules play a part, which need more keys."""
    numbers = Numbers()
    words: list[bytes] = []
    for settlement in settlements:
        words.append(numbers.of(settlement.queue) + packed(settlement))
        words += [_packed_follower(caller, numbers, job, settlement.queue) for job in settlement.follow]
    names = numbers.names
    has_rules = has_rules or any(map(_has_rules, settlements))
    verb = "settle_ruled" if has_rules else "settle"
    return caller.prepared(verb, names, [len(names), *names, *words], now_ms)


def _packed_follower(caller: Caller, numbers: Numbers, job: NewJob, queue: str) -> bytes:
    if caller.keys.is_cluster and job.queue != queue:
        name = job.queue.encode()
        return ELSEWHERE + bytes([len(name)]) + name + ruled_item(job)
    return numbers.of(job.queue) + ruled_item(job)


def _has_rules(settlement: Settlement) -> bool:
    return settlement.rules is not None or any(
        job.rules is not None or job.edges is not None for job in settlement.follow
    )


def packed(settlement: Settlement) -> bytes:
    """A settlement as the script reads it. A completion tells it short rules, so that it need not look for them."""
    verdict, session = settlement.verdict, settlement.session.encode()
    result, error, text = settlement.result, settlement.error, settlement.error_text
    flags = KEEP * settlement.keep + IF_LOST * settlement.if_lost
    if result is not None:
        flags += RESULT
    if error is not None:
        flags += ERROR
    line = b""
    if text is not None:
        flags += TEXT
        line = text.encode()
    time: float = verdict.delay_ms
    if verdict.run_ms is not None:
        flags += AT_TIME
        time = verdict.run_ms
    if settlement.rules is not None and flags in _PLAIN and verdict is COMPLETED and not settlement.follow:
        error = short_rules(settlement.rules)
        flags += TOLD * bool(error)
    result, error = result or b"", error or b""
    head = _HEAD.pack(
        settlement.id,
        settlement.fence,
        CODES[verdict.state],
        verdict.charge,
        flags,
        time,
        len(settlement.follow),
        len(session),
        len(result),
        len(error),
        len(line),
    )
    return b"".join((head, session, result, error, line))
