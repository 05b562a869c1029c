"""This module makes jobs pending when their time has come: at the exact time, as far as this process can know it.

The store says when the next job is due; what this process adds or retries itself is announced by the engine, and what
others add before that by a wake-up. Where such a one gets lost, the next poll sees the job.
"""

from random import Random

from longshore.core.clock import Clock
from longshore.core.events import Bus
from longshore.core.service import Repeating
from longshore.engine.engine import Engine
from longshore.store.commands import SCAN_LIMIT
from longshore.store.replies import WakeKind
from longshore.upkeep.hearing import Hearing

POLL_SECONDS = 5.0
"""As a worker's own poll. It is for wake-ups that got lost, and for what is over and is to be swept; twice as often, an
idle worker called its store 70 times a minute, and more than 60 are too many."""
LEAST_PAUSE_SECONDS = 0.02
"""Where the store's clock says that it is not time yet and ours thinks that it is; and between a wake-up and a look."""


class Promoter(Repeating):
    """Promotes for one engine; any number of them may run."""

    def __init__(
        self,
        engine: Engine,
        *,
        poll_seconds: float = POLL_SECONDS,
        clock: Clock,
        random: Random,
        bus: Bus | None = None,
    ) -> None:
        super().__init__("promoter", self._promote, clock=clock, random=random, bus=bus)
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._random = random
        self._hearing = Hearing(
            engine.store, {WakeKind.SCHEDULED}, self._look_again, clock=clock, random=random
        )

    async def start(self) -> None:
        """Promotes at once, and hears from now on what will be due."""
        self._engine.watch_due(self.hasten)
        await super().start()
        await self._hearing.start()

    async def stop(self) -> None:
        """After the promotion that it is at."""
        self._engine.unwatch_due(self.hasten)
        await self._hearing.stop()
        await super().stop()

    def _look_again(self) -> None:
        """Asks the store when the next job is due. In a moment: many wake-ups may come at once, this process's own
        among them."""
        self.hasten(LEAST_PAUSE_SECONDS)

    async def _promote(self) -> float:
        promoted = await self._engine.promote(SCAN_LIMIT)
        if promoted.more:
            return 0.0
        poll = self._poll_seconds * self._random.uniform(0.9, 1.1)
        if promoted.next_due_ms is None:
            return poll
        due_in = (promoted.next_due_ms - self._engine.clock.now_ms()) / 1000
        return min(max(due_in, LEAST_PAUSE_SECONDS), poll)
