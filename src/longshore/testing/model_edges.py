"""This module holds what the oracle knows of jobs that wait for others, worked out by looking at all jobs each time.

What one end means to one edge it takes from `core/edges.py`, which has its own tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from longshore.core.edges import ORPHAN_MS, Edge, Join, becomes, is_met
from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.testing.model_reading import Kept


@dataclass
class Family:
    """Who came and who ended in a step, and who waits for whom."""

    came: list[JobId] = field(default_factory=list)
    ended: list[tuple[JobId, State]] = field(default_factory=list)
    links: list[tuple[JobId, JobId]] = field(default_factory=list)
    """(parent, child), in the order in which they were linked."""
    doomed: set[JobId] = field(default_factory=set)
    """Jobs that an edge would cancel, if none of their others is met."""
    looks: dict[JobId, int] = field(default_factory=dict)
    """When a job looks again for parents that were not there."""

    def block(self, kept: Kept, waits_for: tuple[JobId, ...] | None = None) -> None:
        """The job waits for these parents, or for all it has."""
        job, edges = kept.job, _edges(kept)
        told = [edge for edge in edges if waits_for is not None and edge.parent not in waits_for]
        job.state = State.BLOCKED
        job.waits_for = tuple(edge.parent for edge in edges if edge not in told)
        if any(becomes(edge, State.CANCELLED) is State.CANCELLED for edge in told):
            self.doomed.add(job.id)
        self.came.append(job.id)

    def part(self, kept: Kept) -> None:
        """The job is not blocked any more."""
        kept.job.waits_for = ()
        self.links = [(parent, child) for parent, child in self.links if child != kept.job.id]
        self.doomed.discard(kept.job.id)
        self.looks.pop(kept.job.id, None)

    def times(self) -> list[int]:
        """When jobs look again."""
        return list(self.looks.values())

    def decide(self, all_jobs: Mapping[JobId, Kept], now_ms: int) -> list[Kept]:
        """All that the step means to jobs that wait. Those that are free now."""
        freed: list[Kept] = []
        for child in self.came:
            kept = all_jobs.get(child)
            if kept is not None and kept.job.state is State.BLOCKED:
                freed += self._look(kept, kept.job.waits_for, all_jobs, now_ms, may_come=True)
        self.came = []
        return freed + self._tell_all(all_jobs, now_ms)

    def decide_again(self, all_jobs: Mapping[JobId, Kept], now_ms: int) -> list[Kept]:
        """The same for those whose time has come to look again."""
        freed: list[Kept] = []
        due = sorted((time_ms, child) for child, time_ms in self.looks.items() if time_ms <= now_ms)
        for _, child in due:
            del self.looks[child]
            kept = all_jobs[child]
            unseen = tuple(parent for parent in kept.job.waits_for if (parent, child) not in self.links)
            freed += self._look(kept, unseen, all_jobs, now_ms, may_come=False)
        return freed + self._tell_all(all_jobs, now_ms)

    def _look(
        self,
        kept: Kept,
        parents: tuple[JobId, ...],
        all_jobs: Mapping[JobId, Kept],
        now_ms: int,
        *,
        may_come: bool,
    ) -> list[Kept]:
        if not kept.job.waits_for:
            return self._decided(kept, self._out_of_edges(kept), now_ms)
        for parent in parents:
            there = all_jobs.get(parent)
            if there is None and may_come:
                self.looks[kept.job.id] = now_ms + ORPHAN_MS
                continue
            state = State.CANCELLED if there is None else there.job.state
            if not state.is_terminal:
                self.links.append((parent, kept.job.id))
                continue
            freed = self._hear(kept, parent, state, now_ms)
            if freed or kept.job.state is not State.BLOCKED:
                return freed
        return []

    def _tell_all(self, all_jobs: Mapping[JobId, Kept], now_ms: int) -> list[Kept]:
        freed: list[Kept] = []
        while self.ended:
            ended, state = self.ended.pop(0)
            for parent, child in list(self.links):
                if parent == ended and (parent, child) in self.links:
                    self.links.remove((parent, child))
                    freed += self._hear(all_jobs[child], parent, state, now_ms)
        return freed

    def _hear(self, kept: Kept, parent: JobId, ended: State, now_ms: int) -> list[Kept]:
        job = kept.job
        [edge] = [edge for edge in _edges(kept) if edge.parent == parent]
        job.waits_for = tuple(other for other in job.waits_for if other != parent)
        if is_met(edge.on, ended):
            is_free = _one_is_enough(kept) or not job.waits_for
            return self._decided(kept, None, now_ms) if is_free else []
        state = becomes(edge, ended)
        if not _one_is_enough(kept):
            return self._decided(kept, state, now_ms)
        if state is State.CANCELLED:
            self.doomed.add(job.id)
        return [] if job.waits_for else self._decided(kept, self._out_of_edges(kept), now_ms)

    def _out_of_edges(self, kept: Kept) -> State | None:
        """What a job with nothing to wait for becomes; None: free."""
        if not _one_is_enough(kept):
            return None
        return State.CANCELLED if kept.job.id in self.doomed else State.SKIPPED

    def _decided(self, kept: Kept, state: State | None, now_ms: int) -> list[Kept]:
        """The job waits no more; it is ended in that state, or free."""
        self.part(kept)
        kept.job.updated_ms = now_ms
        if state is None:
            return [kept]
        kept.job.state, kept.job.run_ms, kept.job.finished_ms = state, None, now_ms
        self.ended.append((kept.job.id, state))
        return []


def _edges(kept: Kept) -> tuple[Edge, ...]:
    return kept.job.edges.parents if kept.job.edges is not None else ()


def _one_is_enough(kept: Kept) -> bool:
    return kept.job.edges is not None and kept.job.edges.join is Join.ANY
