"""This module makes jobs unrunnable while they are in two stores, and runnable again: by their time alone.

A held job waits for a time four thousand years ahead, to which its own time is added; one that was pending has 0 for
its own. So whoever finds it knows how it was, no worker can claim it, not even by name, and nothing else in it changes.
"""

from collections.abc import Iterable

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.states import WAITING_FOR_TIME, State
from longshore.store.commands import SCAN_LIMIT, Changes, JobQuery, Order, Update

HELD_MS = 127_174_492_800_000
"""The year 6000."""
LONGEST_MS = 60_904_915_200_000
"""The year 3900. A job for a later time needs no holding: it runs in neither store."""

Alike = dict[tuple[State, int], list[JobId]]
WAITING = (State.PENDING, State.SCHEDULED, State.RETRYING)
HOLDABLE = (State.SCHEDULED, State.RETRYING)
"""The states of held jobs: one that failed before stays retrying."""


def is_held(job: JobRecord) -> bool:
    """Whether a move has taken the job out of its store's reach."""
    run_ms = job.run_ms
    return job.state in WAITING_FOR_TIME and run_ms is not None and HELD_MS <= run_ms < HELD_MS + LONGEST_MS


def holds(jobs: Iterable[JobRecord]) -> list[Update]:
    """The edits that hold those jobs that wait and are not held yet."""
    return _at(
        (job, HELD_MS + (0 if job.state is State.PENDING else max(job.run_ms or 0, 1)))
        for job in jobs
        if job.state in WAITING and not is_held(job) and not is_far(job)
    )


def releases(jobs: Iterable[JobRecord]) -> list[Update]:
    """The edits that give held jobs their own times back; pending ones line up, the oldest first."""
    return _at((job, job.run_ms - HELD_MS) for job in jobs if is_held(job) and job.run_ms is not None)


def is_far(job: JobRecord) -> bool:
    """Whether the job waits for a time so late that it need not be held."""
    return job.state in WAITING_FOR_TIME and not is_held(job) and (job.run_ms or 0) >= LONGEST_MS


def own_state(job: JobRecord) -> State:
    """In what state the job was before it was held."""
    return State.PENDING if is_held(job) and job.run_ms == HELD_MS else job.state


def _at(times: Iterable[tuple[JobRecord, int]]) -> list[Update]:
    """One edit for all jobs of one state that get the same time."""
    alike: Alike = {}
    for job, run_ms in times:
        alike.setdefault((job.state, run_ms), []).append(job.id)
    return [
        Update(
            where=JobQuery(ids=tuple(ids), states=(state,), order=Order.OLDEST, limit=SCAN_LIMIT),
            changes=Changes(run_ms=run_ms),
        )
        for (state, run_ms), ids in alike.items()
    ]
