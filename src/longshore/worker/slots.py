"""This module is a worker's slots: long-lived tasks that take one job after another (ADR 0002).

A slot that takes a job wakes one more if there are jobs left, before it begins its own: so a hundred jobs that wait for
something all start, one after another, while jobs that never wait are run by a single slot without any turn of the
event loop in between. A slot that has been busy for SLICE_SECONDS lets everybody else run.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import Any

from longshore.core.clock import Clock
from longshore.core.job import JobRecord
from longshore.worker.lanes import Lanes
from longshore.worker.tenure import Tenure

log = logging.getLogger("longshore.worker")

SLICE_SECONDS = 0.005
SLICE_JOBS = 500
"""At most, also where a test's clock stands still."""

Run = Callable[[JobRecord, "asyncio.Task[Any]"], Awaitable[bool]]


class Slots:
    """At most `lanes.slots` tasks; they are made when first needed."""

    def __init__(
        self,
        lanes: Lanes,
        tenure: Tenure,
        run: Run,
        on_rest: Callable[[], None],
        *,
        clock: Clock,
        base: Context,
    ) -> None:
        self._lanes = lanes
        self._tenure = tenure
        self._run = run
        self._on_rest = on_rest
        self._clock = clock
        self._base = base
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: list[asyncio.Future[None]] = []
        self._is_waking = False
        self._is_closing = False

    def wake(self) -> None:
        """There may be something to take: wakes one slot, which wakes the next."""
        if self._is_waking or self._is_closing or not self._lanes.can_take():
            return
        if self._resting:
            self._is_waking = True
            self._resting.pop().set_result(None)
        elif len(self._tasks) < self._lanes.slots:
            self._is_waking = True
            loop = asyncio.get_running_loop()
            self._tasks.add(loop.create_task(self._work(), name="longshore slot", context=self._base.copy()))

    def refill(self) -> None:
        """A job has ended that no slot waited for."""
        if self._lanes.ready:
            self.wake()
        else:
            self._on_rest()

    def forget(self, task: "asyncio.Task[Any]") -> None:
        """A slot that will not come back; another may take its place, and may have to wait for a claim."""
        self._tasks.discard(task)
        self.refill()

    async def close(self) -> None:
        """Ends the slots; each has ended its job before."""
        self._is_closing = True
        for future in self._resting:
            if not future.done():
                future.set_result(None)
        self._resting.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None
        lanes, clock, run, tenure = self._lanes, self._clock, self._run, self._tenure
        self._is_waking = False
        since, jobs = clock.monotonic(), 0
        while not self._is_closing:
            now = clock.monotonic()
            record = lanes.take() if now < tenure.until else None
            if record is None:
                await self._rest()
                since, jobs = clock.monotonic(), 0
                continue
            if lanes.ready:
                self.wake()
            if not await run(record, task):
                break
            jobs += 1
            if now - since > SLICE_SECONDS or jobs >= SLICE_JOBS:
                await clock.sleep(0)
                since, jobs = clock.monotonic(), 0
        self.forget(task)
        self._on_rest()

    async def _rest(self) -> None:
        self._on_rest()
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resting.append(woken)
        try:
            await woken
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._resting.remove(woken)
            raise
        finally:
            self._is_waking = False
