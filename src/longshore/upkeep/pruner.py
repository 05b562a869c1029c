"""This module forgets jobs that have been over for long enough: by age and by number, queue by queue, in chunks.

Dead letters go only where a queue's retention says so. A job that shall not be kept at all (retention 0) never comes
here: it is forgotten in the step that ends it.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random

from longshore.core.clock import Clock
from longshore.core.events import Bus
from longshore.core.retention import Retention
from longshore.core.service import Repeating
from longshore.core.states import State
from longshore.engine.engine import Engine
from longshore.store.commands import SCAN_LIMIT, Delete, JobQuery, Order

PAUSE_SECONDS = 60.0
CHUNK_PAUSE_SECONDS = 0.05
"""Between two chunks: a million old jobs are gone in a minute, and nobody else waits for it."""

ENDED_WELL = (State.COMPLETED, State.CANCELLED, State.SKIPPED)


class Pruner(Repeating):
    """Prunes for one engine; any number of them may run."""

    def __init__(
        self,
        engine: Engine,
        *,
        retentions: Callable[[], Mapping[str, Retention]],
        clock: Clock,
        random: Random,
        bus: Bus | None = None,
    ) -> None:
        """`retentions` says, whenever it is asked, how long each queue's jobs are kept."""
        super().__init__("pruner", self._prune, clock=clock, random=random, bus=bus)
        self._engine = engine
        self._retentions = retentions
        self._random = random

    async def _prune(self) -> float:
        now_ms = self._engine.clock.now_ms()
        edits = [edit for queue, kept in self._retentions().items() for edit in _edits(queue, kept, now_ms)]
        replies = await self._engine.store.change(edits)
        if any(reply.more for reply in replies):
            return CHUNK_PAUSE_SECONDS
        return PAUSE_SECONDS * self._random.uniform(0.8, 1.2)


def _edits(queue: str, kept: Retention, now_ms: int) -> Iterator[Delete]:
    for states, seconds in ((ENDED_WELL, kept.completed_seconds), ((State.FAILED,), kept.failed_seconds)):
        if seconds is not None:
            before_ms = now_ms - round(seconds * 1000)
            query = JobQuery(
                queues=(queue,),
                states=states,
                finished_before_ms=before_ms,
                order=Order.FINISHED,
                limit=SCAN_LIMIT,
            )
            yield Delete(where=query)
    if kept.max_count is not None:
        query = JobQuery(
            queues=(queue,), states=ENDED_WELL, order=Order.FINISHED, spare=kept.max_count, limit=SCAN_LIMIT
        )
        yield Delete(where=query)
