"""This module has what a task raises to say how its attempt ended."""

from datetime import datetime, timedelta

from longshore.core.errors import InvalidOption, LongshoreError


class TaskSignal(LongshoreError):
    """Raised by a task to say how its attempt ended. Not a failure unless it says so."""

    code = "signal"


class Snooze(TaskSignal):
    """Run me again after a while; costs no attempt. What it is raised from, `explain` tells: `raise Snooze(60) from
    error`."""

    code = "snooze"

    def __init__(self, delay: float | timedelta) -> None:
        self.seconds: float = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        super().__init__(f"Snoozed for {self.seconds:g} s.")


class RetryAt(TaskSignal):
    """This attempt failed; run me again at that time, if attempts are left."""

    code = "retry-at"

    def __init__(self, at: datetime, reason: str = "") -> None:
        if at.tzinfo is None:
            raise InvalidOption("at", at, "a datetime with a time zone")
        self.at = at
        super().__init__(reason or f"To be tried again at {at.isoformat()}.")


class Cancel(TaskSignal):
    """This job is no longer wanted: it ends as cancelled."""

    code = "cancel"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "Cancelled by its task.")


class Discard(TaskSignal):
    """This job can never succeed: it fails for good, whatever attempts are left."""

    code = "discard"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "Discarded by its task.")
