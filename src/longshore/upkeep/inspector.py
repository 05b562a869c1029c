"""This module watches, while workers work, whether the store still keeps what it is given: settings can be changed
under a running queue, by a CONFIG SET for instance that lets Redis evict jobs.

It says so in the log and by the event "unsafe". It ends nothing: jobs that run are safe where they are, and who
changed the setting can change it back.
"""

import logging
from random import Random

from longshore.core.clock import Clock
from longshore.core.events import Bus, Event
from longshore.core.service import Repeating
from longshore.store.contract import Store

PAUSE_SECONDS = 50.0
"""An alarm within a minute, at a few questions a minute."""

log = logging.getLogger("longshore.worker")


class Inspector(Repeating):
    """Inspects one store; any number of them may run. What is there when it starts, the worker's start has judged."""

    def __init__(self, store: Store, *, bus: Bus, clock: Clock, random: Random) -> None:
        super().__init__("inspector", self._inspect, clock=clock, random=random, bus=bus)
        self._store = store
        self._hooks = bus
        self._random = random
        self._known: frozenset[str] | None = None

    async def _inspect(self) -> float:
        found = {
            finding.problem: finding
            for finding in await self._store.examine(contents=False)
            if finding.level == "error"
        }
        known = frozenset(found) if self._known is None else self._known
        for problem in found.keys() - known:
            finding = found[problem]
            log.error("The store may lose jobs: %s %s", finding.problem, finding.remedy)
            if self._hooks.wants("unsafe"):
                await self._hooks.tell(Event(name="unsafe", data={"finding": finding}))
        for problem in known - found.keys():
            log.warning("The store may not lose jobs any more: %s", problem)
        self._known = frozenset(found)
        return PAUSE_SECONDS * self._random.uniform(0.9, 1.1)
