"""This module forgets jobs that have been over for long enough: by age and by number, queue by queue, in chunks.

Every queue of the store is pruned, also those that this process never named. How long one keeps its jobs is kept in the
store where somebody has stated it, so that a worker which does not know the queue does not prune it by its own default.

Dead letters go only where a queue's retention says so. A job that shall not be kept at all (retention 0) never comes
here: it is forgotten in the step that ends it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

import msgspec

from longshore.core.clock import Clock
from longshore.core.events import Bus
from longshore.core.retention import Retention
from longshore.core.service import Repeating
from longshore.core.states import State
from longshore.engine.engine import Engine
from longshore.store.commands import RETENTION, SCAN_LIMIT, Delete, JobQuery, Order, Put, RecordAsk
from longshore.store.replies import QueueCounts
from longshore.upkeep import sparing

CHUNK_PAUSE_SECONDS = 0.05
"""Between two chunks: a million old jobs are gone in a minute, and nobody else waits for it."""

ENDED_WELL = (State.COMPLETED, State.CANCELLED, State.SKIPPED)


class Pruner(Repeating):
    """Prunes for one engine; any number of them may run."""

    def __init__(
        self,
        engine: Engine,
        *,
        stated: Callable[[], Mapping[str, Retention | None]],
        default: Retention,
        pause_seconds: float,
        clock: Clock,
        random: Random,
        bus: Bus | None = None,
    ) -> None:
        """`stated` says, whenever it is asked, how long queues keep their jobs as far as it was said in this process,
        with None for those whose earlier statement is withdrawn;
        `default` is for queues of which nobody has said it. `pause_seconds` lie between two sweeps."""
        super().__init__("pruner", self._prune, clock=clock, random=random, bus=bus)
        self._engine = engine
        self._stated = stated
        self._default = default
        self._pause_seconds = pause_seconds
        self._random = random

    async def _prune(self) -> float:
        stated = await self._statements()
        now_ms = self._engine.clock.now_ms()
        edits = [
            edit
            for counts in await self._engine.store.count(None)
            for edit in _edits(counts, stated.get(counts.queue, self._default), now_ms)
        ]
        if edits and await self._delete(edits):
            return CHUNK_PAUSE_SECONDS
        return self._pause_seconds * self._random.uniform(0.8, 1.2)

    async def _delete(self, edits: Sequence[Delete]) -> bool:
        """Whether there is more to forget."""
        store = self._engine.store
        if await sparing.has_workflows(store):
            return await sparing.prune(store, edits)
        return any(reply.more for reply in await store.change(edits))

    async def _statements(self) -> Mapping[str, Retention]:
        """What is stated here, which others are told, and what others have stated."""
        stated = self._stated()
        here = {queue: _plain(kept) for queue, kept in stated.items() if kept is not None}
        [records] = await self._engine.store.get([RecordAsk(RETENTION)])
        known = {record.key: msgspec.json.decode(record.value, type=Retention) for record in records}
        news = [queue for queue, kept in here.items() if known.get(queue) != kept]
        withdrawn = [queue for queue, kept in stated.items() if kept is None and queue in known]
        puts = [Put(kind=RETENTION, key=queue, value=msgspec.json.encode(here[queue])) for queue in news]
        puts += [Put(kind=RETENTION, key=queue, value=None) for queue in withdrawn]
        if puts:
            await self._engine.store.put(puts)
        return {queue: kept for queue, kept in {**known, **here}.items() if queue not in withdrawn}


def _plain(kept: Retention) -> Retention:
    """The retention with durations as numbers, as they come back from the store."""
    return Retention(kept.completed_seconds, kept.failed_seconds, kept.max_count)


def _edits(counts: QueueCounts, kept: Retention, now_ms: int) -> Iterator[Delete]:
    """What is to be forgotten of a queue, if it has jobs that are over."""
    queue = counts.queue
    for states, seconds in ((ENDED_WELL, kept.completed_seconds), ((State.FAILED,), kept.failed_seconds)):
        if seconds is not None and any(counts.states.get(state) for state in states):
            before_ms = now_ms - round(seconds * 1000)
            query = JobQuery(
                queues=(queue,),
                states=states,
                finished_before_ms=before_ms,
                order=Order.FINISHED,
                limit=SCAN_LIMIT,
            )
            yield Delete(where=query)
    if (
        kept.max_count is not None
        and sum(counts.states.get(state, 0) for state in ENDED_WELL) > kept.max_count
    ):
        query = JobQuery(
            queues=(queue,), states=ENDED_WELL, order=Order.FINISHED, spare=kept.max_count, limit=SCAN_LIMIT
        )
        yield Delete(where=query)
