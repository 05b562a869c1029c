"""This module keeps the jobs of the memory store that take turns: those of one queue and priority with a fair key."""

import heapq

from longshore.backends.memory.rows import GHOST, Row, Ruled
from longshore.core.rules import FAIR_STEP, FairKey


class FairLine:
    """Pending jobs with fair keys, by tag. Those that left before their turn stay as ghosts, as in a `Lane`."""

    __slots__ = ("_entries", "_largest", "_last", "_line")

    def __init__(self) -> None:
        self._line: list[tuple[int, int, int, Row]] = []
        self._last: dict[str, int] = {}
        self._largest = 0
        self._entries = 0  # tells a job from its own ghost at the same place

    def add(self, row: Row, fair: FairKey) -> None:
        """A job becomes pending: its tag comes after the last one of its key, and after what is first in line."""
        head = self.head()
        now = self._largest if head is None else _tag(head)
        tag = max(self._last.get(fair.key, 0), now) + max(round(FAIR_STEP / fair.weight), 1)
        self._last[fair.key] = tag
        self._largest = max(self._largest, tag)
        row.ruled = Ruled(tag=tag)
        self.put_back(row)

    def put_back(self, row: Row) -> None:
        """A job that has a tag already stands in line by it."""
        self._entries += 1
        heapq.heappush(self._line, (_tag(row), row.order, self._entries, row))

    def head(self) -> Row | None:
        """The next in line, or None."""
        line = self._line
        while line and line[0][3].state == GHOST:
            heapq.heappop(line)
        return line[0][3] if line else None

    def take(self, count: int) -> list[Row]:
        """Takes up to `count` jobs out, the next in line first."""
        taken: list[Row] = []
        while len(taken) < count and (row := self.head()) is not None:
            heapq.heappop(self._line)
            taken.append(row)
        return taken


def _tag(row: Row) -> int:
    return 0 if row.ruled is None else row.ruled.tag or 0
