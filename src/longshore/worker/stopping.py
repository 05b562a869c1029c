"""This module stops running attempts from outside: a cancellation, a time-out, the worker's end.

A coroutine is cancelled, a child process is killed, a thread can only be asked. What its end then means is the
executor's matter; one that does not end in time is given up, and its place taken by another.
"""

import logging
from collections.abc import Callable, Collection, Iterable

from longshore.core.attempt_errors import AttemptTimeout
from longshore.core.ids import JobId, format_id
from longshore.core.job import JobRecord
from longshore.core.verdict import CANCELLED
from longshore.engine.herald import Herald
from longshore.worker.attempt import Attempt, Stop
from longshore.worker.batch_attempt import Batch, Item
from longshore.worker.deadlines import Deadlines
from longshore.worker.executor import Executor
from longshore.worker.handback import Handback
from longshore.worker.outside import Outside
from longshore.worker.stats import Stats

log = logging.getLogger("longshore.worker")

STUCK_SECONDS = 2.0
"""How long an attempt that was told that its time is over may take to notice; then nobody waits for it any more."""


class Stopping:
    """Tells attempts to stop."""

    def __init__(
        self,
        executor: Executor,
        deadlines: Deadlines,
        *,
        withdraw: Callable[[Collection[JobId]], Iterable[JobRecord]],
        handback: Handback,
        outside: Outside,
        herald: Herald,
        stats: Stats,
    ) -> None:
        """`withdraw` takes jobs back that have not begun."""
        self.give_up_batch: Callable[[Batch], None] = lambda _: None
        """Called with a batch that does not stop."""
        self._executor = executor
        self._deadlines = deadlines
        self._withdraw = withdraw
        self._handback = handback
        self._outside = outside
        self._herald = herald
        self._stats = stats
        deadlines.expired = self._expired

    def cancel(self, ids: Collection[JobId]) -> None:
        """Somebody wants these jobs cancelled. One in a thread may still complete."""
        self._handback.give(self._withdraw(ids), CANCELLED)
        for job_id in ids:
            attempt = self._executor.running.get(job_id)
            if attempt is not None and attempt.stop is None:
                self._stop(attempt, Stop.CANCEL)

    def stop_all(self, stop: Stop) -> None:
        """Everything that runs is told to stop."""
        for attempt in list(self._executor.running.values()):
            self._stop(attempt, stop)

    def abandon_all(self) -> None:
        """Nobody waits any more for what still runs."""
        for attempt in list(self._executor.running.values()):
            self._give_up(attempt)

    def _stop(self, attempt: Attempt, stop: Stop) -> None:
        attempt.mark(stop)
        if attempt.is_away:
            self._outside.cancel(attempt)
        elif attempt.task is not None:
            attempt.task.cancel()

    def _expired(self, attempt: Attempt) -> None:
        if attempt.is_overdue:
            self._give_up(attempt)
        else:
            attempt.is_overdue = True
            self._stop(attempt, Stop.TIMEOUT)
            self._deadlines.set(attempt, STUCK_SECONDS)

    def _give_up(self, attempt: Attempt) -> None:
        record = attempt.record
        if attempt.is_away:
            self._outside.abandon(attempt)
        if self._executor.running.get(record.id) is not attempt:  # it was just about to end
            return
        self._stats.abandoned += 1
        log.error("Job %s (%s) does not stop; nobody waits for it now.", format_id(record.id), record.name)
        self._herald.post_about("error", record, AttemptTimeout(attempt.policy.timeout or 0.0))
        if isinstance(attempt, Item):
            self.give_up_batch(attempt.batch)
        else:
            self._executor.give_up(attempt)
