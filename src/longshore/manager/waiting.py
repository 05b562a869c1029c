"""This module waits for jobs to end: one look at the store for all who wait in an event loop.

The store's wake-ups say that some job of a queue ended, not which; so each wake-up is answered by one batched look for
all ids that somebody waits for. Because a wake-up may be lost, there is a slow look as well.
"""

import asyncio
import logging

from longshore.core.clock import Clock
from longshore.core.errors import JobNotFound, StoreUnavailable
from longshore.core.ids import JobId, format_id
from longshore.core.job import JobRecord
from longshore.core.service import Alarm, Patience
from longshore.core.states import TERMINAL, State
from longshore.engine.engine import Engine
from longshore.store.commands import by_ids
from longshore.store.replies import WakeKind

log = logging.getLogger("longshore.waiting")

POLL_SECONDS = 1.0
"""Between two looks without a wake-up: what a lost one costs."""
LINGER_SECONDS = 5.0
"""So long the task stays when nobody waits any more: results are often asked for one after the other."""
LISTEN_SECONDS = 60.0
OVER: tuple[State, ...] = tuple(sorted(TERMINAL))


class Waiter:
    """Everybody of one event loop who waits for a job. Its task runs only while somebody does."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._waiting: dict[JobId, list[asyncio.Future[JobRecord]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._alarm = Alarm(clock)
        """Rung when somebody comes and when some job ends."""
        self._has_newcomers = False
        self._heard_nothing = False

    async def wait(self, job_id: JobId, timeout: float | None = None) -> JobRecord:  # noqa: ASYNC109 - a promise of the API
        """The job's record when it has ended. Raises TimeoutError, and JobNotFound when it is gone."""
        future: asyncio.Future[JobRecord] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, []).append(future)
        self._has_newcomers = True
        self._alarm.ring()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="longshore-waiter")
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise TimeoutError(f"Job {format_id(job_id)} has not ended after {timeout:g} s.") from None
        finally:
            self._leave(job_id, future)

    async def close(self) -> None:
        """Ends the task; whoever still waits is told that the store is closed. In another loop than its own, which has
        ended then with all who waited: does nothing."""
        task, self._task = self._task, None
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for job_id in list(self._waiting):
            self._tell(job_id, StoreUnavailable("closed", "the manager was shut down"))

    def _leave(self, job_id: JobId, future: "asyncio.Future[JobRecord]") -> None:
        futures = self._waiting.get(job_id, [])
        if future in futures:
            futures.remove(future)
        if not futures:
            self._waiting.pop(job_id, None)

    async def _run(self) -> None:
        hearing = asyncio.create_task(self._hear(), name="longshore waiter's listener")
        try:
            while self._waiting or await self._alarm.wait(LINGER_SECONDS):
                await self._turn()
        finally:
            self._task = None  # whoever comes from here on starts another one
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hear(self) -> None:
        """Rings for each wake-up, and whenever listening begins anew: what ended before that is found by a look."""
        patience = Patience(self._engine.random)
        while True:
            try:
                listener = await self._engine.store.listen({WakeKind.FINISHED})
                try:
                    self._alarm.ring()
                    while True:
                        if await listener.wait(LISTEN_SECONDS):
                            self._alarm.ring()
                        patience.reset()
                finally:
                    await listener.close()
            except StoreUnavailable:
                await self._clock.sleep(patience.next_seconds())

    async def _turn(self) -> None:
        """One look, then rest, then wait for the next reason to look."""
        is_thorough = self._has_newcomers or self._heard_nothing
        self._has_newcomers = False
        began = self._clock.monotonic()
        await self._look(is_thorough=is_thorough)
        took = self._clock.monotonic() - began
        if took > 0:  # never busy for more than half of the time, however often jobs end
            await self._clock.sleep(min(took, POLL_SECONDS))
        if self._waiting:
            self._heard_nothing = not await self._alarm.wait(POLL_SECONDS)

    async def _look(self, *, is_thorough: bool) -> None:
        """Tells those whose jobs have ended; a thorough look also notices jobs that are gone."""
        ids = list(self._waiting)
        states = None if is_thorough else OVER
        try:
            pages = await self._engine.store.scan(by_ids(ids, states=states))
        except StoreUnavailable as error:
            log.warning("Jobs' ends cannot be seen now: %s", error)
            return
        found = [record for page in pages for record in page.jobs]
        for record in found:
            if record.state in TERMINAL:
                self._tell(record.id, record)
        if is_thorough:
            for job_id in set(ids).difference(record.id for record in found):
                self._tell(job_id, JobNotFound(format_id(job_id)))

    def _tell(self, job_id: JobId, outcome: JobRecord | Exception) -> None:
        for future in self._waiting.pop(job_id, ()):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
