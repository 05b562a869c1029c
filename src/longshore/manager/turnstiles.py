"""This module lets those of one event loop who want the same thing of the store stand in line for it.

Only the first in each line asks the store, so that a thousand who wait ask it no more often than one.
"""

import asyncio
from random import Random
from weakref import WeakValueDictionary

FIRST_SECONDS = 0.02
LAST_SECONDS = 0.5
"""Between two looks of who is first in line: at first, and when it takes long."""


class Turnstiles:
    """Lines, by what they are for; one that nobody stands in is forgotten."""

    def __init__(self) -> None:
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def line(self, name: str) -> asyncio.Lock:
        """Held by who is first; the others get it in the order in which they came."""
        found = self._lines.get(name)
        if found is None:
            found = self._lines[name] = asyncio.Lock()
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
