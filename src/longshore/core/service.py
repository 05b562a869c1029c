"""This module is what everything that runs in the background shares: a service with start and stop, the loop that most
of them are, an alarm to wait for, and patience with a store that cannot be used."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import Protocol

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import Bus, Event

log = logging.getLogger("longshore.service")


class Service(Protocol):
    """Something that works in the background of one event loop."""

    async def start(self) -> None:
        """Begins; returns at once."""

    async def stop(self) -> None:
        """Ends after what it is at; returns when it has ended. Again, or before `start`: does nothing."""


class Patience:
    """How long to wait after each of several failures in a row: doubling, and jittered so that many workers that lost
    one store do not all come back in the same instant."""

    def __init__(self, random: Random, *, first_seconds: float = 0.1, last_seconds: float = 10.0) -> None:
        self._random = random
        self._first = first_seconds
        self._last = last_seconds
        self.failures = 0

    def next_seconds(self) -> float:
        """After one more failure."""
        seconds = min(self._last, self._first * 2.0 ** min(self.failures, 20))
        self.failures += 1
        return seconds * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works again."""
        self.failures = 0


class Alarm:
    """Wakes the one task that waits for it: after a time, or when it is rung. Ringing before the wait counts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Ends the wait, or the next one. Only on the event loop of who waits."""
        self._rung = True
        self._end_rest()

    async def wait(self, seconds: float | None = None) -> bool:
        """Whether it was rung; False when the time passed first. None: however long it takes."""
        if not self._rung:
            await self._rest(seconds)
        rung, self._rung = self._rung, False
        return rung

    async def _rest(self, seconds: float | None) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        timer = None if seconds is None else self._clock.call_later(seconds, self._end_rest)
        try:
            await waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    def _end_rest(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Repeating:
    """A service that takes a step again and again. A step says after how many seconds the next one is due."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[float]],
        *,
        clock: Clock,
        random: Random,
        bus: Bus | None = None,
    ) -> None:
        self._name = name
        self._step = step
        self._clock = clock
        self._bus = bus
        self._patience = Patience(random)
        self._alarm = Alarm(clock)
        self._due = 0.0
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The first step is due at once."""
        self._is_stopping = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"longshore {self._name}")

    async def stop(self) -> None:
        """After the step that it is at."""
        self._is_stopping = True
        self._alarm.ring()
        task, self._task = self._task, None
        if task is not None:
            await task

    def hasten(self, seconds: float) -> None:
        """The next step is due in so many seconds at the latest."""
        due = self._clock.monotonic() + seconds
        if due < self._due:
            self._due = due
            self._alarm.ring()

    async def _run(self) -> None:
        while not self._is_stopping:
            self._due = float("inf")  # so that a `hasten` during the step is heard
            seconds = await self._attempt()
            self._due = min(self._due, self._clock.monotonic() + seconds)
            while not self._is_stopping and (left := self._due - self._clock.monotonic()) > 0:
                await self._alarm.wait(left)

    async def _attempt(self) -> float:
        try:
            seconds = await self._step()
        except StoreUnavailable as error:
            if self._patience.failures == 0:
                log.warning("The %s waits for the store: %s", self._name, error)
        except Exception as error:
            log.exception("The %s failed and will try again.", self._name)
            if self._bus is not None and self._bus.wants("error"):
                await self._bus.tell(Event(name="error", error=error, data={"in": self._name}))
        else:
            if self._patience.failures:
                log.info("The %s is back at work.", self._name)
            self._patience.reset()
            return seconds
        return self._patience.next_seconds()
