"""This module gives jobs with a fair key their tags: by them they stand in line, so that keys take turns."""

import apsw

from longshore.backends.sqlite.statements import sql
from longshore.core.rules import FAIR_STEP, FairKey


class Turns:
    """The tags of a write transaction: each is read once, and written when it ends."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._tags: dict[tuple[str, int, str], int] = {}
        self._given: set[tuple[str, int, str]] = set()
        self._last: dict[tuple[str, int], int] = {}
        self._first: dict[tuple[str, int], int | None] = {}

    def tag(self, queue: str, priority: int, fair: FairKey) -> int:
        """The place in the line of a job that becomes pending."""
        lane, whose = (queue, priority), (queue, priority, fair.key)
        before = self._tags.get(whose)
        if before is None:
            before = self._read("turn_read", whose) or 0
        first = self._first_of(lane)
        tag = max(before, self._last_of(lane) if first is None else first) + max(
            round(FAIR_STEP / fair.weight), 1
        )
        self._tags[whose] = tag
        self._given.add(whose)
        self._last[lane] = max(self._last_of(lane), tag)
        self.lined_up(queue, priority, tag)
        return tag

    def lined_up(self, queue: str, priority: int, tag: int) -> None:
        """A job with a tag is pending from now on, whether the file knows it yet or not."""
        first = self._first_of((queue, priority))
        if first is None or tag < first:
            self._first[queue, priority] = tag

    def look_again(self) -> None:
        """Jobs that were pending may not be so any more."""
        self._first.clear()

    def write(self) -> None:
        """Everything that was given."""
        if self._given:
            rows = [(*whose, self._tags[whose]) for whose in self._given]
            self._connection.executemany(sql("turn_write"), rows)
            lanes = {(queue, priority) for queue, priority, _ in self._given}
            self._connection.executemany(
                sql("last_turn_write"), [(*lane, self._last[lane]) for lane in lanes]
            )
            self._given.clear()

    def _last_of(self, lane: tuple[str, int]) -> int:
        last = self._last.get(lane)
        if last is None:
            last = self._last[lane] = self._read("last_turn_read", lane) or 0
        return last

    def _first_of(self, lane: tuple[str, int]) -> int | None:
        """The tag of the first pending job of a queue and priority that has one."""
        if lane not in self._first:
            self._first[lane] = self._read("turn_first", lane)
        return self._first[lane]

    def _read(self, statement: str, parameters: tuple[str | int, ...]) -> int | None:
        found = self._connection.execute(sql(statement), parameters).fetchone()
        return None if found is None else found[0]
