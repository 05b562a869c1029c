"""This module is one write transaction: what its commands have in common, written once when it ends.

Commands only note how they move jobs between states; the exact counts, the history by minute and the places in line
are written as sums in `finish`, so they cost a statement per queue and state, and not per job.
"""

from collections import defaultdict
from collections.abc import Iterable

import apsw

from longshore.backends.sqlite.rows import COMPLETED, FAILED, FIRST_TERMINAL, PENDING, RUNNING, Row
from longshore.backends.sqlite.statements import sql
from longshore.core.verdict import Charge
from longshore.store.replies import Wake, WakeKind

ADDED, COMPLETIONS, FAILURES, RETRIES, CRASHES, RUN_MS = range(6)


class Transaction:
    """Runs statements and keeps the sums."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.wakes: set[Wake] = set()
        self._moves: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._minutes: dict[tuple[str, int], list[int]] = {}
        self._place: int | None = None
        self._place_before = 0
        self._arrived: set[str] = set()
        self._drained: set[str] = set()

    def rows(self, statement: str, parameters: Row | dict[str, object] = ()) -> list[Row]:
        """All rows of the statement in that file."""
        return self.connection.execute(sql(statement), parameters).fetchall()

    def row(self, statement: str, parameters: Row = ()) -> Row | None:
        """The first row, or None."""
        found = self.rows(statement, parameters)
        return found[0] if found else None

    def each(self, statement: str, parameters: Iterable[Row]) -> list[Row]:
        """All rows of running the statement once for each of the parameters."""
        return self.connection.executemany(sql(statement), parameters).fetchall()

    def places(self, count: int) -> int:
        """Takes so many places at the tail of the line; gives the first of them."""
        if self._place is None:
            [(place,)] = self.rows("place_read")
            self._place = self._place_before = place
        first = self._place + 1
        self._place += count
        return first

    def moved(self, queue: str, before: int | None, after: int | None, count: int = 1) -> None:
        """Notes that jobs of a queue went from one state to another; None: that they were not or are not there."""
        if before is not None:
            self._moves[queue, before] -= count
        if after is not None:
            self._moves[queue, after] += count
            if after == PENDING:
                self._arrived.add(queue)
            elif after >= FIRST_TERMINAL:
                self.wakes.add(Wake(WakeKind.FINISHED, queue))

    def drained(self, queue: str) -> None:
        """Notes that a claim wanted more than there was: whoever asked goes to sleep now, so a job that arrives in
        this same transaction must wake it although the queue was not empty before."""
        self._drained.add(queue)

    def added(self, queue: str, now_ms: int, count: int) -> None:
        """Counts new jobs in the history."""
        self._minute(queue, now_ms)[ADDED] += count

    def ended(self, queue: str, state: int, charge: Charge, now_ms: int, *, count: int, run_ms: int) -> None:
        """Notes that claims ended, in the history and as moves."""
        minute = self._minute(queue, now_ms)
        if state == COMPLETED:
            minute[COMPLETIONS] += count
            minute[RUN_MS] += run_ms
        elif state == FAILED:
            minute[FAILURES] += count
            minute[RUN_MS] += run_ms
        elif charge == Charge.FAILURE:
            minute[RETRIES] += count
            minute[RUN_MS] += run_ms
        if charge == Charge.CRASH:
            minute[CRASHES] += count
        self.moved(queue, RUNNING, state, count)

    def finish(self) -> None:
        """Writes the sums."""
        if self._place is not None and self._place != self._place_before:
            self.rows("place_write", (self._place,))
        for (queue, state), difference in self._moves.items():
            if difference or state == PENDING:
                self._count(queue, state, difference)
        if self._minutes:
            rows = [(*key, *sums) for key, sums in self._minutes.items() if any(sums)]
            self.each("minute_add", rows)

    def _count(self, queue: str, state: int, difference: int) -> None:
        [(now,)] = self.rows("tally_add", (queue, state, difference))
        if state == PENDING and now > 0 and queue in self._arrived:
            was_empty = now - difference <= 0
            if was_empty or queue in self._drained:
                self.wakes.add(Wake(WakeKind.PENDING, queue))

    def _minute(self, queue: str, now_ms: int) -> list[int]:
        key = (queue, now_ms // 60_000)
        sums = self._minutes.get(key)
        if sums is None:
            sums = self._minutes[key] = [0] * 6
        return sums
