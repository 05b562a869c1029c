"""This module holds the rules that travel with a job: its limits, whose turn it takes, what it must not meet.

They are part of the job, so that a process that has never seen the task's code keeps to them. A job without rules has
None in their place, and no store spends anything on it.
"""

from enum import IntEnum

import msgspec

from longshore.core.states import State


class LimitKind(IntEnum):
    """How a meter decides whether there is room. Numbers are kept by stores and never reused."""

    CONCURRENCY = 0
    """So much at once: pending and running jobs use room until they leave both states."""
    BUCKET = 1
    """A token bucket: claims spend, `limit` tokens come back in `per_ms`, and at most `burst` are saved."""
    SLIDING = 2
    """At most `limit` in any stretch of `per_ms`, exactly; a twentieth of it may stay unused."""
    FIXED = 3
    """At most `limit` in each stretch of `per_ms` since 1970."""


class FlowKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One limit that a job is under. All jobs of a queue with the same rule and key share one meter."""

    rule: str
    """Names the limit; no colon in it. The same in every process."""
    key: str
    """Whose; "" where all jobs of the rule share one meter."""
    kind: LimitKind
    limit: int
    """At least 1; a concurrency limit of 0 lets nobody in."""
    per_ms: int = 0
    burst: int = 0
    """What a bucket holds at most; at least 1."""
    cost: int = 1
    """What this job uses of the limit. One that costs more than the limit can ever give, since that was lowered, needs
    all of it."""

    @property
    def meter(self) -> str:
        """The name of the meter, one of its queue."""
        return f"{self.rule}:{self.key}"

    @property
    def most(self) -> int:
        """The largest cost that the limit can ever give."""
        return self.burst if self.kind is LimitKind.BUCKET else self.limit


FAIR_STEP = 1 << 10
"""Between two tags of a fair key with weight 1."""


class FairKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Whose turn a job takes: jobs of one queue and priority take turns by key, heavier keys more often."""

    key: str
    weight: float = 1.0
    """Above 0."""


class UniqueKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What must not be there twice: while a job of the queue that came with the same key is in one of the states, and
    not longer ago than `within_ms`, another is not stored."""

    key: bytes
    """A digest, or any other bytes."""
    states: tuple[State, ...]
    within_ms: int | None = None
    """Counted from the insert of the older job."""


class Rules(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All rules of a job."""

    flow: tuple[FlowKey, ...] = ()
    """Every one of them must have room. No two of them share a meter."""
    fair: FairKey | None = None
    unique: UniqueKey | None = None
    room: int | None = None
    """How many jobs may wait in the queue, with this one; more are turned away."""


def pack(rules: Rules | None) -> bytes | None:
    """The bytes that stores keep: MessagePack, arrays instead of maps, so that a Redis script can read them too."""
    return None if rules is None else _encode(rules)


def unpack(packed: bytes | None) -> Rules | None:
    """The rules that were packed."""
    return None if packed is None else _decode(packed)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Rules).decode
