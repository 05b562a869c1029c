"""This module gathers items until a batch of them is to go: it is full, or its oldest item has waited long enough.

Pure: the time goes in, batches come out. A line for each key of `batch_by`, or one for all; a heap knows which line is
due next, so that a hundred thousand keys cost no more than a few.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import get_close_matches
from heapq import heappop, heappush
from itertools import chain, count
from typing import Any, Generic, Protocol, TypeVar

from longshore.batch.entry import UNKEYED, Entry, Line
from longshore.core.errors import InvalidOption

T = TypeVar("T")

By = Callable[[T], Hashable]


class Collects(Protocol[T]):
    """Where items wait for their batch."""

    count: int

    def prepare(self, entry: Entry[T]) -> None:
        """Learns the item's key. Raises what the application's function raises."""

    def add(self, entry: Entry[T]) -> bool:
        """Whether it is worth a look: a batch may be full now, or a due time has come nearer. Raises like `prepare`
        where that was not called, and has done nothing then."""

    def put_back(self, entries: Sequence[Entry[T]]) -> None:
        """To the front, and to go at once: they have waited before."""

    def withdraw(self, wanted: Callable[[T], bool]) -> list[Entry[T]]:
        """Takes the wanted items out."""

    def take(self, now: float, *, everything: bool) -> list[Entry[T]] | None:
        """The next batch that is to go; None when none is. `everything`: as if all were due."""

    def next_due(self) -> float | None:
        """When to ask again, if nothing happens before; None: not before."""

    def drop(self, priority: int) -> Entry[T] | None:
        """Takes the oldest of the least urgent items out; None when all are more urgent than `priority`."""

    def __iter__(self) -> Iterator[Entry[T]]:
        """All that wait."""


class Collector(Generic[T]):
    """Items by key, each key's in batches of their own."""

    def __init__(
        self, batch_size: int, levels: int, by: "By[T] | str | None" = None, *, full_at: int | None = None
    ) -> None:
        """`full_at`: a batch goes with so many items, and takes more along if they are there."""
        self._batch_size = batch_size
        self._full_at = full_at or batch_size
        self._levels = levels
        self._by: Callable[[Any], Hashable] | None = named(by) if isinstance(by, str) else by
        self._lines: dict[Hashable, Line[T]] = {}
        self._ready: dict[int, Line[T]] = {}
        self._watch: list[tuple[float, int, Line[T]]] = []
        self._numbers = count()
        self.count = 0

    def prepare(self, entry: Entry[T]) -> None:
        key = self._by(entry.item) if self._by is not None else None
        hash(key)  # here, where nothing has happened yet
        entry.key = key

    def add(self, entry: Entry[T]) -> bool:
        line = self._line_of(entry)
        line.add(entry)
        self.count += 1
        if line.count % self._full_at == 0:
            self._ready[id(line)] = line
            return True
        return self._look_after(line, entry.due)

    def put_back(self, entries: Sequence[Entry[T]]) -> None:
        by_line: dict[int, tuple[Line[T], list[Entry[T]]]] = {}
        for entry in entries:
            line = self._line_of(entry)
            by_line.setdefault(id(line), (line, []))[1].append(entry)
        for line, own in by_line.values():
            line.put_back(own)
            self._ready[id(line)] = line
        self.count += len(entries)

    def give_back(self, entries: Sequence[Entry[T]], now: float) -> None:
        """To the front, to wait on with those of their key: the batch that they were taken for has no room."""
        line = self._line_of(entries[0])
        line.put_back(entries)
        self.count += len(entries)
        self._file(line, now)

    def hurry(self, entry: Entry[T]) -> None:
        """The items of this entry's key shall go at once, however few they are."""
        line = self._line_of(entry)
        self._ready[id(line)] = line

    def withdraw(self, wanted: Callable[[T], bool]) -> list[Entry[T]]:
        gone: list[Entry[T]] = []
        for line in list(self._lines.values()):
            found = line.withdraw(wanted)
            if found:
                gone += found
                self._file(line, float("-inf"))
        self.count -= len(gone)
        return gone

    def take(self, now: float, *, everything: bool) -> list[Entry[T]] | None:
        self._notice_due(now)
        lines = self._waiting() if everything else list(self._ready.values())
        if not lines:
            return None
        line = lines[0] if len(lines) == 1 else min(lines, key=Line.rank)
        taken = line.take(self._batch_size)
        self.count -= len(taken)
        self._file(line, now)
        return taken

    def next_due(self) -> float | None:
        return self._watch[0][0] if self._watch else None

    def drop(self, priority: int) -> Entry[T] | None:
        line = max(self._waiting(), key=Line.least_urgent, default=None)
        dropped = line.drop(priority) if line is not None else None
        if line is not None and dropped is not None:
            self.count -= 1
            if line.count < self._full_at:
                self._file(line, float("-inf"))
        return dropped

    def __iter__(self) -> Iterator[Entry[T]]:
        return chain.from_iterable(self._lines.values())

    def _waiting(self) -> list[Line[T]]:
        return [line for line in self._lines.values() if line.count]

    def _line_of(self, entry: Entry[T]) -> Line[T]:
        if entry.key is UNKEYED:
            self.prepare(entry)
        line = self._lines.get(entry.key)
        if line is None:
            line = self._lines[entry.key] = Line(self._levels, entry.key)
        return line

    def _file(self, line: Line[T], now: float) -> None:
        """Puts a line where its count and its due time say that it belongs."""
        if line.count == 0:
            self._ready.pop(id(line), None)
            if (
                self._by is not None
            ):  # the only line of a queue without keys stays, with its place in the watch
                del self._lines[line.key]
        elif line.count >= self._full_at or line.due() <= now:
            self._ready[id(line)] = line
        else:
            self._ready.pop(id(line), None)
            self._look_after(line, line.due())

    def _look_after(self, line: Line[T], due: float) -> bool:
        """Whether it was not looked after already, at that time or before."""
        if due >= line.watched_until:
            return False
        line.watched_until = due
        heappush(self._watch, (due, next(self._numbers), line))
        return True

    def _notice_due(self, now: float) -> None:
        while self._watch and self._watch[0][0] <= now:
            due, _, line = heappop(self._watch)
            if due == line.watched_until:  # else a nearer time took its place
                line.watched_until = float("inf")
                if self._lines.get(line.key) is line:
                    self._file(line, now)


def named(name: str, option: str = "batch_by") -> Callable[[Any], Hashable]:
    """The key of an item by the name of its attribute, or of its field where it is a dict. Raises InvalidOption where
    the item has none."""

    def key(item: Any) -> Hashable:
        try:
            found: Hashable = item[name] if isinstance(item, dict) else getattr(item, name)
        except (KeyError, AttributeError):
            raise InvalidOption(option, name, _fields_of(item, name)) from None
        return found

    return key


def _fields_of(item: Any, name: str) -> str:
    known = [
        str(each) for each in (item if isinstance(item, dict) else dir(item)) if not str(each).startswith("_")
    ]
    near = get_close_matches(name, known, n=1)
    hint = f", perhaps '{near[0]}'" if near else ""
    return f"the name of a field of each item; this one, {item!r:.100}, has {', '.join(known[:10]) or 'none'}{hint}"
