"""This module counts what a worker has done since it started."""

import msgspec


class Stats(msgspec.Struct):
    """Numbers of jobs, from the worker's own view."""

    claimed: int = 0
    settled: int = 0
    """Applied by the store, whatever the verdict."""
    stale: int = 0
    """Refused by the store: somebody else had the job by then."""
    released: int = 0
    """Handed back unharmed."""
    unknown: int = 0
    """Of tasks that this worker does not know."""
    abandoned: int = 0
    """Still running when nobody waited for them any more."""
    sessions_lost: int = 0
