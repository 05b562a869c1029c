"""This module is the board on which jobs leave their marks: shared memory, 0.1 µs a mark, no system call."""

import mmap
from pathlib import Path

SEATS = 8
"""Processes that may run jobs at once; each has counters of its own, so that none waits for another."""
SAMPLES = 10_000
"""Times that one process can write down."""


class Board:
    """How many jobs each process has run, how often it called its store, and how long jobs have waited."""

    def __init__(self, path: Path, seat: int = 0) -> None:
        size_bytes = 8 * (2 * SEATS + SAMPLES)
        if not path.exists():
            path.write_bytes(bytes(size_bytes))
        with path.open("r+b") as file:
            cells = memoryview(mmap.mmap(file.fileno(), size_bytes)).cast("q")
        self._jobs = cells[:SEATS]
        self._calls = cells[SEATS : 2 * SEATS]
        self._samples = cells[2 * SEATS :]
        self._seat = seat

    def mark(self) -> None:
        """One more job."""
        self._jobs[self._seat] += 1

    def mark_wait(self, wait_ns: int) -> None:
        """One more job, which waited so long; for one process at a time."""
        self._samples[self._jobs[self._seat] % SAMPLES] = wait_ns
        self._jobs[self._seat] += 1

    def mark_call(self) -> None:
        """One more call of the store."""
        self._calls[self._seat] += 1

    def jobs(self) -> int:
        """Run by all processes."""
        return sum(self._jobs)

    def calls_of(self, seat: int) -> int:
        """Of its store, by one process."""
        return self._calls[seat]

    def waits_ms(self) -> list[float]:
        """What `mark_wait` wrote down, sorted."""
        return sorted(wait_ns / 1e6 for wait_ns in self._samples[: min(self.jobs(), SAMPLES)])

    def clear(self) -> None:
        """No jobs and no calls yet; only while nobody runs any."""
        for seat in range(SEATS):
            self._jobs[seat] = self._calls[seat] = 0
