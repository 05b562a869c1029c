"""This module says what can be chosen about a worker."""

import msgspec

from longshore.core.errors import InvalidOption

LEAST_LEASE_SECONDS = 2.0


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker works on, and how much at a time. Raises InvalidOption for values that make no sense."""

    queues: dict[str, int | None]
    """Of each queue so many jobs at a time in this process; None: only `slots` limits it."""
    slots: int = 10
    processes: int | None = None
    """Child processes for `process=True` tasks; None: one for each processor, and never more than slots."""
    lease_seconds: float = 30.0
    """A worker that is silent for so long has lost its jobs to others."""
    grace_seconds: float = 25.0
    """So long a drain lets jobs run."""
    poll_seconds: float = 5.0
    """Between two looks at the store when no wake-up comes."""
    burst: bool = False
    """End when nothing is left to do now."""
    prefetch: int = 1000
    """Of one queue at most so many jobs in stock beyond the slots, and only while jobs are quick."""

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise InvalidOption("slots", self.slots, "1 or more")
        if self.lease_seconds < LEAST_LEASE_SECONDS:
            raise InvalidOption("lease_seconds", self.lease_seconds, f"{LEAST_LEASE_SECONDS:g} or more")
        if self.grace_seconds < 0:
            raise InvalidOption("grace_seconds", self.grace_seconds, "0 or more")
        if self.poll_seconds <= 0:
            raise InvalidOption("poll_seconds", self.poll_seconds, "more than 0")
        if self.prefetch < 0:
            raise InvalidOption("prefetch", self.prefetch, "0 or more")
        if not self.queues:
            raise InvalidOption("queues", self.queues, "at least one queue")
        for queue, limit in self.queues.items():
            if limit is not None and limit < 1:
                raise InvalidOption(f"queues['{queue}']", limit, "1 or more, or None")
