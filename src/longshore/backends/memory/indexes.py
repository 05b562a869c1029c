"""This module holds an ordered index that costs next to nothing to write and sorts itself when it is read."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from longshore.core.ids import JobId

Key = TypeVar("Key", bytes, tuple[int, bytes])


class Index(Generic[Key]):
    """The keys of jobs, in order. Jobs that came since the last look are sorted in then, together with the
    few before them that they overlap: they come nearly in order, so that is little work.

    What was dropped stays until it is a quarter of all; whoever reads checks each key against its row.
    """

    __slots__ = ("_dropped", "_key_of", "_keys", "_new", "add")

    def __init__(self, key_of: Callable[[JobId], Key | None]) -> None:
        self._key_of: Callable[[JobId], Key | None] = key_of
        """The key of a job now; None when it has none (any more)."""
        self._keys: list[Key] = []
        self._new: list[JobId] = []
        self._dropped = 0
        self.add: Callable[[JobId], None] = self._new.append
        """Adds a job. Bound once, because every insert and settle calls it."""

    def drop(self, job_of: Callable[[Key], JobId]) -> None:
        """Notes that one key stands for nothing any more; now and then sweeps all of those."""
        self._dropped += 1
        if self._dropped > 1000 and self._dropped * 4 > len(self._keys) + len(self._new):
            self._keys = [key for key in self._keys if self._key_of(job_of(key)) == key]
            self._new[:] = [job_id for job_id in self._new if self._key_of(job_id) is not None]
            self._dropped = 0

    def ascending(self, after: Key | None) -> Iterator[Key]:
        """Each key behind `after`, smallest first. The index must not change meanwhile."""
        keys = self._tidy()
        start = 0 if after is None else bisect_right(keys, after)
        return _once(keys, range(start, len(keys)))

    def descending(self, before: Key | None) -> Iterator[Key]:
        """Each key before `before`, largest first. The index must not change meanwhile."""
        keys = self._tidy()
        end = len(keys) if before is None else bisect_left(keys, before)
        return _once(keys, range(end - 1, -1, -1))

    def _tidy(self) -> list[Key]:
        keys = self._keys
        if self._new:
            new = sorted(key for job_id in self._new if (key := self._key_of(job_id)) is not None)
            self._new.clear()
            start = bisect_left(keys, new[0]) if new else len(keys)
            keys[start:] = sorted(keys[start:] + new)
        return keys


def _once(keys: list[Key], positions: range) -> Iterator[Key]:
    """The keys at these positions; one that was written twice (a job that ended in two lives) comes once."""
    previous: Key | None = None
    for position in positions:
        key = keys[position]
        if key != previous:
            yield key
        previous = key
