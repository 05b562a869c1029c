"""This module explains jobs that wait for other jobs, and those that never ran because of one."""

from collections.abc import Sequence

import msgspec

from longshore.core.edges import Edge, Join, When, is_met
from longshore.core.ids import JobId, format_id
from longshore.core.job import Details, JobRecord
from longshore.core.states import State
from longshore.engine.engine import Engine
from longshore.store.commands import by_ids

SHOWN = 5
"""Jobs that one sentence names."""


class Parent(msgspec.Struct, frozen=True):
    """A job that the one in question waits for, or waited for."""

    edge: Edge
    name: str
    state: State | None
    """None: it is not there."""

    def __str__(self) -> str:
        return f"{self.name} ({'not there' if self.state is None else self.state.value})"


async def parents_of(engine: Engine, record: JobRecord) -> tuple[Parent, ...]:
    """The parents that matter for how the job stands: while it is blocked, those that have not told their end."""
    if record.edges is None or record.state not in (State.BLOCKED, State.SKIPPED, State.CANCELLED):
        return ()
    open_ones = frozenset(record.waits_for)
    edges = [
        edge for edge in record.edges.parents if record.state is not State.BLOCKED or edge.parent in open_ones
    ]
    pages = await engine.store.scan(by_ids(edge.parent for edge in edges))
    found = {job.id: job for page in pages for job in page.jobs}
    return tuple(_parent(edge, found.get(edge.parent)) for edge in edges)


def why_blocked(record: JobRecord, parents: Sequence[Parent]) -> str:
    """What a blocked job waits for."""
    count = len(record.waits_for) or len(parents)
    enough = record.edges is not None and record.edges.join is Join.ANY and count > 1
    jobs = "a job" if count == 1 else f"{count:,} jobs"
    named = ", ".join(map(str, parents[:SHOWN]))
    more = f" and {count - SHOWN:,} more" if count > SHOWN else ""
    return f"It is blocked by {jobs}: {named}{more}{'; one of them is enough' if enough else ''}."


def why_over(record: JobRecord, parents: Sequence[Parent]) -> str | None:
    """Why a job was skipped or cancelled without having run; None where no other job was the reason."""
    if record.state is State.SKIPPED and record.error_text:
        return f"It was skipped: {record.error_text.removeprefix('NotTaken: ')}"
    missed = [each for each in parents if each.state is not None and not is_met(each.edge.on, each.state)]
    if not missed or record.fence:
        return None
    first = missed[0]
    if record.state is State.SKIPPED:
        branch = "its branch was not taken" if first.edge.on is When.FAILURE else "it needs what did not run"
        return f"It was skipped, because {branch}: {first}."
    return f"It was cancelled, because it needs the success of {first}."


def _parent(edge: Edge, job: JobRecord | None) -> Parent:
    if job is None:
        return Parent(edge, _plain(edge.parent), None)
    place = None if job.details is None else msgspec.json.decode(job.details, type=Details).workflow
    named = f"job {job.queue}/{job.name}" if place is None else f"step {place.step}"
    return Parent(edge, named, job.state)


def _plain(job_id: JobId) -> str:
    return f"job {format_id(job_id)}"
