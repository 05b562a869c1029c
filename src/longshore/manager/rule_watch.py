"""This module keeps a worker up to date about limits that were set at run time and parked providers, and tells the
other processes which providers were parked here: once a second where they play a part, otherwise twice a minute,
because who has neither shall not pay for them.

Limits play one while jobs are claimed: a worker that rests looks a second after the next claim. Providers always do as
soon as a task names one or a job has asked for one, because the first job after a rest must not start while its
provider is parked.
"""

import asyncio
import logging

from longshore.core.errors import StoreUnavailable
from longshore.core.service import Repeating
from longshore.engine.engine import Engine
from longshore.flow.overrides import LIMIT
from longshore.flow.parking import PROVIDER
from longshore.manager.runtime import Runtime
from longshore.store.commands import RecordAsk

log = logging.getLogger("longshore.worker")

LOOK_SECONDS = 1.0
"""Everybody knows within two seconds: one for a look that has just been, one for the store."""
REST_SECONDS = 30.0
"""Until the next look of a worker to which neither matters."""
TUNINGS = 3
"""Looks after which meters are tuned once more: who added jobs meanwhile may not have known the new limit yet."""
TUNE_EVERY = 15
"""Looks: from time to time, too, because an old job that asks for room at an idle meter brings its old limit along."""


class RuleWatch(Repeating):
    """Looks at the records of limits and providers; one for each worker."""

    def __init__(self, engine: Engine, runtime: Runtime) -> None:
        super().__init__(
            "watch on limits", self.look, clock=runtime.clock, random=runtime.random, bus=runtime.bus
        )
        self._engine = engine
        self._store = engine.store
        self._runtime = runtime
        self._overrides = runtime.overrides
        self._parking = runtime.parking
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tuned_version = 0
        self._looks = 0
        self._has_claimed = False
        """Since the last look."""

    async def start(self) -> None:
        """Returns after the first look: no job may start before it is known which providers are parked."""
        self._loop = asyncio.get_running_loop()
        self._parking.watch(self._hurry)
        self._engine.watch_claims(self._claimed)
        try:
            await self.look()
        except StoreUnavailable as error:
            log.warning("Limits and parked providers are looked up later: %s", error)
        await super().start()

    async def stop(self) -> None:
        """After the look that it is at, and after telling what is not told yet."""
        self._engine.unwatch_claims(self._claimed)
        self._parking.unwatch(self._hurry)
        await super().stop()

    async def look(self) -> float:
        """One look. In so many seconds the next is due. Raises StoreUnavailable."""
        await self._parking.tell(self._store)
        limits, providers = await self._store.get([RecordAsk(LIMIT), RecordAsk(PROVIDER)])
        self._overrides.take(limits)
        self._parking.take(providers)
        await self._tune()
        pause = LOOK_SECONDS if self._is_needed() else REST_SECONDS * self._runtime.random.uniform(0.9, 1.1)
        self._has_claimed = False
        return pause

    def _is_needed(self) -> bool:
        if self._parking.is_in_use or self._runtime.knows_providers():
            return True
        return self._has_claimed and (bool(self._overrides.all()) or self._runtime.knows_limits())

    def _claimed(self) -> None:
        if not self._has_claimed:
            self._has_claimed = True
            if self._is_needed():
                self.hasten(LOOK_SECONDS)

    async def _tune(self) -> None:
        if self._tuned_version != self._overrides.version:
            self._tuned_version, self._looks = self._overrides.version, 0
        overrides = self._overrides.all()
        if overrides and (self._looks < TUNINGS or self._looks % TUNE_EVERY == 0):
            await self._store.tune([override.tune() for override in overrides])
        self._looks += 1

    def _hurry(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.hasten, 0.0)
