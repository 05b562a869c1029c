"""This module names every key and channel of a Redis store.

    ls:{mail}:jobs    ls:{mail}:ready3    ls:{.}:sessions    ls:{mail}:wake:pending (a channel)

The braces are a hash tag: all keys of a queue lie in one slot of a Cluster, so that one script may use them together.
What belongs to no queue lies under the tag `.`, which no queue can be called. On a server alone (also one behind
Sentinels) sessions and records are kept there once, for all queues; in a Cluster each queue has its own beside it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from longshore.core.priority import LOWEST

HOME = "."
READY = "ready"
"""Stands for the lines of all priorities: `ready0` to `ready9`."""
LINE = "line"
"""Stands for the line of one priority."""


class Line(NamedTuple):
    """The jobs of one priority in a queue."""

    queue: str
    priority: int


class Keys:
    """The keys under one prefix."""

    def __init__(self, prefix: str, *, is_cluster: bool = False) -> None:
        self._prefix = prefix
        self.is_cluster = is_cluster
        self.channels = f"{prefix}:{{".encode()
        """What the name of every channel begins with."""
        self.queues = self._key(HOME, "queues")
        """A set of the names of all queues."""
        self._known: dict[tuple[object, ...], tuple[bytes, ...]] = {}

    def of(
        self, shared: Sequence[str], own: Sequence[str], queues: Sequence[str | Line]
    ) -> tuple[bytes, ...]:
        """What a script needs: the shared keys as its first queue sees them, then those of each queue."""
        asked = (*shared, "|", *own, "|", *queues)
        keys = self._known.get(asked)
        if keys is None:
            keys = self._made(shared, own, queues)
            if len(queues) == 1 and len(self._known) < 10_000:
                self._known[asked] = keys
        return keys

    def _made(
        self, shared: Sequence[str], own: Sequence[str], queues: Sequence[str | Line]
    ) -> tuple[bytes, ...]:
        place = _queue_of(queues[0]) if self.is_cluster and queues else HOME
        keys = [self._key(place, name) for name in shared]
        for queue in queues:
            for name in own:
                if name == READY:
                    keys += [
                        self._key(_queue_of(queue), f"{READY}{priority}") for priority in range(LOWEST + 1)
                    ]
                elif name == LINE and isinstance(queue, Line):
                    keys.append(self._key(queue.queue, f"{READY}{queue.priority}"))
                else:
                    keys.append(self._key(_queue_of(queue), name))
        return tuple(keys)

    def _key(self, place: str, name: str) -> bytes:
        return f"{self._prefix}:{{{place}}}:{name}".encode()


def _queue_of(queue: str | Line) -> str:
    return queue.queue if isinstance(queue, Line) else queue
