"""This module lets an application's own function split what waits into batches, and checks what it returned.

A function can forget items, invent some, or return one twice. What it forgot waits on; for the rest the whole answer
is refused, so that no item is lost or run twice by it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Generic, TypeVar

from longshore.batch.entry import Entry, Line
from longshore.core.batch_errors import InvalidSplit
from longshore.core.errors import InvalidOption

T = TypeVar("T")


class Split(Generic[T]):
    """As `batch_by=`: the function gets the list of waiting items, the most urgent and oldest first, and returns
    batches of them. A batch longer than batch_size is cut; items in no batch wait on."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[list[T]], Iterable[Iterable[T]]]) -> None:
        if not callable(function):
            raise InvalidOption("batch_by", function, "Split(function of the list of items that wait)")
        self.function: Callable[[list[T]], Iterable[Iterable[T]]] = function


def partition(
    entries: Sequence[Entry[T]], batches: Iterable[Iterable[T]], batch_size: int
) -> tuple[list[list[Entry[T]]], list[Entry[T]]]:
    """The entries of each batch, none longer than batch_size, and those left over. Raises InvalidSplit.

    Items are told apart by identity: two equal ones are two items.
    """
    here: dict[int, deque[Entry[T]]] = {}
    for entry in entries:
        here.setdefault(id(entry.item), deque()).append(entry)
    chosen = [[_found(item, here) for item in batch] for batch in batches]
    taken = {id(entry) for batch in chosen for entry in batch}
    cut = [batch[at : at + batch_size] for batch in chosen for at in range(0, len(batch), batch_size)]
    return cut, [entry for entry in entries if id(entry) not in taken]


def _found(item: T, here: dict[int, deque[Entry[T]]]) -> Entry[T]:
    entries = here.get(id(item))
    if entries is None:
        raise InvalidSplit(f"it holds {item!r:.100}, which was not among them")
    if not entries:
        raise InvalidSplit(f"it holds {item!r:.100} twice")
    return entries.popleft()


class SplitCollector(Generic[T]):
    """Items in one line until the function is asked: when a batch_size of them waits, or when the oldest is due.

    An answer stands: its batches go one after the other, and what comes later waits for the next answer. After an
    answer that let nothing go, it is asked again when another batch_size has come, or after `patience` seconds.
    """

    def __init__(
        self,
        split: Split[T],
        batch_size: int,
        levels: int,
        patience: float,
        *,
        full_at: int | None = None,
    ) -> None:
        self._split = split.function
        self._batch_size = batch_size
        self._full_at = full_at or batch_size
        self._levels = levels
        self._patience = patience
        self._line: Line[T] = Line(levels)
        self._planned: deque[list[Entry[T]]] = deque()
        self._in_vain = 0
        self._not_before = float("-inf")
        self.count = 0

    def prepare(self, entry: Entry[T]) -> None:
        """Nothing is asked about an item alone."""

    def add(self, entry: Entry[T]) -> bool:
        self._line.add(entry)
        self.count += 1
        return self._line.count == 1 or (self._line.count - self._in_vain) % self._full_at == 0

    def put_back(self, entries: Sequence[Entry[T]]) -> None:
        self._line.put_back(entries)
        self.count += len(entries)
        self._not_before = float("-inf")

    def withdraw(self, wanted: Callable[[T], bool]) -> list[Entry[T]]:
        gone = self._line.withdraw(wanted)
        gone += [entry for batch in self._planned for entry in batch if wanted(entry.item)]
        kept = ([entry for entry in batch if not wanted(entry.item)] for batch in self._planned)
        self._planned = deque(batch for batch in kept if batch)
        self.count -= len(gone)
        self._in_vain = min(self._in_vain, self._line.count)
        return gone

    def take(self, now: float, *, everything: bool) -> list[Entry[T]] | None:
        if not self._planned and self._is_to_be_asked(now, everything):
            self._ask(now)
        if not self._planned:
            return None
        batch = self._planned.popleft()
        self.count -= len(batch)
        return batch

    def next_due(self) -> float | None:
        return max(self._line.due(), self._not_before) if self._line.count else None

    def drop(self, priority: int) -> Entry[T] | None:
        dropped = self._line.drop(priority)
        if dropped is None:
            dropped = self._drop_planned(priority)
        if dropped is not None:
            self.count -= 1
            self._in_vain = min(self._in_vain, self._line.count)
        return dropped

    def __iter__(self) -> Iterator[Entry[T]]:
        return chain(chain.from_iterable(self._planned), self._line)

    def _is_to_be_asked(self, now: float, everything: bool) -> bool:  # noqa: FBT001 - as its caller was told
        if self._line.count - self._in_vain >= self._full_at:
            return True
        return self._line.count > 0 and self._not_before <= now and (everything or self._line.due() <= now)

    def _ask(self, now: float) -> None:
        entries = list(self._line)
        self._in_vain, self._not_before = len(entries), now + self._patience
        batches, left = partition(entries, self._split([entry.item for entry in entries]), self._batch_size)
        if batches:
            self._planned.extend(batches)
            self._line = Line(self._levels)
            self._line.put_back(left)
            self._in_vain, self._not_before = 0, float("-inf")

    def _drop_planned(self, priority: int) -> Entry[T] | None:
        entries = [entry for batch in self._planned for entry in batch if entry.priority >= priority]
        if not entries:
            return None
        dropped = max(entries, key=lambda entry: (entry.priority, -entry.due))
        kept = ([entry for entry in batch if entry is not dropped] for batch in self._planned)
        self._planned = deque(batch for batch in kept if batch)
        return dropped
