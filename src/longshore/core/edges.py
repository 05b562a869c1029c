"""This module holds what a job waits for: edges to other jobs, when they are met, and what becomes of a job whose
edges cannot be met any more.

All of it is decided from the states in which parents end, so every store decides alike.
"""

from enum import IntEnum

import msgspec

from longshore.core.ids import JobId
from longshore.core.states import TERMINAL, State


class When(IntEnum):
    """The end of a parent that meets an edge. Numbers are kept by stores and never reused."""

    SUCCESS = 0
    """Completed."""
    FAILURE = 1
    """Failed for good."""
    ALWAYS = 2
    """Completed, failed or cancelled: it is over, and was not left out."""
    OVER = 3
    """Over, however it ended, also when it was skipped."""


class Join(IntEnum):
    """How many edges must be met. Numbers are kept by stores and never reused."""

    ALL = 0
    ANY = 1
    """One is enough, and the others do not matter any more."""


class Missed(IntEnum):
    """What a job becomes when a parent failed or was cancelled whose success it needs. Numbers are kept by stores and
    never reused."""

    CANCEL = 0
    SKIP = 1


class Edge(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One job that another one waits for."""

    parent: JobId
    queue: str
    """The parent's."""
    on: When = When.SUCCESS
    missed: Missed = Missed.CANCEL


class Edges(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that a job waits for. No parent stands twice, and there is at least one."""

    parents: tuple[Edge, ...]
    join: Join = Join.ALL


ORPHAN_MS = 60_000
"""How long a job waits for a parent that is not there; then that edge is missed as if the parent had been cancelled."""

_MET = {
    When.SUCCESS: frozenset({State.COMPLETED}),
    When.FAILURE: frozenset({State.FAILED}),
    When.ALWAYS: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED}),
    When.OVER: TERMINAL,
}


def is_met(on: When, ended: State) -> bool:
    """Whether a parent that ended so meets the edge."""
    return ended in _MET[on]


def becomes(edge: Edge, ended: State) -> State:
    """What the job becomes, if this edge decides, by a parent whose end does not meet it.

    A branch that was not taken is skipped, and so is what depends on it; what needs the success of a parent that failed
    or was cancelled is cancelled unless its edge says otherwise.
    """
    if edge.on is When.SUCCESS and ended in {State.FAILED, State.CANCELLED} and edge.missed is Missed.CANCEL:
        return State.CANCELLED
    return State.SKIPPED


def pack(edges: Edges | None) -> bytes | None:
    """The bytes that stores keep, MessagePack: [[[parent, queue, on, missed], …], join]."""
    return None if edges is None else _encode(edges)


def unpack(packed: bytes | None) -> Edges | None:
    """The edges that were packed."""
    return None if packed is None else _decode(packed)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Edges).decode
