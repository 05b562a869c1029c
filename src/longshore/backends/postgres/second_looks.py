"""This module has whoever claimed from a queue look there again a little later, in case somebody did not tell.

An insert rings only where few jobs wait (ADR 7), and what it sees is as old as its snapshot. Where those are claimed,
and the queue is found empty, while its commit is on its way, nobody is rung. With many producers there are more such
jobs at once than "few": then all that follow see them waiting and ring nobody either, until a poll.
"""

from collections.abc import Callable, Iterable

from longshore.core.clock import Clock, Timer

LOOKS_SECONDS = (0.01, 0.1, 1.0)
"""After the last claim that got something. From its look to the end of its commit an insert takes 1 to 3 ms where the
disk is quick."""
EARLY_SECONDS = 0.001
"""So much too early may a timer come."""


class SecondLooks:
    """The looks that are to come of one event loop; `ring` tells its listeners of a queue."""

    def __init__(self, clock: Clock, ring: Callable[[str], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._coming: dict[str, _Looks] = {}

    def claimed(self, queues: Iterable[str]) -> None:
        """A claim got jobs of these queues."""
        for queue in queues:
            looks = self._coming.get(queue)
            if looks is None:
                looks = self._coming[queue] = _Looks(queue, self._clock, self._ring, self._coming.pop)
            looks.begin()

    def stop(self) -> None:
        """None comes any more."""
        coming, self._coming = self._coming, {}
        for looks in coming.values():
            looks.stop()


class _Looks:
    """Those at one queue. Claims that follow each other quickly cost a look at the clock each."""

    def __init__(
        self, queue: str, clock: Clock, ring: Callable[[str], None], ended: Callable[[str], object]
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._ring = ring
        self._ended = ended
        self._since = 0.0
        self._number = 0
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Counts from now."""
        self._since = self._clock.monotonic()
        if self._number or self._timer is None:
            self.stop()
            self._number = 0
            self._wait()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _wait(self) -> None:
        left = self._since + LOOKS_SECONDS[self._number] - self._clock.monotonic()
        self._timer = self._clock.call_later(left, self._come)

    def _come(self) -> None:
        if self._clock.monotonic() < self._since + LOOKS_SECONDS[self._number] - EARLY_SECONDS:
            self._wait()  # there was another claim meanwhile
            return
        self._number += 1
        if self._number < len(LOOKS_SECONDS):
            self._wait()
        else:
            self._ended(self._queue)
        self._ring(self._queue)
