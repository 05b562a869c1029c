"""This module keeps jobs away from providers that want to be asked later, and notices when one says so.

A provider is parked in this process at once and for all others within a second (`flow/parking.py`). A job that was
claimed meanwhile goes back unharmed until the time is over; one that heard the answer costs no attempt.
"""

import logging
from random import Random

from longshore.core.clock import Clock
from longshore.core.ids import format_id
from longshore.core.limit_errors import RateLimited
from longshore.core.printing import visible
from longshore.core.verdict import Verdict, released
from longshore.engine.asked_later import asked_later
from longshore.engine.judge import signal_of
from longshore.flow.parking import Parking
from longshore.worker.attempt import Attempt

log = logging.getLogger("longshore.worker")

SPREAD = 0.1
"""Of the time that a provider is parked: over so much more the jobs that wait for it come back."""
SPREAD_SECONDS = 10.0


class Providers:
    """What one worker does about providers."""

    def __init__(self, parking: Parking, *, clock: Clock, random: Random) -> None:
        self._parking = parking
        self.put_off = parking.put_off
        """Mostly empty: claims of which somebody said, while they ran, that a provider wants to be asked later."""
        self._clock = clock
        self._random = random

    def wait_for(self, provider: str | None) -> Verdict | None:
        """How a job that depends on the provider goes back; None where it may start."""
        if provider is None or not (seconds := self._parking.seconds(provider)):
            return None
        spread = self._random.uniform(0.0, min(SPREAD * seconds, SPREAD_SECONDS))
        return released(max(1, round((seconds + spread) * 1000)))

    def said_of(self, attempt: Attempt) -> RateLimited | None:
        """What was said of this one; once."""
        return self.put_off.pop((attempt.record.id, attempt.record.fence), None)

    def notice(self, attempt: Attempt, error: BaseException) -> tuple[str, Verdict] | None:
        """Whether a provider wants to be asked later: it is parked then; which one, and what becomes of the job."""
        signal = signal_of(error)
        limited = signal if isinstance(signal, RateLimited) else asked_later(error, self._clock.now_ms())
        if limited is None:
            return None
        provider = (attempt.provider if limited.was_found else None) or limited.provider
        if self._parking.seconds(provider) < limited.seconds:
            told = format_id(attempt.record.id), visible(provider), limited.seconds
            log.warning("Job %s was told by '%s' to ask again in %g s; its jobs wait.", *told)
        self._parking.park(provider, limited.seconds)
        others = attempt.candidates
        seconds = self._parking.soonest(others) if provider in others else limited.seconds
        return provider, released(max(1, round(seconds * 1000)))
