"""This module tells the application what became of jobs: events on the bus, and the `on_complete` and `on_failure` of
handlers. In order, after the store has it, and never in the way of a job: one task tells, from a list."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from longshore.core.events import Bus, Event, call_hook
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.core.verdict import Charge, Verdict

MakeJob = Callable[[JobRecord], object]
"""How the job that hooks see is made; `manager/assembly.py` hands it in."""


class Hooks(Protocol):
    """What a task or handler wants called when its job is over."""

    @property
    def on_complete(self) -> Callable[..., Any] | None:
        """Called as (job)."""

    @property
    def on_failure(self) -> Callable[..., Any] | None:
        """Called as (job, error)."""


class News(msgspec.Struct):
    """How an attempt ended."""

    record: JobRecord
    """As it was claimed; `settled` brings it up to date."""
    verdict: Verdict
    hooks: Hooks | None = None
    error: BaseException | None = None

    def settled(self, now_ms: int) -> JobRecord:
        """The job as the store has it now, as far as the worker knows."""
        record, verdict = self.record, self.verdict
        record.state = verdict.state
        record.failures += verdict.charge is Charge.FAILURE
        record.crashes += verdict.charge is Charge.CRASH
        record.releases += verdict.charge is Charge.RELEASE
        record.finished_ms = now_ms if verdict.state.is_terminal else None
        return record

    def names(self) -> tuple[str, ...]:
        """The events to tell, in order."""
        crash = ("crashed",) if self.verdict.charge is Charge.CRASH else ()
        return crash + _NAMES.get((self.verdict.state, self.verdict.charge), ())


_NAMES: dict[tuple[State, Charge], tuple[str, ...]] = {
    (State.COMPLETED, Charge.NOTHING): ("completed",),
    (State.CANCELLED, Charge.NOTHING): ("cancelled",),
    (State.FAILED, Charge.FAILURE): ("failed", "dead_letter"),
    (State.FAILED, Charge.CRASH): ("failed", "dead_letter"),
    (State.RETRYING, Charge.FAILURE): ("retrying",),
    (State.PENDING, Charge.RELEASE): ("released",),
    (State.SCHEDULED, Charge.RELEASE): ("released",),
}


class Herald:
    """Tells in the background."""

    def __init__(self, bus: Bus, make_job: MakeJob) -> None:
        self._bus = bus
        self._make_job = make_job
        self._untold: deque[News | Event] = deque()
        self._telling: asyncio.Task[None] | None = None

    @property
    def backlog(self) -> int:
        """How much is not told yet."""
        return len(self._untold)

    def wants(self, name: str) -> bool:
        """Whether anybody listens."""
        return self._bus.wants(name)

    def post(self, news: News | Event) -> None:
        """Tells it after what was posted before."""
        self._untold.append(news)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell_all(), name="longshore herald")

    def post_news(self, news: News, now_ms: int) -> None:
        """Tells how an attempt ended, if anybody wants to know."""
        hooks = news.hooks
        if (hooks is not None and (hooks.on_complete or hooks.on_failure)) or any(
            self._bus.wants(name) for name in news.names()
        ):
            news.settled(now_ms)
            self.post(news)

    def post_about(self, name: str, record: JobRecord, error: BaseException | None = None) -> None:
        """An event about one job, if anybody listens."""
        if self._bus.wants(name):
            self.post(Event(name=name, queue=record.queue, job=self._make_job(record), error=error))

    async def flush(self) -> None:
        """Waits until everything is told."""
        while self._telling is not None:
            await self._telling

    async def _tell_all(self) -> None:
        try:
            while self._untold:
                news = self._untold.popleft()
                if isinstance(news, Event):
                    await self._bus.tell(news)
                else:
                    await self._tell(news)
        finally:
            self._telling = None

    async def _tell(self, news: News) -> None:
        job = self._make_job(news.record)
        for name in news.names():
            if self._bus.wants(name):
                await self._bus.tell(Event(name=name, queue=news.record.queue, job=job, error=news.error))
        hooks, state = news.hooks, news.verdict.state
        if hooks is None:
            return
        if state is State.COMPLETED and hooks.on_complete is not None:
            await call_hook("A handler's on_complete", hooks.on_complete, job)
        elif state is State.FAILED and hooks.on_failure is not None:
            await call_hook("A handler's on_failure", hooks.on_failure, job, news.error)
