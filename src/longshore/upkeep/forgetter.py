"""This module forgets what was recorded of jobs that are gone, and tells jobs of signals that nobody told them of.

It looks at one part of the jobs at a time, so that a store with a million jobs that took steps is gone through in a
quarter of an hour at no cost that anybody sees; several workers go through it as often.
"""

from collections.abc import Sequence
from random import Random

from longshore.core.clock import Clock
from longshore.core.events import Bus
from longshore.core.service import Repeating
from longshore.steps.entries import BUCKETS
from longshore.steps.forgetting import sweep
from longshore.store.contract import Store

SWEEP_SECONDS = 15.0


class Forgetter(Repeating):
    """Sweeps these stores; any number of them may run."""

    def __init__(
        self, stores: Sequence[Store], *, clock: Clock, random: Random, bus: Bus | None = None
    ) -> None:
        super().__init__("forgetter", self._forget, clock=clock, random=random, bus=bus)
        self._stores = stores
        self._random = random
        self._next = random.randrange(BUCKETS)

    async def _forget(self) -> float:
        for store in self._stores:
            await sweep(store, self._next)
        self._next = (self._next + 1) % BUCKETS
        return SWEEP_SECONDS * self._random.uniform(0.8, 1.2)
