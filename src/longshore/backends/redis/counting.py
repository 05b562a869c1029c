"""This module tells how queues stand."""

from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Lane, Reply
from longshore.core.states import ORDER
from longshore.store.replies import Minute, QueueCounts

_WHAT = {"a": "added", "c": "completed", "f": "failed", "r": "retried", "x": "crashed", "t": "run_ms"}
"""The fields of a minute, by the letter behind its number."""


async def count(
    caller: Caller, queues: Sequence[str] | None, minutes: int, now_ms: int | None
) -> list[QueueCounts]:
    """One queue after the other; None: all that ever had a job."""
    names = await caller.registry.names() if queues is None else queues
    calls = [caller.prepared("count", [queue], [minutes], now_ms) for queue in names]
    replies = zip(names, await caller.each(calls, Lane.READ), strict=True)
    return [_counts(queue, reply) for queue, reply in replies if queues is not None or reply[0]]


def _counts(queue: str, reply: Reply) -> QueueCounts:
    _, *counts = reply[:11]
    oldest, next_due, *history = reply[11:]
    return QueueCounts(
        queue=queue,
        states=dict(zip(ORDER, counts, strict=True)),
        oldest_pending_ms=int(oldest) if oldest != b"" else None,
        next_due_ms=int(float(next_due)) if next_due else None,
        minutes=_minutes(history),
    )


def _minutes(history: Sequence[bytes]) -> tuple[Minute, ...]:
    found: dict[int, dict[str, int]] = {}
    for field, amount in zip(history[::2], history[1::2], strict=True):
        text = field.decode()
        found.setdefault(int(text[:-1]), {})[_WHAT[text[-1]]] = int(amount)
    return tuple(Minute(minute=minute, **fields) for minute, fields in sorted(found.items()))
