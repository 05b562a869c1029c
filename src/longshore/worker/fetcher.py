"""This module claims jobs for the slots: as many as can run, and a few more while jobs are quick.

It wakes when the store says that a queue has jobs, when a stock of jobs gets low, and every few seconds anyway, because
wake-ups are hints and polling is the truth. Listening begins before the first claim, and again before the first claim
after each time that the store could not be used: so no wake-up falls into a gap.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from random import Random

import msgspec

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.service import Alarm, Patience
from longshore.core.states import State
from longshore.engine.engine import Engine
from longshore.store.commands import SCAN_LIMIT, ClaimAsk, JobQuery, Order
from longshore.store.replies import Claimed, Wake, WakeKind
from longshore.worker.completer import Completer
from longshore.worker.lanes import Lanes
from longshore.worker.stats import Stats
from longshore.worker.tenure import Tenure

log = logging.getLogger("longshore.worker")

HORIZON_SECONDS = 0.02
"""The stock of a lane is what it gets through in this time, or in two claims where those take longer."""


class Fetcher:
    """Claims for one worker. `take` gets the jobs of each queue, `lost` is told when the session is over."""

    def __init__(
        self,
        engine: Engine,
        lanes: Lanes,
        tenure: Tenure,
        completer: Completer,
        stats: Stats,
        *,
        take: Callable[[str, list[JobRecord]], Awaitable[None]],
        held: Callable[[], set[JobId]],
        lost: Callable[[str], None],
        poll_seconds: float,
        clock: Clock,
        random: Random,
    ) -> None:
        self._engine = engine
        self._lanes = lanes
        self._tenure = tenure
        self._completer = completer
        self._stats = stats
        self._take = take
        self._held = held
        self._lost = lost
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._random = random
        self._alarm = Alarm(clock)
        self._patience = Patience(random)
        self._paced_at = clock.monotonic()
        self._is_in_doubt = False
        """A claim was not answered, so the session may hold jobs that nobody here knows."""
        self._is_stopping = False
        self._fetching: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self.on_dry: Callable[[], None] = lambda: None
        """Called when every queue was found empty."""
        lanes.on_low = self.nudge
        completer.on_room = self.nudge

    def nudge(self) -> None:
        """Something may be worth a claim."""
        self._alarm.ring()

    def look_everywhere(self) -> None:
        """Claims from every queue, whether or not it is thought to be empty."""
        self._lanes.wake()
        self._alarm.ring()

    async def start(self) -> None:
        """Begins to listen and to claim."""
        loop = asyncio.get_running_loop()
        self._listening = loop.create_task(self._listen(), name="longshore listener")
        self._fetching = loop.create_task(self._run(), name="longshore fetcher")

    async def stop(self) -> None:
        """Claims no more; returns when a claim that is under way has been answered. Again: does nothing."""
        self._is_stopping = True
        self._alarm.ring()
        if self._fetching is not None:
            await self._fetching
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    # -------------------------------------------------------------------------------------------------- claiming

    async def _run(self) -> None:
        while not self._is_stopping:
            asks = self._lanes.asks(self._tenure.session) if self._may_claim() else []
            if asks:
                await self._claim(asks)
            else:
                await self._alarm.wait()

    def _may_claim(self) -> bool:
        return not self._completer.is_full and self._clock.monotonic() < self._tenure.until

    async def _claim(self, asks: list[ClaimAsk]) -> None:
        wakes = [self._lanes.wakes_of(ask.queue) for ask in asks]
        started = self._clock.monotonic()
        try:
            if self._is_in_doubt:
                await self._adopt()
            replies = await self._engine.claim(asks)
        except StoreUnavailable as error:
            if self._patience.failures == 0:
                log.warning("Claiming waits for the store: %s", error)
            self._is_in_doubt = True
            await self._pause()
        except Exception:
            log.exception("A claim failed; it is tried again.")
            await self._pause()
        else:
            if self._patience.failures:
                log.info("Claiming goes on.")
            self._patience.reset()
            self._pace(started)
            for ask, reply, heard in zip(asks, replies, wakes, strict=True):
                await self._answered(ask, reply, heard)
            if self._lanes.is_dry():
                self.on_dry()

    async def _answered(self, ask: ClaimAsk, reply: Claimed, wakes: int) -> None:
        self._lanes.answered(ask, len(reply.jobs), wakes)
        self._stats.claimed += len(reply.jobs)
        if reply.jobs:
            await self._take(ask.queue, reply.jobs)
        if reply.session_lost:
            self._lost(ask.session)

    async def _adopt(self) -> None:
        """Takes what a claim got whose reply was lost; otherwise it would be held as long as this worker lives."""
        held = self._held()  # before the look: what ends meanwhile was held, and is not taken twice
        query = JobQuery(
            states=(State.RUNNING,), session=self._tenure.session, order=Order.OLDEST, limit=SCAN_LIMIT
        )
        cursor: str | None = ""
        while cursor is not None:
            [page] = await self._engine.store.scan([msgspec.structs.replace(query, cursor=cursor or None)])
            cursor = page.cursor
            for record in page.jobs:
                if record.id not in held and record.queue in self._lanes.queues():
                    self._stats.claimed += 1
                    await self._take(record.queue, [record])
        self._is_in_doubt = False

    def _pace(self, started: float) -> None:
        now = self._clock.monotonic()
        if self._lanes.pace(now - self._paced_at, max(HORIZON_SECONDS, 2 * (now - started))):
            self._paced_at = now

    async def _pause(self) -> None:
        wait_until = self._clock.monotonic() + self._patience.next_seconds()
        while not self._is_stopping and (left := wait_until - self._clock.monotonic()) > 0:
            await self._alarm.wait(left)

    # ------------------------------------------------------------------------------------------------- listening

    async def _listen(self) -> None:
        patience = Patience(self._random)
        while True:
            try:
                listener = await self._engine.store.listen({WakeKind.PENDING}, self._lanes.queues())
                try:
                    listener.tell(self._heard)
                    self.look_everywhere()
                    while True:
                        await listener.wait(self._poll_seconds * self._random.uniform(0.8, 1.2))
                        patience.reset()
                        self.look_everywhere()
                finally:
                    await listener.close()
            except StoreUnavailable:
                await self._clock.sleep(patience.next_seconds())
            except Exception:
                log.exception("Listening for wake-ups failed; it is tried again, and polling goes on.")
                await self._clock.sleep(patience.next_seconds())
            self.look_everywhere()

    def _heard(self, wakes: Iterable[Wake]) -> None:
        """Called by the listener: a task that waits for it would claim one turn of the loop later, which is 0.1 of the
        1.3 ms that a lone job takes over Redis."""
        for wake in wakes:
            self._lanes.wake(wake.queue)
        self._alarm.ring()
