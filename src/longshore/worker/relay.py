"""This module lets a thread go on from job to job without waiting for the event loop.

While every place is taken, the next jobs of a queue are prepared ahead. A thread whose job has ended takes the first of
them at once: the new job inherits the place of the old one, so no limit is passed, and the loop hears of both later,
many at a time. Without this a thread sleeps until the loop has had its turn, twice for each job.

Threads only take from the left end of a track, which is atomic; all else is done on the event loop. So each job goes
either to a thread or back to its lane or the store, never to two of them.
"""

from collections import deque
from collections.abc import Callable, Collection

from longshore.core.clock import Clock
from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.worker.attempt import Attempt
from longshore.worker.lanes import Lanes
from longshore.worker.tenure import Tenure

AHEAD = 4
"""Jobs on a track for each slot: as many as threads get through, 1 ms each, before the loop has filled it again."""


class Relay:
    """The jobs that follow others in their threads; a track for each queue."""

    wanted: Callable[[JobRecord], bool]
    """Whether a job may follow another one in its thread."""
    prepare: Callable[[JobRecord], Attempt | None]
    """Makes an attempt ready for a thread; None: it has ended already, because it could not be prepared."""
    begin: Callable[[Attempt], None]
    """Called when the loop hears that an attempt has begun: from now on it is one that runs."""
    submit: Callable[[Attempt], None]
    """Hands an attempt to the threads, as one for a place that is free."""

    def __init__(self, lanes: Lanes, tenure: Tenure, clock: Clock) -> None:
        self._lanes = lanes
        self._tenure = tenure
        self._clock = clock
        self._tracks: dict[str, deque[Attempt]] = {queue: deque() for queue in lanes.queues()}
        self._ahead: dict[JobId, Attempt] = {}
        """What the loop does not know to have begun."""

    def fill(self) -> None:
        """Prepares jobs ahead for the queues that use all places they may."""
        for queue, track in self._tracks.items():
            while len(track) < AHEAD * self._lanes.slots:
                record = self._lanes.take_ahead(queue, self.wanted)
                if record is None:
                    break
                attempt = self.prepare(record)
                if attempt is not None:
                    self._ahead[record.id] = attempt
                    track.append(attempt)

    def follower(self, attempt: Attempt) -> Attempt | None:
        """What takes the place of an attempt that has ended. Called in threads, too."""
        track = self._tracks[attempt.record.queue]
        if not track or self._clock.monotonic() >= self._tenure.until:
            return None
        try:
            return track.popleft()
        except IndexError:  # another thread was faster
            return None

    def has_passed(self, attempt: Attempt) -> bool:
        """Whether another one has the place of this attempt, which has ended."""
        if attempt.follower is not None:
            if self._ahead.pop(attempt.follower.record.id, None) is not None:
                self.begin(attempt.follower)
            return True
        follower = attempt.follower = self.follower(
            attempt
        )  # its thread came just before the track was filled
        if follower is None:
            self._put_back(attempt.record.queue)
            return False
        del self._ahead[follower.record.id]
        self.begin(follower)
        self.submit(follower)
        return True

    def withdraw(self, ids: Collection[JobId] | None = None) -> list[JobRecord]:
        """Takes these jobs, or all, out of the lanes and tracks again, as far as they have not begun."""
        records = self._lanes.withdraw(ids)
        for attempt in [each for key, each in self._ahead.items() if ids is None or key in ids]:
            if self._take_out(attempt):
                records.append(attempt.record)
            else:
                self.begin(attempt)  # some thread has it, and only the news is missing
        return records

    def held(self) -> set[JobId]:
        """The jobs on the tracks."""
        return set(self._ahead)

    def _take_out(self, attempt: Attempt) -> bool:
        del self._ahead[attempt.record.id]
        try:
            self._tracks[attempt.record.queue].remove(attempt)
        except ValueError:
            return False
        return True

    def _put_back(self, queue: str) -> None:
        """The lease is over, so nothing may begin; or another place's end will be heard of soon."""
        left = [attempt for attempt in list(self._tracks[queue]) if self._take_out(attempt)]
        if left:
            self._lanes.put_back(queue, [attempt.record for attempt in left])
