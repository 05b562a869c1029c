"""This module says how long jobs that are over are kept."""

from datetime import timedelta

import msgspec

from longshore.core.errors import InvalidOption
from longshore.core.retry import Seconds, seconds

WEEK = 7 * 24 * 3600.0


class Retention(msgspec.Struct, frozen=True):
    """How long jobs of a queue, or of a task, are kept when they are over. None: for ever. 0: forgotten at once.

    `completed` also counts for cancelled and skipped ones. `failed` ones are dead letters, and stay unless told
    otherwise. Of those that ended well, never more than `max_count` are kept, the newest ones.
    """

    completed: Seconds | None = WEEK
    failed: Seconds | None = None
    max_count: int | None = None

    def __post_init__(self) -> None:
        for option in ("completed", "failed"):
            value = getattr(self, option)
            if value is not None:
                seconds(option, value)
        count = self.max_count
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
            raise InvalidOption("max_count", count, "a whole number of jobs, or None")

    @property
    def completed_seconds(self) -> float | None:
        """`completed` as a number."""
        return _plain(self.completed)

    @property
    def failed_seconds(self) -> float | None:
        """`failed` as a number."""
        return _plain(self.failed)

    @property
    def keeps_completed(self) -> bool:
        """Whether a job that ended well stays at all."""
        return self.completed_seconds != 0 and self.max_count != 0

    @property
    def keeps_failed(self) -> bool:
        """Whether a dead letter stays at all."""
        return self.failed_seconds != 0


def _plain(value: Seconds | None) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value
