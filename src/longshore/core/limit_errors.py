"""This module holds the errors about limits and providers; the tree is drawn in `core/errors.py`."""

from collections.abc import Iterable
from datetime import timedelta

from longshore.core.errors import InvalidOption, UsageError, listed, near
from longshore.core.task_signals import TaskSignal

LONGEST_PARKING_SECONDS = 30 * 86400.0
"""What a provider may ask for; a nonsensical answer must not put it away for years."""


class UnknownLimit(UsageError):
    """A limit that neither the queue nor its tasks have."""

    code = "unknown-limit"

    def __init__(self, name: str, queue: str, known: Iterable[str]) -> None:
        known = list(known)
        super().__init__(f"No limit '{name}' of queue '{queue}'.{near(name, known)} Known: {listed(known)}.")


class RateLimited(TaskSignal):
    """A provider wants to be asked later: run me again then; costs no attempt.

    Until then the provider is parked, in all processes: jobs of tasks with `provider=` of that name are not started,
    and `ctx.provider([…])` picks another. `provider` is a name of your own, "smtp" or "openai".
    """

    code = "rate-limited"

    def __init__(self, provider: str, retry_after: float | timedelta = 60.0) -> None:
        """`retry_after`: seconds, at least one millisecond."""
        plain = retry_after.total_seconds() if isinstance(retry_after, timedelta) else retry_after
        if (
            isinstance(plain, bool)
            or not isinstance(plain, int | float)
            or not 0 <= plain <= LONGEST_PARKING_SECONDS
        ):
            raise InvalidOption("retry_after", retry_after, "seconds or a timedelta, at most 30 days")
        self.provider = provider
        self.seconds: float = max(0.001, float(plain))
        self.was_found = False
        """Read from an answer by Longshore, which cannot know what the provider is called."""
        super().__init__(f"'{provider}' wants to be asked again in {self.seconds:g} s.")
