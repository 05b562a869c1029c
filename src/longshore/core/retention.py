"""This module says how long jobs that are over are kept."""

from dataclasses import dataclass
from datetime import timedelta

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption
from longshore.core.retry import Seconds, seconds

WEEK = 7 * 24 * 3600.0


@dataclass(frozen=True, init=False)  # a struct could not answer a misspelt word
class Retention:
    """How long jobs of a queue, or of a task, are kept when they are over. None: for ever. 0: forgotten at once.

    `completed` also counts for cancelled and skipped ones. `failed` ones are dead letters, and stay unless told
    otherwise. Of those that ended well, never more than `max_count` are kept, the newest ones. Raises InvalidOption and
    UnknownOption.
    """

    completed: Seconds | None = WEEK
    failed: Seconds | None = None
    max_count: int | None = None

    @spelled("Retention")
    def __init__(
        self, completed: Seconds | None = WEEK, failed: Seconds | None = None, max_count: int | None = None
    ) -> None:
        for option, value in (("completed", completed), ("failed", failed)):
            if value is not None:
                seconds(option, value)
            object.__setattr__(self, option, value)
        if max_count is not None and (
            isinstance(max_count, bool) or not isinstance(max_count, int) or max_count < 0
        ):
            raise InvalidOption("max_count", max_count, "a whole number of jobs, or None")
        object.__setattr__(self, "max_count", max_count)

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
