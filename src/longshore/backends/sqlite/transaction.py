"""This module is one write transaction: what its commands have in common, written once when it ends.

Commands only note how they move jobs between states; the exact counts, the history by minute and the places in line
are written as sums in `finish`, so they cost a statement per queue and state, and not per job.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import apsw

from longshore.backends.sqlite.meters import Known, MeterTable
from longshore.backends.sqlite.rows import (
    BLOCKED,
    COMPLETED,
    FAILED,
    FIRST_TERMINAL,
    HELD,
    PENDING,
    RETRYING,
    RUNNING,
    SCHEDULED,
    Row,
    blobs,
    numbers,
)
from longshore.backends.sqlite.statements import sql
from longshore.backends.sqlite.turns import Turns
from longshore.core.verdict import Charge
from longshore.store.replies import Wake, WakeKind

WAITING = (BLOCKED, SCHEDULED, HELD, PENDING, RETRYING)
"""The states of jobs that fill a queue with room for so many."""
ADDED, COMPLETIONS, FAILURES, RETRIES, CRASHES, RUN_MS = range(6)


class Line:
    """The pending jobs of a queue, as they stood when the transaction first put one there."""

    __slots__ = ("has_arrivals", "length_before", "place", "was_drained")

    def __init__(self, length: int, place: int) -> None:
        self.length_before, self.place = length, place
        self.has_arrivals = self.was_drained = False

    def must_wake(self, difference: int) -> bool:
        """Whether somebody may sleep who would have work now."""
        is_edge = self.length_before == 0 or self.was_drained
        return self.has_arrivals and is_edge and self.length_before + difference > 0


class Transaction:
    """Runs statements and keeps the sums."""

    def __init__(self, connection: apsw.Connection, known: Known) -> None:
        self.connection = connection
        self._known = known
        self.wakes: set[Wake] = set()
        self._moves: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._minutes: dict[tuple[str, int], list[int]] = {}
        self._lines: dict[str, Line] = {}
        self._dues: dict[str, int] = {}
        self._meters: MeterTable | None = None
        self._turns: Turns | None = None

    @property
    def meters(self) -> MeterTable:
        """The limits that jobs are under; made when the first job with any comes."""
        if self._meters is None:
            self._meters = MeterTable(self.connection, self._known)
        return self._meters

    @property
    def turns(self) -> Turns:
        """The tags of jobs with fair keys; made when the first comes."""
        if self._turns is None:
            self._turns = Turns(self.connection)
        return self._turns

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

    def stand(self, rows: Sequence[Row]) -> None:
        """Jobs with rules stand from now on as `stand.sql` takes it."""
        self.each("stand", rows)
        self.hold([row[-1] for row in rows if row[0] == HELD])

    def hold(self, seqs: Sequence[int]) -> None:
        """Puts jobs that are held now, as their rows say, into the lines of their meters."""
        if seqs:
            self.rows("held_add", (numbers(seqs),))

    def hold_new(self, ids: Sequence[bytes]) -> None:
        """The same, for jobs that were just stored."""
        if ids:
            self.rows("held_add_new", (blobs(ids),))

    def places(self, queue: str, count: int) -> int:
        """Takes so many places at the tail of a queue's line; gives the first of them."""
        line = self._line(queue)
        first = line.place + 1
        line.place += count
        return first

    def moved(self, queue: str, before: int | None, after: int | None, count: int = 1) -> None:
        """Notes that jobs of a queue went from one state to another; None: that they were not or are not there."""
        if before is not None:
            self._moves[queue, before] -= count
        if after is not None:
            self._moves[queue, after] += count
            if after == PENDING:
                self._line(queue).has_arrivals = True
            elif after == HELD:
                self._moves[queue, PENDING] += 0  # so that the place in line it took is written
            elif after >= FIRST_TERMINAL:
                self.wakes.add(Wake(WakeKind.FINISHED, queue))

    def drained(self, queue: str) -> None:
        """Notes that a claim wanted more than there was: whoever asked goes to sleep now, so a job that arrives in
        this same transaction must wake it although the queue was not empty before."""
        self._line(queue).was_drained = True

    def waiting(self, queue: str) -> int:
        """How many jobs of a queue wait, as of now."""
        kept = sum(int(count) for state, count in self.rows("tally_read", (queue,)) if state in WAITING)
        return kept + sum(self._moves[queue, state] for state in WAITING)

    def left_the_line(self) -> None:
        """Notes that jobs that were pending are so no more."""
        if self._turns is not None:
            self._turns.look_again()

    def waits(self, queue: str, run_ms: int) -> None:
        """Notes that a job of a queue waits for a time from now on."""
        self._dues[queue] = min(run_ms, self._dues.get(queue, run_ms))

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
        self.write_rules()
        if self._dues:
            self._wake_who_promotes()
        rows = []
        for (queue, state), difference in self._moves.items():
            if state == PENDING and (line := self._lines.get(queue)) is not None:
                rows.append((queue, state, difference, line.place))
                if line.must_wake(difference):
                    self.wakes.add(Wake(WakeKind.PENDING, queue))
            elif difference:
                rows.append((queue, state, difference, 0))
        if rows:
            self.each("tally_add", rows)
        minutes = [(*key, *sums) for key, sums in self._minutes.items() if any(sums)]
        if minutes:
            self.each("minute_add", minutes)

    def keep(self) -> None:
        """After the commit: what the next transaction of this connection need not read."""
        if self._meters is not None:
            self._meters.keep()

    def write_rules(self) -> None:
        """Writes how meters and turns stand; what comes later in this transaction is written at its end."""
        if self._meters is not None:
            self._meters.write()
        if self._turns is not None:
            self._turns.write()

    def _wake_who_promotes(self) -> None:
        """Where something that began to wait is now the next that is due."""
        next_due = self.rows("next_due")[0][0]
        for queue, run_ms in self._dues.items():
            if next_due is not None and run_ms <= next_due:
                self.wakes.add(Wake(WakeKind.SCHEDULED, queue))

    def _line(self, queue: str) -> Line:
        line = self._lines.get(queue)
        if line is None:
            found = self.row("line_read", (queue,))
            line = self._lines[queue] = Line(*found) if found else Line(0, 0)
        return line

    def _minute(self, queue: str, now_ms: int) -> list[int]:
        key = (queue, now_ms // 60_000)
        sums = self._minutes.get(key)
        if sums is None:
            sums = self._minutes[key] = [0] * 6
        return sums
