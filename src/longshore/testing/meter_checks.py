"""This module checks what must hold of meters whatever an oracle thinks: room is neither lost nor given twice."""

from collections.abc import Iterable, Sequence

from longshore.core.job import JobRecord
from longshore.core.rules import LimitKind
from longshore.core.states import State
from longshore.store.replies import MeterReading


def check_meters(verb: str, readings: Sequence[MeterReading], jobs: Iterable[JobRecord]) -> None:
    """Recounts the meters of one queue from its jobs. Raises AssertionError after a verb that left them wrong."""
    used: dict[str, int] = {}
    held: dict[str, list[int]] = {}
    for job in jobs:
        assert (job.held_by is not None) == (job.state is State.HELD), (
            f"{verb} left {job.held_by} at a {job.state}"
        )
        for key in job.rules.flow if job.rules is not None else ():
            if job.held_by == key.meter:
                held.setdefault(key.meter, []).append(key.cost)
            if uses_room(job.state, key.kind):
                used[key.meter] = used.get(key.meter, 0) + key.cost
    there = {reading.name: reading for reading in readings}
    unknown = (used.keys() | held.keys()) - there.keys()
    assert not unknown, f"after {verb} jobs use meters that are not told: {unknown}"
    for name, reading in there.items():
        waiting = held.get(name, [])
        assert (reading.used, reading.held) == (used.get(name, 0), len(waiting)), (
            f"after {verb} {name} says {reading} and a recount {used.get(name, 0)} used, {len(waiting)} held"
        )
        assert not waiting or reading.used or reading.next_ms is not None or not reading.limit, (
            f"after {verb} {name} holds {len(waiting)} jobs that nobody will ever serve"
        )
        if reading.kind is LimitKind.CONCURRENCY and waiting:
            assert reading.room < max(waiting), (
                f"after {verb} {name} has room for all that it holds: {reading}"
            )


def uses_room(state: State, kind: LimitKind) -> bool:
    """Whether a job in this state uses room of such a limit."""
    return state is State.PENDING or (state is State.RUNNING and kind is LimitKind.CONCURRENCY)
