"""This module queues the callers of one event loop that want the same thing of the store.

Only the first of them asks the store, so that a thousand who wait ask it no more often than one.
"""

import asyncio
from random import Random
from weakref import WeakValueDictionary

FIRST_SECONDS = 0.02
LAST_SECONDS = 0.5
"""Between two looks of who is first in line: at first, and when it takes long."""


class LocalLocks:
    """Locks, by what they are for; one that nobody holds or waits for is forgotten."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, name: str) -> asyncio.Lock:
        """Held by who is first; the others get it in the order in which they came."""
        found = self._locks.get(name)
        if found is None:
            found = self._locks[name] = asyncio.Lock()
        return found


class Pauses:
    """How long who is first in line rests between two looks: doubling, and jittered so that processes that wait for
    the same do not all look in the same instant."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._seconds = FIRST_SECONDS

    def next_seconds(self) -> float:
        """Before the next look."""
        seconds, self._seconds = self._seconds, min(LAST_SECONDS, self._seconds * 2)
        return seconds * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Something moved: the next look is worth it sooner."""
        self._seconds = FIRST_SECONDS
