"""This module holds the items of a batched queue that failed, until it is time for their next attempt."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from longshore.batch.entry import Entry
from longshore.core.clock import Clock, Timer

T = TypeVar("T")


class Delays(Generic[T]):
    """Groups of items that come back together, with one timer for each group."""

    def __init__(self, clock: Clock, come_back: Callable[[list[Entry[T]]], None]) -> None:
        self._clock = clock
        self._come_back = come_back
        self._groups: dict[int, tuple[list[Entry[T]], Timer]] = {}
        self.count = 0

    def add(self, seconds: float, group: list[Entry[T]]) -> None:
        """They come back after so many seconds."""
        number = id(group)
        timer = self._clock.call_later(seconds, lambda: self._end(number))
        self._groups[number] = (group, timer)
        self.count += len(group)

    def _end(self, number: int) -> None:
        group, _ = self._groups.pop(number)
        self.count -= len(group)
        self._come_back(group)

    def drop(self, priority: int) -> Entry[T] | None:
        """Takes the one out that failed longest ago; None when all are more urgent than `priority`."""
        for number, (group, timer) in self._groups.items():
            entry = next((each for each in group if each.priority >= priority), None)
            if entry is not None:
                group.remove(entry)
                self.count -= 1
                if not group:
                    timer.cancel()
                    del self._groups[number]
                return entry
        return None

    def stop(self) -> None:
        """They stay, and come back no more."""
        for _, timer in self._groups.values():
            timer.cancel()

    def __iter__(self) -> Iterator[Entry[T]]:
        for group, _ in self._groups.values():
            yield from group
