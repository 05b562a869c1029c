"""This module knows which jobs of a memory store wait for which others, and what a parent's end means to its children.

What one end decides is in `core/edges.py`. A job that waits for 10,000 others costs no more per parent than one that
waits for two: each parent knows its children, and each child its open edges.
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from longshore.backends.memory.rows import FIRST_TERMINAL, Row
from longshore.core.edges import ORPHAN_MS, Edge, Edges, Join, becomes, is_met
from longshore.core.ids import JobId
from longshore.core.states import ORDER, State

Decision = tuple[Row, State | None]
"""A job that waits no more, and how it ends; None: it is free."""


class Open(msgspec.Struct):
    """What one job still waits for."""

    edges: dict[JobId, Edge]
    """By parent, in the order in which they were given."""
    join: Join
    is_cancelled: bool = False
    """Whether an edge that was missed would cancel it; counts only where one that is met is enough."""
    absent: tuple[JobId, ...] = ()
    """Parents that were not there."""
    look_ms: int | None = None
    """When they are looked for once more."""


class Dependents:
    """Who waits for whom. What came and what ended in a step waits for `decide`."""

    def __init__(self, rows: Mapping[JobId, Row], ring: Callable[[str], None]) -> None:
        self.children: dict[JobId, dict[JobId, Edge]] = {}
        """By parent, in the order in which they were linked."""
        self._rows = rows
        self._ring = ring
        self._open: dict[JobId, Open] = {}
        self._looks: list[tuple[int, JobId]] = []
        self._came: list[JobId] = []
        self._ended: deque[tuple[JobId, State]] = deque()

    @property
    def has_news(self) -> bool:
        """Whether the step that was taken means something to jobs that wait."""
        return bool(self._came or self._ended)

    def of(self, job_id: JobId) -> tuple[JobId, ...]:
        """The parents that the job still waits for."""
        opened = self._open.get(job_id)
        return () if opened is None else tuple(opened.edges)

    def come(self, job_id: JobId, edges: Edges | None, only: Collection[JobId] | None = None) -> None:
        """A job is blocked: by all of its edges, or those that lead to these parents."""
        opened = Open({}, Join.ALL if edges is None else edges.join)
        for edge in () if edges is None else edges.parents:
            if only is None or edge.parent in only:
                opened.edges[edge.parent] = edge
            elif becomes(edge, State.CANCELLED) is State.CANCELLED:
                opened.is_cancelled = True
        self._open[job_id] = opened
        self._came.append(job_id)

    def go(self, job_id: JobId) -> None:
        """A job is blocked no more, for whatever reason."""
        opened = self._open.pop(job_id, None)
        if opened is None:
            return
        for parent in opened.edges:
            children = self.children.get(parent)
            if children is not None and children.pop(job_id, None) is not None and not children:
                del self.children[parent]

    def end(self, job_id: JobId, state: int) -> None:
        """A job that somebody waits for is over."""
        self._ended.append((job_id, ORDER[state]))

    def decide(self, now_ms: int) -> Iterator[Decision]:
        """Jobs that wait no more. One that ends has to end before the next is asked for."""
        came, self._came = self._came, []
        for job_id in came:
            opened = self._open.get(job_id)
            if opened is not None:
                yield from self._look(job_id, opened, tuple(opened.edges), now_ms + ORPHAN_MS)
        yield from self._tell_all()

    def decide_again(self, now_ms: int) -> Iterator[Decision]:
        """The same, by looking once more for parents that were not there."""
        while (due_ms := self.next_look_ms()) is not None and due_ms <= now_ms:
            _, job_id = heapq.heappop(self._looks)
            opened = self._open[job_id]
            absent, opened.absent, opened.look_ms = opened.absent, (), None
            yield from self._look(job_id, opened, absent, None)
        yield from self._tell_all()

    def next_look_ms(self) -> int | None:
        """When the next parent is looked for once more. Notes that came to nothing are dropped on the way."""
        while self._looks:
            look_ms, job_id = self._looks[0]
            opened = self._open.get(job_id)
            if opened is not None and opened.look_ms == look_ms:
                return look_ms
            heapq.heappop(self._looks)
        return None

    def _look(
        self, job_id: JobId, opened: Open, parents: tuple[JobId, ...], again_ms: int | None
    ) -> Iterator[Decision]:
        """How things stand with these parents; with no time to look again, those that are not there never come."""
        absent = []
        for parent in parents:
            row, edge = self._rows.get(parent), opened.edges[parent]
            if row is not None and row.state < FIRST_TERMINAL:
                self.children.setdefault(parent, {})[job_id] = edge
            elif row is None and again_ms is not None:
                absent.append(parent)
            else:
                ended = State.CANCELLED if row is None else ORDER[row.state]
                told = self._tell(job_id, opened, edge, ended)
                if told is not None:
                    yield told
                    return
        if not opened.edges:
            yield self._out_of_edges(job_id, opened)
        elif absent and again_ms is not None:
            self._look_later(job_id, opened, tuple(absent), again_ms)

    def _look_later(self, job_id: JobId, opened: Open, absent: tuple[JobId, ...], again_ms: int) -> None:
        next_ms = self.next_look_ms()
        opened.absent, opened.look_ms = absent, again_ms
        heapq.heappush(self._looks, (again_ms, job_id))
        if next_ms is None or again_ms < next_ms:
            self._ring(self._rows[job_id].job.queue)

    def _tell_all(self) -> Iterator[Decision]:
        while self._ended:
            parent, ended = self._ended.popleft()
            for job_id, edge in self.children.pop(parent, {}).items():
                opened = self._open.get(job_id)
                told = None if opened is None else self._tell(job_id, opened, edge, ended)
                if told is not None:
                    yield told

    def _tell(self, job_id: JobId, opened: Open, edge: Edge, ended: State) -> Decision | None:
        """A job learns how a parent ended."""
        del opened.edges[edge.parent]
        if is_met(edge.on, ended):
            if opened.join is Join.ALL and opened.edges:
                return None
            return self._decided(job_id, None)
        state = becomes(edge, ended)
        if opened.join is Join.ALL:
            return self._decided(job_id, state)
        opened.is_cancelled = opened.is_cancelled or state is State.CANCELLED
        return None if opened.edges else self._out_of_edges(job_id, opened)

    def _out_of_edges(self, job_id: JobId, opened: Open) -> Decision:
        """All of them were met, or where one was enough, all were missed."""
        if opened.join is Join.ALL:
            return self._decided(job_id, None)
        return self._decided(job_id, State.CANCELLED if opened.is_cancelled else State.SKIPPED)

    def _decided(self, job_id: JobId, state: State | None) -> Decision:
        self.go(job_id)
        return self._rows[job_id], state
