"""This module keeps claims fast where dead rows pile up in the lines.

A row that was claimed stays in the table until no snapshot needs it: while somebody's long transaction runs, for ever.
A claim that begins at the head of the line reads all of them: with one snapshot open, claims went from 61,000 to 9,000
jobs a second within 12 seconds. So while there are many dead rows a claim begins a little before the place where the
last one found its first job; then they stayed at 57,000. What lies before that place, such as a job that another
process released, is found by a look from the head every few seconds.
"""

from collections.abc import Iterable

from longshore.core.clock import Clock
from longshore.core.priority import LOWEST

MANY_DEAD_ROWS = 50_000
"""A claim that reads so many takes 5 ms more."""
LOOK_SECONDS = 5.0
"""Between two looks at the statistics, and from the head of a line."""
FEW_JOBS = 20_000
"""Whose claims gave fewer has left no more dead rows than that."""
MARGIN = 32 << 20
"""Places of 32 statements: jobs of a transaction that began earlier and commits later lie there."""


class Watermarks:
    """Where the lines begin, as far as this handle knows. Forgets everything every few seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_look = 0.0
        self._jobs = 0
        self._lows: dict[str, list[int]] = {}
        self.are_needed = False

    def is_look_due(self) -> bool:
        """Whether it is time for the statistics, and for a look from the heads; asked once for each."""
        now = self._clock.monotonic()
        if now < self._next_look or (not self.are_needed and self._jobs < FEW_JOBS):
            return False
        self._jobs, self._next_look = 0, now + LOOK_SECONDS
        return True

    def set_dead_rows(self, dead_rows: int) -> None:
        """Takes note of the statistics."""
        self.are_needed = dead_rows > MANY_DEAD_ROWS
        self._lows.clear()

    def lows(self, queues: Iterable[str]) -> list[int]:
        """The place of each queue and priority from which on a claim looks."""
        nothing = [0] * (LOWEST + 1)
        return [place for queue in queues for place in self._lows.get(queue, nothing)]

    def gave(self, jobs: int) -> None:
        """Takes note of how much a claim took out of the lines."""
        self._jobs += jobs

    def claimed(self, queue: str, priority: int, place: int) -> None:
        """Takes note of a job that a claim got, the first of its line last."""
        lows = self._lows.setdefault(queue, [0] * (LOWEST + 1))
        lows[priority] = max(0, place - MARGIN)

    def forget(self, queues: Iterable[str]) -> None:
        """Jobs went back to an old place."""
        for queue in queues:
            self._lows.pop(queue, None)
