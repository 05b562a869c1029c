"""This module acts on whole queues: pause, resume, clean, drain."""

from typing import Final

from longshore.core.errors import DrainTimeout
from longshore.core.names import check_name
from longshore.core.retry import Seconds, seconds
from longshore.core.states import LIVE
from longshore.flow import pausing
from longshore.manager.blocking import blocking
from longshore.manager.part import Part
from longshore.manager.states import read_states
from longshore.store.commands import SCAN_LIMIT, Delete, JobQuery, Order
from longshore.store.replies import QueueCounts

DAY = 24 * 3600.0
LOOK_SECONDS = 0.05
"""Between two looks at queues that are being drained."""


class Controls(Part):
    """Acting on queues."""

    async def pause_queue(self, name: str) -> None:
        """Nobody starts jobs of the queue any more, in any process; those that run go on, and jobs can be added."""
        engine = await self.runtime.engines.here()
        await self.runtime.spelling.look_up(name, self.runtime.queues, engine.store)
        self.runtime.stored.add(check_name("queue", name))
        await pausing.pause(engine.store, [name], self.runtime.clock)

    async def resume_queue(self, name: str) -> None:
        """Ends a pause; not paused: does nothing."""
        engine = await self.runtime.engines.here()
        await pausing.resume(engine.store, [check_name("queue", name)])

    async def is_paused(self, name: str) -> bool:
        """Whether the queue is paused."""
        engine = await self.runtime.engines.here()
        return check_name("queue", name) in await pausing.paused(engine.store)

    async def clean_queue(self, name: str, grace: Seconds = DAY, status: str = "completed") -> int:
        """Forgets the queue's jobs that ended in this state more than `grace` seconds ago; says how many."""
        engine = await self.runtime.engines.here()
        where = JobQuery(
            states=read_states(status),
            queues=(check_name("queue", name),),
            finished_before_ms=self.runtime.clock.now_ms() - round(seconds("grace", grace) * 1000) + 1,
            order=Order.FINISHED,
            limit=SCAN_LIMIT,
        )
        cleaned, more = 0, True
        while more:
            [changed] = await engine.change([Delete(where=where)])
            cleaned += len(changed.ids)
            more = changed.more
        return cleaned

    async def drain(self, timeout: Seconds | None = None) -> None:  # noqa: ASYNC109 - a promise of the API
        """Waits until no job is left to run in any queue: none pending, running, scheduled or retrying. Workers must
        run somewhere. Raises DrainTimeout naming what is left; nothing is lost."""
        limit = None if timeout is None else seconds("timeout", timeout)
        engine = await self.runtime.engines.here()
        clock = self.runtime.clock
        began = clock.monotonic()
        while left := _left(await engine.store.count(None)):
            waited = clock.monotonic() - began
            if limit is not None and waited >= limit:
                raise DrainTimeout(limit, left)
            await clock.sleep(LOOK_SECONDS if limit is None else min(LOOK_SECONDS, limit - waited))

    pause_queue_sync: Final = blocking(pause_queue)
    resume_queue_sync: Final = blocking(resume_queue)
    is_paused_sync: Final = blocking(is_paused)
    clean_queue_sync: Final = blocking(clean_queue)
    drain_sync: Final = blocking(drain)


def _left(counts: list[QueueCounts]) -> dict[str, int]:
    waiting = {each.queue: sum(each.states.get(state, 0) for state in LIVE) for each in counts}
    return {queue: count for queue, count in waiting.items() if count}
