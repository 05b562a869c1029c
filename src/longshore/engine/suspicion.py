"""This module writes down which suspect a worker runs: when it dies, a rescuer knows whom to charge (ADR 0003)."""

from typing import NamedTuple

from longshore.core.ids import JobId

SUSPECT_CRASHES = 2
"""With so many crashes a job runs alone, so that the next one is charged to the right job. After one crash it runs like
any other: that is mostly a machine or a deploy, and a fleet must be back at once."""

_ALONE = b"alone"
_ID_BYTES = 16


class Suspicion(NamedTuple):
    """What a record of the kind SUSPECT says."""

    job: JobId
    is_alone: bool
    """No other job had begun in the worker: whatever took it down was this one, or came from outside."""


def write(suspicion: Suspicion) -> bytes:
    """The record's value: the id, and a word behind it where the suspect is alone."""
    return suspicion.job + _ALONE if suspicion.is_alone else suspicion.job


def read(value: bytes) -> Suspicion:
    """What was written."""
    return Suspicion(JobId(value[:_ID_BYTES]), value[_ID_BYTES:] == _ALONE)
