"""This module has the errors about schedules. They are leaves of the tree in core/errors.py."""

from collections.abc import Iterable

from longshore.core.errors import UsageError, listed, near


class UnknownSchedule(UsageError):
    """A schedule that is not there, where it must be."""

    code = "unknown-schedule"

    def __init__(self, schedule_id: str, known: Iterable[str]) -> None:
        known = tuple(known)
        super().__init__(f"No schedule '{schedule_id}'.{near(schedule_id, known)} Known: {listed(known)}.")


class ScheduleExists(UsageError):
    """A schedule with an id that another one has."""

    code = "schedule-exists"

    def __init__(self, schedule_id: str, what: str) -> None:
        super().__init__(
            f"There is a schedule '{schedule_id}' already ({what}). "
            "Give this one an id= of its own, or change that one."
        )
