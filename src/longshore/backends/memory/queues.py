"""This module holds one queue of the memory store: who is next, who waits for a time, how many there are."""

import heapq
from collections import deque
from collections.abc import Mapping

from longshore.backends.memory.fairness import FairLine
from longshore.backends.memory.rows import BLOCKED, COMPLETED, FAILED, GHOST, PENDING, Row
from longshore.core.ids import JobId
from longshore.core.priority import LOWEST
from longshore.core.rules import FairKey
from longshore.core.states import ORDER
from longshore.core.verdict import Charge
from longshore.store.replies import Minute, QueueCounts

MINUTES_KEPT = 24 * 60
"""Of a queue's history."""


class Lane:
    """The pending jobs of one priority, in the order of their places.

    Most jobs join at the tail and leave at the head, so a deque is all they need. The few that come back to
    an old place (released, or moved from another priority) wait in a small heap beside it. A job that leaves
    from the middle stays behind as a ghost, without its data, and is skipped when its turn comes: removing it
    would cost a walk through the whole lane.
    """

    __slots__ = ("_back", "_returns", "fair", "tail")

    def __init__(self) -> None:
        self.fair: FairLine | None = None
        self.tail: deque[Row] = deque()
        self._back: list[tuple[int, int, Row]] = []
        self._returns = 0  # tells a job from its own ghost at the same place

    def put_back(self, row: Row) -> None:
        """Gives a job its old place again."""
        self._returns += 1
        heapq.heappush(self._back, (row.order, self._returns, row))

    def stand_by_turns(self, row: Row, fair: FairKey, *, keeps_tag: bool) -> None:
        """Puts a job with a fair key in line."""
        if self.fair is None:
            self.fair = FairLine()
        if keeps_tag:
            self.fair.put_back(row)
        else:
            self.fair.add(row, fair)

    def head(self) -> Row | None:
        """The next in line, or None."""
        tail, back = self.tail, self._back
        while tail and tail[0].state == GHOST:
            tail.popleft()
        while back and back[0][2].state == GHOST:
            heapq.heappop(back)
        if back and (not tail or back[0][0] < tail[0].order):
            return back[0][2]
        if tail:
            return tail[0]
        return self.fair.head() if self.fair is not None else None

    def take(self, count: int) -> list[Row]:
        """Takes up to `count` jobs out, the next in line first."""
        taken = self._take_plain(count)
        if self.fair is not None and len(taken) < count:
            taken += self.fair.take(count - len(taken))
        return taken

    def _take_plain(self, count: int) -> list[Row]:
        taken: list[Row] = []
        while len(taken) < count and self._back:
            row = self.head()
            if not self._back or row is None:
                break
            if self.tail and row is self.tail[0]:
                self.tail.popleft()
            else:
                heapq.heappop(self._back)
            taken.append(row)
        tail = self.tail
        wanted = count - len(taken)
        if wanted >= len(tail):
            taken += [row for row in tail if row.state != GHOST]
            tail.clear()
            return taken
        while wanted and tail:
            row = tail.popleft()
            if row.state != GHOST:
                taken.append(row)
                wanted -= 1
        return taken


class Tally:
    """What happened in one minute."""

    __slots__ = ("added", "completed", "crashed", "failed", "minute", "retried", "run_ms")

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.added = self.completed = self.failed = self.retried = self.crashed = self.run_ms = 0

    def count_settled(self, state: int, charge: Charge, run_ms: int) -> None:
        """Counts the end of a claim."""
        if state == COMPLETED:
            self.completed += 1
        elif state == FAILED:
            self.failed += 1
        elif charge == Charge.FAILURE:
            self.retried += 1
        else:
            run_ms = 0
        if charge == Charge.CRASH:
            self.crashed += 1
        self.run_ms += run_ms

    @property
    def has_any(self) -> bool:
        """Whether anything that counts happened."""
        return any((self.added, self.completed, self.failed, self.retried, self.crashed))

    def record(self) -> Minute:
        """The same as a reply."""
        return Minute(**{name: getattr(self, name) for name in self.__slots__})


class Queue:
    """One queue. `counts` is kept exactly, by state code, by whoever moves a job."""

    __slots__ = ("_due", "_newest", "_tallies", "counts", "lanes", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = [0] * len(ORDER)
        self.lanes = [Lane() for _ in range(LOWEST + 1)]
        self._due: list[tuple[int, JobId]] = []
        self._tallies: dict[int, Tally] = {}
        self._newest: Tally | None = None

    def take(self, count: int) -> list[Row]:
        """Takes up to `count` pending jobs out, by priority and place."""
        taken: list[Row] = []
        for lane in self.lanes:
            if len(taken) >= count:
                break
            taken += lane.take(count - len(taken))
        return taken

    def wait(self, row: Row, run_ms: int) -> bool:
        """Notes when a job is due. Whether that is before everything noted so far: what was noted and came to
        nothing stays at the head until somebody who promotes has seen it, and so looks again."""
        row.run_ms = run_ms
        is_next = not self._due or run_ms < self._due[0][0]
        heapq.heappush(self._due, (run_ms, row.job.id))
        return is_next

    def next_due(self, rows: Mapping[JobId, Row]) -> tuple[int, JobId] | None:
        """The job that is due first, and when. Notes that came to nothing are dropped on the way."""
        due = self._due
        while due:
            run_ms, job_id = due[0]
            row = rows.get(job_id)
            if row is not None and row.run_ms == run_ms and row.state != BLOCKED:
                return due[0]
            heapq.heappop(due)
        return None

    def tally(self, now_ms: int) -> Tally:
        """What happens now is counted there."""
        minute = now_ms // 60_000
        newest = self._newest
        if newest is not None and newest.minute == minute:
            return newest
        tally = self._tallies.get(minute)
        if tally is None:
            tally = self._tallies[minute] = Tally(minute)
            for old in [kept for kept in self._tallies if kept <= minute - MINUTES_KEPT]:
                del self._tallies[old]
        self._newest = tally
        return tally

    def report(self, rows: Mapping[JobId, Row], minutes: int, now_ms: int) -> QueueCounts:
        """How the queue stands."""
        heads = [head.created_ms for lane in self.lanes if (head := lane.head()) is not None]
        due = self.next_due(rows)
        first = now_ms // 60_000 - minutes
        return QueueCounts(
            queue=self.name,
            states=dict(zip(ORDER, self.counts, strict=True)),
            oldest_pending_ms=min(heads, default=None),
            next_due_ms=due[0] if due else None,
            minutes=tuple(
                tally.record()
                for minute, tally in sorted(self._tallies.items())
                if minute > first and tally.has_any
            ),
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is pending."""
        return not self.counts[PENDING]
