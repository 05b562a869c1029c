"""This module gathers claimed jobs until a batch of them is to go; pure: jobs and times go in, batches come out.

It builds on what gathers the items of a `BatchedQueue`. What comes on top: a batch also ends at a number of bytes, and
jobs of a batch that took its worker down stay among themselves (`halving.py`).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from longshore.batch.collector import Collector
from longshore.batch.entry import Entry
from longshore.batch.grouping import Split, SplitCollector
from longshore.batch.halving import Half
from longshore.core.errors import InvalidOption
from longshore.core.job import JobRecord
from longshore.core.priority import LOWEST

MOST_WAIT_SECONDS = 60.0
"""Jobs that are gathered are claimed: to everybody else they run. Longer than this, a schedule is the better word."""

MOST_SIZE = 10_000
"""Jobs in one batch: all of their ids stand in one small record while they run."""

LEVELS = LOWEST + 1


class BatchRule(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How the jobs of one task are put together. Raises InvalidOption."""

    size: int = 50
    min_size: int | None = None
    """A batch goes at once with so many; None: with `size`."""
    max_wait: float = 5.0
    """Seconds after which the oldest goes, however few go with it."""
    max_bytes: int | None = None
    """Of payload in one batch; a job that is larger goes alone."""
    by: Callable[[Any], Hashable] | str | None = None
    """Only jobs with the same key go together: a function of the job, or the name of a field of its data."""
    strategy: Callable[[list[Any]], Iterable[Iterable[Any]]] | None = None
    """Splits the jobs that wait into batches itself."""
    throttle: float = 0.0
    """Least seconds between two starts in one worker."""
    concurrency: int = 1
    """Batches at a time in one worker."""
    takes_jobs: bool = False
    """The function gets Jobs, and not what they hold."""

    def __post_init__(self) -> None:
        if not 0 < self.size <= MOST_SIZE:
            raise InvalidOption("size", self.size, f"1 to {MOST_SIZE:,}")
        if self.min_size is not None and self.min_size > self.size:
            raise InvalidOption("min_size", self.min_size, f"1 to {self.size}, which is the size")
        if not 0 < self.max_wait <= MOST_WAIT_SECONDS:
            raise InvalidOption(
                "max_wait", self.max_wait, f"more than 0, at most {MOST_WAIT_SECONDS:g} seconds"
            )
        if self.strategy is not None and self.by is not None:
            raise InvalidOption("by", self.by, "None where there is a strategy, which decides by itself")

    @property
    def is_sorted(self) -> bool:
        """Whether which jobs go together depends on more than their order."""
        return self.by is not None or self.strategy is not None


class Gathered(msgspec.Struct, frozen=True, eq=False):
    """A claimed job that waits for its batch."""

    record: JobRecord
    handle: Any
    """As the application's functions see it."""
    key: Hashable = None
    """By `BatchRule.by`."""


Waiting = Entry[Gathered]


class Gatherer:
    """The jobs of one task in one worker."""

    def __init__(self, rule: BatchRule) -> None:
        self.rule = rule
        self.count = 0
        self._full_at = rule.min_size or rule.size
        self._main = self._collector()
        self._halves: dict[Half, Collector[Gathered]] = {}
        self._bytes: Counter[Hashable] = Counter()

    def add(self, job: Gathered, now: float, half: Half | None = None) -> None:
        """One more; with a half, only to go with others of it."""
        entry = Entry(job, job.record.priority, now + self.rule.max_wait)
        self.count += 1
        if half is not None:
            self._half(half).add(entry)
            return
        self._main.add(entry)
        if self.rule.max_bytes is not None and isinstance(self._main, Collector):
            self._bytes[job.key] += len(job.record.payload)
            if self._bytes[job.key] >= self.rule.max_bytes:
                self._main.hurry(entry)

    def take(self, now: float, *, everything: bool = False) -> list[Gathered] | None:
        """The next batch that is to go; None when none is. Raises what the strategy raises, and InvalidSplit."""
        entries = self._main.take(now, everything=everything)
        if entries is None:
            return None
        if self.rule.max_bytes is None:
            return self._let_go(entries)
        kept = self._cut(entries, self.rule.max_bytes)
        self._count_bytes(entries[:kept])
        if kept < len(entries):
            self._give_back(entries[kept:], self.rule.max_bytes, now)
        return self._let_go(entries[:kept])

    def take_half(self, now: float, *, everything: bool = False) -> tuple[Half, list[Gathered]] | None:
        """The same for jobs of batches that crashed."""
        for half, collector in self._halves.items():
            entries = collector.take(now, everything=everything)
            if entries is not None:
                if not collector.count:
                    del self._halves[half]
                return half, self._let_go(entries)
        return None

    def withdraw(self, wanted: Callable[[Gathered], bool]) -> list[Gathered]:
        """Takes the wanted jobs out."""
        entries = self._main.withdraw(wanted)
        self._count_bytes(entries)
        for half, collector in list(self._halves.items()):
            entries += collector.withdraw(wanted)
            if not collector.count:
                del self._halves[half]
        self.count -= len(entries)
        return [entry.item for entry in entries]

    def overdue(self, before: float) -> list[Gathered]:
        """Takes out what should have gone before that time."""
        late = {id(entry.item) for entry in self._waiting() if entry.due < before}
        return self.withdraw(lambda job: id(job) in late) if late else []

    def next_due(self, now: float) -> float:
        """When to ask again, if nothing happens before; infinity: not before."""
        times = [collector.next_due() for collector in (self._main, *self._halves.values())]
        return min((time for time in times if time is not None and time > now), default=float("inf"))

    def oldest_due(self) -> float:
        """When the first of them should go; infinity when none waits."""
        return min((entry.due for entry in self._waiting()), default=float("inf"))

    def jobs(self) -> list[JobRecord]:
        """All that wait."""
        return [entry.item.record for entry in self._waiting()]

    def _waiting(self) -> Iterator[Waiting]:
        return chain(self._main, *self._halves.values())

    def _collector(self) -> "Collector[Gathered] | SplitCollector[Gathered]":
        rule = self.rule
        if rule.strategy is None:
            by = _key if rule.by is not None else None
            return Collector(rule.size, LEVELS, by, full_at=self._full_at)
        split = Split(_of_handles(rule.strategy))
        return SplitCollector(split, rule.size, LEVELS, rule.max_wait, full_at=self._full_at)

    def _half(self, half: Half) -> Collector[Gathered]:
        if half not in self._halves:
            self._halves[half] = Collector(half.most, LEVELS)
        return self._halves[half]

    def _cut(self, entries: list[Waiting], most_bytes: int) -> int:
        """How many of the entries make a batch."""
        size_bytes = 0
        for place, entry in enumerate(entries):
            size_bytes += len(entry.item.record.payload)
            if place and size_bytes > most_bytes:
                return place
        return len(entries)

    def _give_back(self, rest: list[Waiting], most_bytes: int, now: float) -> None:
        if isinstance(self._main, Collector):
            self._main.give_back(rest, now)
            if self._bytes[rest[0].item.key] >= most_bytes:
                self._main.hurry(rest[0])
        else:
            self._main.put_back(rest)

    def _let_go(self, entries: list[Waiting]) -> list[Gathered]:
        self.count -= len(entries)
        return [entry.item for entry in entries]

    def _count_bytes(self, gone: list[Waiting]) -> None:
        if self.rule.max_bytes is not None:
            for entry in gone:
                self._bytes[entry.item.key] -= len(entry.item.record.payload)
                if self._bytes[entry.item.key] <= 0:
                    del self._bytes[entry.item.key]


def _key(job: Gathered) -> Hashable:
    return job.key


def _of_handles(
    strategy: Callable[[list[Any]], Iterable[Iterable[Any]]],
) -> Callable[[list[Gathered]], Iterable[Iterable[Gathered]]]:
    """The application's function sees its own jobs; what it invents stays what it is, and is refused as such."""

    def split(waiting: list[Gathered]) -> Iterable[Iterable[Gathered]]:
        owners = {id(job.handle): job for job in waiting}
        answer = strategy([job.handle for job in waiting])
        return [[owners.get(id(handle), handle) for handle in batch] for batch in answer]

    return split
