"""This module is the only place that reads clocks, sleeps or draws random numbers.

Everything else is handed a `Clock` and a `random.Random`, so that a test can live through a day in a second.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> object:
        """It comes no more. Again, or when it has come: does nothing."""


class Clock(Protocol):
    """What time it is, and waiting."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC: for what is stored. May jump when the machine's clock is set."""

    def monotonic(self) -> float:
        """Seconds that never go back: for durations."""

    async def sleep(self, seconds: float) -> None:
        """Waits; 0 lets others run."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls back in the running event loop: a tenth of what a task that sleeps costs."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)


class ManualClock:
    """A clock that stands still until `advance`; sleepers wake in the order of their times, in whatever thread's event
    loop they sleep."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic = 0.0
        self._lock = threading.Lock()
        self._sleepers: list[tuple[float, asyncio.Future[None], int]] = []

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
        else:
            await self._awakening(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        if seconds <= 0:
            return asyncio.get_running_loop().call_soon(callback)
        woken = self._awakening(seconds)
        woken.add_done_callback(lambda woken: None if woken.cancelled() else callback())
        return woken

    def _awakening(self, seconds: float) -> "asyncio.Future[None]":
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._sleepers.append((self._monotonic + seconds, woken, threading.get_ident()))
        return woken

    def advance(self, seconds: float) -> None:
        """Moves time on and wakes whoever slept until then."""
        with self._lock:
            self._now_ms += round(seconds * 1000)
            self._monotonic += seconds
            sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]
            self._sleepers = [sleeper for sleeper in sleepers if sleeper[0] > self._monotonic]
        due = [sleeper for sleeper in sleepers if sleeper[0] <= self._monotonic]
        for _, woken, thread in sorted(due, key=lambda sleeper: sleeper[0]):
            if thread == threading.get_ident():
                _wake(woken)
            elif not woken.get_loop().is_closed():
                woken.get_loop().call_soon_threadsafe(_wake, woken)


def _wake(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)


def system_random() -> random.Random:
    """A source of randomness seeded by the operating system."""
    return random.Random()  # noqa: S311 - jitter, not secrets
