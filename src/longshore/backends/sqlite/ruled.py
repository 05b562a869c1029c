"""This module stores new jobs where some have rules or edges: each in its turn, for one may stand in the next one's
way."""

from collections import Counter
from collections.abc import Sequence

from longshore.backends.sqlite.dependents import Dependents
from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.rows import BLOCKED, HELD, PENDING, SCHEDULED, Row, blobs, due_of, joined_tags
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.edges import pack as pack_edges
from longshore.core.job import NewJob
from longshore.core.rules import Rules, UniqueKey, pack
from longshore.core.states import ORDER
from longshore.store.replies import Conflict, Inserted, Insertion


class RuledInsert:
    """One list of new jobs."""

    def __init__(
        self, tx: Transaction, flow: Flow, dependents: Dependents, now_ms: int, *, is_follow: bool = False
    ) -> None:
        self._tx, self._flow, self._dependents, self._now_ms = tx, flow, dependents, now_ms
        self._is_follow = is_follow
        self._rows: list[Row] = []
        self._waiting: dict[str, int] = {}
        self._taken: dict[tuple[str, bytes], Row] = {}
        """Unique keys of this list: id, state and created_ms of who has them."""

    def insert(self, jobs: Sequence[NewJob]) -> list[Insertion]:
        """Stores those that nothing forbids. Whoever calls tells and serves afterwards."""
        tx = self._tx
        self._flow.expect((job.queue, job.rules) for job in jobs if job.rules is not None)
        known = {job_id for job_id, _ in tx.rows("adopt_read", (blobs([job.id for job in jobs]),))}
        replies: list[Insertion] = []
        for job in jobs:
            refused = Inserted.DUPLICATE if job.id in known else self._refusal(job)
            replies.append(Inserted.CREATED if refused is None else refused)
            if refused is None:
                known.add(job.id)
                self._add(job)
        self._write()
        return replies

    def _write(self) -> None:
        tx = self._tx
        if self._rows:
            tx.each("insert_ruled", self._rows)
            tx.hold_new([row[0] for row in self._rows if row[2] == HELD])
        for (queue, state), count in Counter((row[1], row[2]) for row in self._rows).items():
            tx.moved(queue, None, state, count)
            tx.added(queue, self._now_ms, count)
        self._rows.clear()

    def _refusal(self, job: NewJob) -> Insertion | None:
        """Why the job is not to be stored."""
        rules = job.rules
        if rules is None:
            return None
        if rules.unique is not None and (conflict := self._conflict(job.queue, rules.unique)) is not None:
            return conflict
        if rules.room is None or self._is_follow:
            return None
        return Inserted.FULL if self._count_waiting(job.queue) >= rules.room else None

    def _conflict(self, queue: str, unique: UniqueKey) -> Conflict | None:
        found = self._taken.get((queue, unique.key)) or self._tx.row("unique_read", (queue, unique.key))
        if found is None:
            return None
        job_id, code, created_ms = found
        state = ORDER[code]
        if state not in unique.states:
            return None
        if unique.within_ms is not None and self._now_ms - created_ms > unique.within_ms:
            return None
        return Conflict(job_id, state)

    def _take_key(self, queue: str, key: bytes) -> None:
        """Whoever has the unique key has it no more."""
        if (queue, key) in self._taken:
            self._write()
        self._tx.rows("unique_free", (queue, key))

    def _count_waiting(self, queue: str) -> int:
        if queue not in self._waiting:
            self._waiting[queue] = self._tx.waiting(queue) + sum(row[1] == queue for row in self._rows)
        return self._waiting[queue]

    def _add(self, job: NewJob) -> None:
        rules, now_ms = job.rules, self._now_ms
        due_ms = due_of(job, now_ms)
        stand: Row = SCHEDULED, 0, 0, None
        if rules is not None and rules.unique is not None:
            self._take_key(job.queue, rules.unique.key)
        if job.edges is not None:
            stand = BLOCKED, 0, 0, None
            self._dependents.come(job.id)
        elif due_ms is not None:
            self._tx.waits(job.queue, due_ms)
        elif rules is None:
            stand = PENDING, 0, self._tx.places(job.queue, 1), None
        else:
            stand = self._flow.line_up(job.queue, int(job.priority), rules, is_new=True)
        self._rows.append(_row(job, rules, stand, due_ms, now_ms))
        if job.queue in self._waiting:
            self._waiting[job.queue] += 1
        if rules is not None and rules.unique is not None:
            self._taken[job.queue, rules.unique.key] = (job.id, stand[0], now_ms)


def unique_key(rules: Rules | None) -> bytes | None:
    """What others must not come with."""
    return None if rules is None or rules.unique is None else rules.unique.key


def _row(job: NewJob, rules: Rules | None, stand: Row, due_ms: int | None, now_ms: int) -> Row:
    """A new job as `insert_ruled.sql` takes it."""
    state, turn, place, held_by = stand
    return (
        *(job.id, job.queue, state, int(job.priority), turn, place, job.max_attempts, due_ms, now_ms),
        *(pack(rules), held_by, unique_key(rules), pack_edges(job.edges), job.name, job.payload, job.details),
        *(joined_tags(job.tags), job.reference, job.correlation_id),
    )
