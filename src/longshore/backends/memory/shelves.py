"""This module holds everything that one memory store keeps, and moves jobs between its places.

Each move keeps the counts, the lines and the indexes in step. The verbs (`claiming`, `editing`, …) decide
what may move. All of it runs under the store's one lock.
"""

from collections.abc import Iterable, Sequence
from copy import copy

from longshore.backends.memory.indexes import Index
from longshore.backends.memory.queues import Queue
from longshore.backends.memory.records import Records
from longshore.backends.memory.rows import FIRST_TERMINAL, GHOST, PENDING, SCHEDULED, Row
from longshore.backends.memory.sessions import Sessions
from longshore.backends.memory.wakes import Bell
from longshore.core.ids import JobId
from longshore.core.job import NewJob
from longshore.store.commands import PAUSE
from longshore.store.replies import Inserted, WakeKind

_GONE = NewJob(id=JobId(b""), queue="", name="", payload=b"")
"""What a ghost refers to, so that it keeps no data alive."""


class Shelves:
    """The jobs and what belongs to them."""

    def __init__(self) -> None:
        self.rows: dict[JobId, Row] = {}
        self.queues: dict[str, Queue] = {}
        self.running: dict[JobId, Row] = {}
        self.by_id: Index[bytes] = Index(lambda job_id: job_id if job_id in self.rows else None)
        self.by_finish: Index[tuple[int, bytes]] = Index(self._finish_of)
        self.sessions = Sessions()
        self.records = Records(self.sessions)
        self.bell = Bell()
        self._places = 0

    def queue(self, name: str) -> Queue:
        """The queue of that name, made when its first job comes."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = Queue(name)
        return queue

    def is_paused(self, queue: str, now_ms: int) -> bool:
        """Whether the queue gives no jobs."""
        return self.records.find(PAUSE, queue, now_ms) is not None

    def insert(self, jobs: Iterable[NewJob], now_ms: int) -> list[Inserted]:
        """Takes new jobs in. Written out for speed: 0.6 µs a job; calls would cost as much again."""
        rows, add_key, place = self.rows, self.by_id.add, self._places
        queue, tally = None, None
        replies = []
        for job in jobs:
            job_id = job.id
            if job_id in rows:
                replies.append(Inserted.DUPLICATE)
                continue
            if queue is None or tally is None or queue.name != job.queue:
                queue = self.queue(job.queue)
                tally = queue.tally(now_ms)
            tally.added += 1
            due_ms = job.run_ms if job.run_ms is not None else now_ms + job.delay_ms
            if due_ms > now_ms:
                row = Row(job, SCHEDULED, 0, now_ms, now_ms)
                if queue.wait(row, due_ms):
                    self.bell.ring(WakeKind.SCHEDULED, queue.name)
                queue.counts[SCHEDULED] += 1
            else:
                place += 1
                row = Row(job, PENDING, place, now_ms, now_ms)
                queue.lanes[job.priority].tail.append(row)
                if not queue.counts[PENDING]:
                    self.bell.ring(WakeKind.PENDING, queue.name)
                queue.counts[PENDING] += 1
            rows[job_id] = row
            add_key(job_id)
            replies.append(Inserted.CREATED)
        self._places = place
        return replies

    def join(self, row: Row) -> None:
        """Takes in a job that has a history already, in the state that it has."""
        queue = self.queue(row.job.queue)
        if row.state == PENDING:
            self._stand_in_line(row, queue)
        elif row.state >= FIRST_TERMINAL:
            self._file(row, queue)
        elif row.run_ms is not None and queue.wait(row, row.run_ms):
            self.bell.ring(WakeKind.SCHEDULED, queue.name)
        queue.counts[row.state] += 1

    def line_up(self, row: Row, *, at_old_place: bool = False) -> None:
        """Makes a job pending, at the tail unless its old place is kept."""
        self._stand_in_line(row, self.queues[row.job.queue], at_old_place=at_old_place)
        self.move(row, PENDING)

    def _stand_in_line(self, row: Row, queue: Queue, *, at_old_place: bool = False) -> None:
        if queue.is_empty:
            self.bell.ring(WakeKind.PENDING, queue.name)
        row.run_ms = None
        lane = queue.lanes[row.job.priority]
        if at_old_place:
            lane.put_back(row)
        else:
            self._places += 1
            row.order = self._places
            lane.tail.append(row)

    def leave_line(self, row: Row) -> Row:
        """Takes a pending job out of its lane and leaves a ghost there; the returned row is the job now."""
        job = self.rows[row.job.id] = copy(row)
        row.state = GHOST
        row.job, row.result, row.extras = _GONE, None, None
        return job

    def move(self, row: Row, state: int) -> None:
        """Gives a job a state in which it stands in no line."""
        counts = self.queues[row.job.queue].counts
        counts[row.state] -= 1
        counts[state] += 1
        row.state = state

    def wait(self, row: Row, state: int, run_ms: int) -> None:
        """Lets a job wait for a time."""
        self.move(row, state)
        if self.queues[row.job.queue].wait(row, run_ms):
            self.bell.ring(WakeKind.SCHEDULED, row.job.queue)

    def finish(self, row: Row, queue: Queue, state: int, now_ms: int) -> None:
        """Ends a job."""
        queue.counts[row.state] -= 1
        queue.counts[state] += 1
        row.state = state
        row.run_ms = None
        row.finished_ms = now_ms
        self._file(row, queue)

    def _file(self, row: Row, queue: Queue) -> None:
        self.by_finish.add(row.job.id)
        self.bell.ring(WakeKind.FINISHED, queue.name)

    def begin_again(self, row: Row) -> None:
        """Gives a job that has ended a new life, before it lines up."""
        row.finished_ms = None
        row.result = None
        row.failures = row.crashes = 0
        self.by_finish.drop(lambda key: JobId(key[1]))

    def forget(self, row: Row) -> None:
        """Drops a job for good."""
        job_id = row.job.id
        self.queues[row.job.queue].counts[row.state] -= 1
        if row.state == PENDING:
            row = self.leave_line(row)
        del self.rows[job_id]
        self.by_id.drop(JobId)
        if row.state >= FIRST_TERMINAL:
            self.by_finish.drop(lambda key: JobId(key[1]))

    def sweep(self, now_ms: int) -> None:
        """Drops records that are over, and sessions that are over and hold nothing."""
        for kind, key in self.records.sweep(now_ms):
            if kind == PAUSE:
                self.bell.ring(WakeKind.PENDING, key)
        over = self.sessions.over(now_ms)
        if over:
            holding = {row.session for row in self.running.values()}
            self.sessions.end(session for session in over if session not in holding)

    def stand(self, names: Sequence[str] | None) -> list[Queue]:
        """The queues of these names, every one there is for None; a queue that never had a job is made up."""
        if names is None:
            return [self.queues[name] for name in sorted(self.queues)]
        return [self.queues.get(name) or Queue(name) for name in names]

    def _finish_of(self, job_id: JobId) -> tuple[int, bytes] | None:
        row = self.rows.get(job_id)
        return None if row is None or row.finished_ms is None else (row.finished_ms, job_id)
