"""This module tells when the time of a running attempt is over.

There is no timer per job: one sleeper waits for the earliest deadline and then looks at what is running, which is
never more than there are slots. A job that ends in time has cost one comparison.
"""

from collections.abc import Callable

from longshore.core.clock import Clock
from longshore.core.ids import JobId
from longshore.core.service import Alarm
from longshore.worker.attempt import NEVER, Attempt


class Deadlines:
    """Watches the attempts in `running`, which the executor fills."""

    running: dict[JobId, Attempt]
    expired: Callable[[Attempt], None]
    """Gets each attempt whose deadline has come; it may set another one."""

    def __init__(self, clock: Clock) -> None:
        self.running = {}
        self.expired = lambda _: None
        self._clock = clock
        self._alarm = Alarm(clock)
        self._next = NEVER

    def set(self, attempt: Attempt, seconds: float) -> None:
        """The attempt's deadline is in so many seconds."""
        attempt.deadline = self._clock.monotonic() + seconds
        if attempt.deadline < self._next:
            self._next = attempt.deadline
            self._alarm.ring()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._look()
            await self._alarm.wait(None if self._next == NEVER else self._next - self._clock.monotonic())

    def _look(self) -> None:
        now = self._clock.monotonic()
        for attempt in list(self.running.values()):
            if attempt.deadline <= now:
                attempt.deadline = NEVER
                self.expired(attempt)
        self._next = min((attempt.deadline for attempt in self.running.values()), default=NEVER)
