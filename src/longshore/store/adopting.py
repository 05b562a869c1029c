"""This module says what a store may take over from another one, and by which words the job is searched there: once for
all stores."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from longshore.core.errors import InvalidOption
from longshore.core.ids import format_id
from longshore.core.job import Details, JobRecord
from longshore.core.reference import Reference
from longshore.core.states import TERMINAL, WAITING_FOR_TIME, State

ADOPTABLE = frozenset({State.BLOCKED, State.HELD, State.PENDING}) | WAITING_FOR_TIME | TERMINAL
"""Not a running job: whoever runs it would end it where it was, and somebody else would run it here."""


class SearchKeys(NamedTuple):
    """The words of a `NewJob` that a `JobRecord` has in its details only."""

    tags: tuple[str, ...] = ()
    reference: str | None = None
    correlation_id: str | None = None


def check_adoptable(jobs: Iterable[JobRecord]) -> None:
    """Raises InvalidOption for a job that no store may take over."""
    for job in jobs:
        if job.state not in ADOPTABLE:
            raise InvalidOption(
                "jobs", f"{format_id(job.id)}, which is {job.state}", "jobs that wait or are over"
            )
        if job.state in WAITING_FOR_TIME and job.run_ms is None:
            raise InvalidOption(
                "jobs", f"{format_id(job.id)}, {job.state} for no time", "a job with a run_ms"
            )


def search_keys(details: bytes | None) -> SearchKeys:
    """What a job with these details is found by; nothing where they are not those of this Longshore."""
    if details is None:
        return SearchKeys()
    try:
        told = _read(details)
    except msgspec.MsgspecError:
        return SearchKeys()
    reference = Reference(*told.reference).key if told.reference else None
    return SearchKeys(told.tags, reference, told.correlation_id)


_read = msgspec.json.Decoder(Details).decode
