"""This module tells jobs that wait for others how those ended: edges are met or missed, and a job is freed or ends.

An edge is a row until its parent has told it. So a parent of ten thousand costs its children a row each, and a job that
waits for ten thousand a row for each that ends.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.lining import Wanted, line_up
from longshore.backends.sqlite.rows import (
    BLOCKED,
    CANCELLED,
    SCHEDULED,
    SKIPPED,
    Row,
    blobs,
    edges_of,
    numbers,
)
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.edges import ORPHAN_MS, Edges, Join, becomes, is_met
from longshore.core.ids import JobId
from longshore.core.states import CODES, ORDER, State


class Child:
    """A blocked job, while a verb tells it things."""

    __slots__ = (
        "awaited",
        "becomes",
        "edges",
        "id",
        "is_blocked",
        "open",
        "priority",
        "queue",
        "rules",
        "run_ms",
        "seq",
    )

    def __init__(self, row: Row) -> None:
        (
            self.seq,
            self.id,
            self.queue,
            state,
            self.priority,
            self.rules,
            self.run_ms,
            edges,
            self.open,
            *rest,
        ) = row
        self.becomes, self.awaited = rest
        self.is_blocked = state == BLOCKED
        self.edges: Edges | None = edges_of(edges)

    @property
    def is_any(self) -> bool:
        """Whether one edge that is met is enough."""
        return self.edges is not None and self.edges.join is Join.ANY

    def miss(self, end: State) -> None:
        """An edge was missed that makes this of it; being cancelled wins."""
        if self.becomes != CANCELLED:
            self.becomes = CODES[end]


def _number(row: Row) -> int:
    number: int = row[1]
    return number


def _in_turn(look: tuple[int, Child, int, JobId, int]) -> tuple[int, JobId, int]:
    look_ms, child, place, _, _ = look
    return look_ms, child.id, place


class Dependents:
    """What one verb has to tell. Its last word, before the meters serve, is `finish`."""

    def __init__(self, tx: Transaction, flow: Flow, now_ms: int) -> None:
        self._tx, self._flow, self._now_ms = tx, flow, now_ms
        self._come: list[tuple[JobId, frozenset[JobId] | None]] = []
        self._ended: list[tuple[JobId, State]] = []
        self._children: dict[int, Child] = {}
        self._freed: list[Child] = []

    def come(self, job_id: JobId, waits_for: Iterable[JobId] | None = None) -> None:
        """A job is blocked from now on, for all of its parents or for some of them. What it waits for is looked at
        when all of the verb's jobs are in the file."""
        self._come.append((job_id, None if waits_for is None else frozenset(waits_for)))

    def ended(self, job_id: JobId, state: int) -> None:
        """A job ended that others wait for."""
        self._ended.append((job_id, ORDER[state]))

    def look_again(self) -> None:
        """For parents that were not there when their children came."""
        rows = self._tx.rows("edge_look", (self._now_ms,))
        if not rows:
            return
        states = self._states({parent for _, _, parent, _, _ in rows})
        self._know(seq for _, _, _, seq, _ in rows)
        looks = [
            (look_ms, self._children[seq], place, parent, number)
            for look_ms, number, parent, seq, place in rows
        ]
        for _, child, place, parent, number in sorted(looks, key=_in_turn):
            if child.is_blocked:
                self._tx.rows("edge_told", (number,))
                state = states.get(parent)
                if state is None or state.is_terminal:
                    self._tell(child, place, state or State.CANCELLED)
                else:
                    self._tx.rows("edge_add", (parent, child.seq, place, None))
                    self._await({parent})

    def finish(self) -> set[str]:
        """Tells all that there is to tell; gives the queues of jobs that became pending so."""
        if self._come:
            self._link()
        while self._ended:
            self._tell_all()
        self._write()
        queues = self._let_go() if self._freed else set()
        self._children.clear()
        return queues

    def _tell_all(self) -> None:
        """Those that have ended so far tell their children; what ends so is next."""
        ended, self._ended = self._ended, []
        rows = self._tx.rows("edge_of_parent", (blobs(job_id for job_id, _ in ended),))
        if not rows:
            return
        self._tx.rows("edge_tell", (numbers(number for _, number, _, _ in rows),))
        self._know(seq for _, _, seq, _ in rows)
        told: defaultdict[JobId, list[tuple[int, int]]] = defaultdict(list)
        for parent, _, seq, place in sorted(rows, key=_number):
            told[parent].append((seq, place))
        for job_id, state in ended:
            for seq, place in told.pop(job_id, ()):
                if (child := self._children.get(seq)) is not None:
                    self._tell(child, place, state)

    def _link(self) -> None:
        """Of those that came, what is over tells at once, and the rest will."""
        seqs: dict[JobId, int] = dict(
            self._tx.rows("adopt_read", (blobs([job_id for job_id, _ in self._come]),))
        )
        self._know(seqs.values())
        come = [
            (self._children[seqs[job_id]], waits_for) for job_id, waits_for in self._come if job_id in seqs
        ]
        children = [(child, waits_for) for child, waits_for in come if child.is_blocked]
        self._come.clear()
        parents = {edge.parent for child, _ in children if child.edges for edge in child.edges.parents}
        states = self._states(parents) if parents else {}
        over: list[tuple[Child, int, State]] = []
        for child, waits_for in children:
            over += self._add_edges(child, waits_for, states)
        for child, place, state in over:
            self._tell(child, place, state)

    def _add_edges(
        self, child: Child, waits_for: frozenset[JobId] | None, states: Mapping[JobId, State]
    ) -> list[tuple[Child, int, State]]:
        """To the parents that are not over; gives those that are."""
        rows: list[Row] = []
        over = []
        child.open = 0
        for place, edge in enumerate(child.edges.parents if child.edges else ()):
            if waits_for is not None and edge.parent not in waits_for:
                child.miss(becomes(edge, State.CANCELLED))
                continue
            child.open += 1
            state = states.get(edge.parent)
            if state is not None and state.is_terminal:
                over.append((child, place, state))
            else:
                rows.append(
                    (edge.parent, child.seq, place, self._now_ms + ORPHAN_MS if state is None else None)
                )
        self._tx.each("edge_add", rows)
        self._await({parent for parent, _, _, look_ms in rows if look_ms is None})
        if any(look_ms is not None for *_, look_ms in rows):
            self._tx.waits(child.queue, self._now_ms + ORPHAN_MS)
        if child.open == 0:
            self._run_out(child)
        return over

    def _await(self, parents: set[JobId]) -> None:
        self._tx.each("parent_await", [(parent,) for parent in parents])
        for child in self._children.values():
            if child.id in parents:
                child.awaited = 1

    def _states(self, parents: Iterable[JobId]) -> dict[JobId, State]:
        return {job_id: ORDER[state] for job_id, state in self._tx.rows("parent_read", (blobs(parents),))}

    def _know(self, seqs: Iterable[int]) -> None:
        """Reads what is not known of these jobs."""
        unknown = {seq for seq in seqs if seq not in self._children}
        if unknown:
            for row in self._tx.rows("child_read", (numbers(unknown),)):
                self._children[row[0]] = Child(row)

    def _tell(self, child: Child, place: int, state: State) -> None:
        if not child.is_blocked or child.edges is None:
            return
        edge = child.edges.parents[place]
        child.open -= 1
        if not is_met(edge.on, state):
            end = becomes(edge, state)
            child.miss(end)
            if not child.is_any:
                self._end(child, CODES[end])
        elif child.is_any:
            self._free(child)
        if child.is_blocked and child.open == 0:
            self._run_out(child)

    def _run_out(self, child: Child) -> None:
        """All of its edges were met, or where one was enough, all were missed."""
        if child.is_any:
            self._end(child, child.becomes or SKIPPED)
        else:
            self._free(child)

    def _free(self, child: Child) -> None:
        self._unblock(child)
        self._freed.append(child)

    def _end(self, child: Child, state: int) -> None:
        self._unblock(child)
        self._tx.rows("child_end", (state, self._now_ms, child.seq))
        self._tx.moved(child.queue, BLOCKED, state)
        if child.awaited:
            self.ended(child.id, state)

    def _unblock(self, child: Child) -> None:
        child.is_blocked = False
        if child.open:
            self._tx.rows("edge_forget", (child.seq,))

    def _write(self) -> None:
        self._tx.each(
            "child_wait",
            [(child.open, child.becomes, child.seq) for child in self._children.values() if child.is_blocked],
        )

    def _let_go(self) -> set[str]:
        """What was freed is scheduled, or asks for room."""
        tx, now_ms = self._tx, self._now_ms
        wanted = []
        tx.each("child_wait", [(None, None, child.seq) for child in self._freed])
        for child in self._freed:
            if child.run_ms is not None and child.run_ms > now_ms:
                tx.rows("child_schedule", (now_ms, child.seq))
                tx.moved(child.queue, BLOCKED, SCHEDULED)
                tx.waits(child.queue, child.run_ms)
            else:
                wanted.append(Wanted(child.seq, child.queue, BLOCKED, child.priority, child.rules))
        self._freed.clear()
        return line_up(tx, wanted, self._flow, now_ms)
