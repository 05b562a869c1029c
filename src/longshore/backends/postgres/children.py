"""This module holds what a step knows of a blocked job, and how its row keeps that."""

from collections.abc import Collection

import msgspec

from longshore.backends.postgres.dialect import Row
from longshore.backends.postgres.lines import Contender
from longshore.core.edges import Join, becomes
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import Rules, unpack
from longshore.core.states import State

WATCHED = 8
"""The bit of `ruled` by which a job knows that it has children."""


class Child(msgspec.Struct, kw_only=True):
    """A blocked job."""

    id: str
    """In hexadecimal."""
    queue: str
    priority: int
    rules: Rules
    run_ms: int | None
    join: Join
    open: int
    """How many edges."""
    is_cancelled: bool
    """Whether an edge that was missed would cancel it; counts only where one that is met is enough."""
    is_watched: bool = False
    is_free: bool = False
    end: State | None = None
    has_learned: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether it waits no more."""
        return self.is_free or self.end is not None

    def contender(self, place: int) -> Contender:
        """As it asks for room. Its row stands where nobody is served, and says when it was changed."""
        return Contender(
            id=self.id,
            queue=self.queue,
            priority=self.priority,
            rules=self.rules,
            order=place,
            was_held=True,
            was_served=True,
        )

    @property
    def aside(self) -> int:
        """What its row keeps of all this."""
        return self.open << 2 | self.join << 1 | self.is_cancelled


def newly_blocked(
    job: NewJob | JobRecord, *, run_ms: int | None, only: Collection[JobId] | None = None
) -> Child:
    """A job that comes, and waits for all of its edges or those that lead to these parents."""
    parents = () if job.edges is None else job.edges.parents
    others = () if only is None else [edge for edge in parents if edge.parent not in only]
    return Child(
        id=job.id.hex(),
        queue=job.queue,
        priority=job.priority,
        rules=job.rules or Rules(),
        run_ms=run_ms,
        join=Join.ALL if job.edges is None else job.edges.join,
        open=len(parents) - len(others),
        is_cancelled=any(becomes(edge, State.CANCELLED) is State.CANCELLED for edge in others),
    )


def read_child(row: Row) -> Child:
    """What `children.sql` and `looks_due.sql` return."""
    return Child(
        id=row[1].hex(),
        queue=row[6],
        priority=row[7],
        run_ms=row[8],
        is_watched=(row[9] or 0) >= WATCHED,
        open=row[10] >> 2,
        join=Join(row[10] >> 1 & 1),
        is_cancelled=bool(row[10] & 1),
        rules=unpack(row[11]) or Rules(),
    )
