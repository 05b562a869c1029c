"""This module holds what a batched queue knows of one item, and the line in which items of one kind wait."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


UNKEYED = object()
"""The key of an item before it is known."""


class Ticket:
    """What somebody who flushes waits for: so many items to have been tried."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class Entry(Generic[T]):
    """An item on its way. A plain class with slots: a queue of millions makes one for each."""

    __slots__ = ("due", "failures", "item", "key", "priority", "ticket")

    def __init__(self, item: T, priority: int, due: float, failures: int = 0) -> None:
        self.item = item
        self.priority = priority
        self.due = due
        """Monotonic seconds: it goes then, however few go with it."""
        self.failures = failures
        self.key: Hashable = UNKEYED
        """By which it goes together with others: as it was when it came, whatever becomes of the item."""
        self.ticket: Ticket | None = None


class Line(Generic[T]):
    """Items that may go in one batch: the more urgent first, and the older first among those."""

    __slots__ = ("_levels", "count", "key", "watched_until")

    def __init__(self, levels: int, key: object = None) -> None:
        self._levels: list[deque[Entry[T]]] = [deque() for _ in range(levels)]
        self.key = key
        self.count = 0
        self.watched_until = float("inf")
        """When somebody looks whether it is due."""

    def add(self, entry: Entry[T]) -> None:
        """At the end."""
        self._levels[entry.priority].append(entry)
        self.count += 1

    def put_back(self, entries: Sequence[Entry[T]]) -> None:
        """At the front, in this order: they have waited before."""
        for entry in reversed(entries):
            self._levels[entry.priority].appendleft(entry)
        self.count += len(entries)

    def take(self, most: int) -> list[Entry[T]]:
        """The first ones."""
        taken: list[Entry[T]] = []
        for level in self._levels:
            missing = most - len(taken)
            if len(level) <= missing:
                taken += level
                level.clear()
            else:
                taken += [level.popleft() for _ in range(missing)]
        self.count -= len(taken)
        return taken

    def drop(self, priority: int) -> Entry[T] | None:
        """The oldest of the least urgent ones; None where all are more urgent than `priority`."""
        for level in reversed(self._levels[priority:]):
            if level:
                self.count -= 1
                return level.popleft()
        return None

    def withdraw(self, wanted: Callable[[T], bool]) -> list[Entry[T]]:
        """Takes the wanted items out."""
        gone = [entry for entry in self if wanted(entry.item)]
        if gone:
            self._levels = [
                deque(entry for entry in level if not wanted(entry.item)) for level in self._levels
            ]
            self.count -= len(gone)
        return gone

    def least_urgent(self) -> tuple[int, float]:
        """The level that `drop` would take from, and minus when its first is due: the greatest is to be dropped."""
        return max(((urgency, -level[0].due) for urgency, level in enumerate(self._levels) if level))

    def due(self) -> float:
        """When the first of them is due; infinity when none waits."""
        return min((level[0].due for level in self._levels if level), default=float("inf"))

    def rank(self) -> tuple[int, float]:
        """Of several lines that could go, the least goes first: the one with the most urgent item, then the oldest."""
        urgency = next((index for index, level in enumerate(self._levels) if level), len(self._levels))
        return urgency, self.due()

    def __iter__(self) -> Iterator[Entry[T]]:
        for level in self._levels:
            yield from level
