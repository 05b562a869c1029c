"""This module is the worker: it opens a session, lets the parts of the pipeline work, and ends them in the right order.

            wake-ups, due times, polls                       verdicts; a full list stops claiming
                 │                                                     ▲
   store ──► Fetcher ──(lanes)──► Slots ──► Executor ──────────────┤
                 ▲                                                     ▼
                 └──────────────── a stock gets low ◄──────────── Completer ──(lists)──► store
   Heartbeat (own thread, own connection): extends the session; brings cancellations

A drain stops claiming at once, lets what runs end within the grace time while the heartbeat goes on, hands the rest
back with no attempt burned, and then ends the session.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import Bus, Event
from longshore.core.service import Alarm, Patience, Service
from longshore.engine.engine import Engine
from longshore.engine.herald import MakeJob
from longshore.flow.parking import Parking
from longshore.store.commands import Lease
from longshore.store.contract import Store
from longshore.worker.attempt import Stop
from longshore.worker.control import MakeContext
from longshore.worker.middleware import Middleware
from longshore.worker.options import WorkerOptions
from longshore.worker.parts import Gear, Parts, WorkerCallbacks
from longshore.worker.registry import Registry
from longshore.worker.runners.importing import end_if_importing
from longshore.worker.stats import Stats
from longshore.worker.tenure import Tenure

log = logging.getLogger("longshore.worker")

STOP_SECONDS = 1.0
"""How long jobs that were told to stop may take to end, before they are handed back as they are; and then the store, to
take what is handed back. With what closing takes, a process has ended two seconds after its grace time."""


class Worker:
    """Runs the jobs of some queues until it is told to stop. Runs once."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        options: WorkerOptions,
        *,
        bus: Bus,
        clock: Clock,
        random: Random,
        make_context: MakeContext,
        make_job: MakeJob,
        middleware: Sequence[Middleware] = (),
        heartbeat_store: Store | None = None,
        parking: Parking | None = None,
        upkeep: Sequence[Service] = (),
    ) -> None:
        self.stats = Stats()
        self._tenure = Tenure()
        self._gear = Gear(
            engine=engine,
            registry=registry,
            options=options,
            bus=bus,
            clock=clock,
            random=random,
            make_context=make_context,
            make_job=make_job,
            middleware=middleware,
            heartbeat_store=heartbeat_store or engine.store,
            parking=parking or Parking(clock),
        )
        self._engine, self._options, self._bus = engine, options, bus
        self._clock, self._random = clock, random
        self._upkeep = upkeep
        self._attention = Alarm(clock)
        self._parts: Parts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deadlines: asyncio.Task[None] | None = None
        self._wants_drain = False
        self._wants_stop = False
        self._is_lost = False
        self._claimed_before: int | None = None

    @property
    def session(self) -> str:
        """Its name in the store, as `job.worker` shows it; another one after a session was lost."""
        return self._tenure.session

    @property
    def running(self) -> int:
        """Jobs that are running now."""
        return len(self._parts.executor.running) if self._parts is not None else 0

    def drain(self) -> None:
        """Stop claiming, finish within the grace time, hand the rest back, end. Callable from any thread, from a
        signal handler, and before `run`; returns at once."""
        self._wants_drain = True
        self._call(self._attention.ring)

    def stop(self) -> None:
        """End now: everything that runs is cancelled and handed back. Callable like `drain`, and after it."""
        self._wants_stop = True
        self._call(self._attention.ring)

    def beat_now(self) -> None:
        """Looks at once whether anybody wants a job of this worker cancelled."""
        if self._parts is not None:
            self._parts.heartbeat.beat_now()

    async def run(self) -> None:
        """Works until drained or stopped; in burst mode until nothing is left to do now."""
        end_if_importing()
        self._loop = asyncio.get_running_loop()
        callbacks = WorkerCallbacks(
            rested=self._rested, doubt=self._doubt, lost=self._lose, trusted=self._trust
        )
        parts = self._parts = Parts(self._gear, self._tenure, self.stats, callbacks)
        try:
            if await self._open_session():
                await self._start(parts)
                await self._work(parts)
            await self._finish(parts)
        except asyncio.CancelledError:
            self._wants_stop = True
            await self._finish(parts)
            raise
        finally:
            await self._close(parts)

    # ------------------------------------------------------------------------------------------------ beginning

    async def _open_session(self) -> bool:
        """Whether the session was opened before somebody wanted the worker to end."""
        session = self._tenure.begin()
        patience = Patience(self._random)
        while not self._is_ending():
            asked_at = self._clock.monotonic()
            try:
                await self._engine.extend([self._lease(session, opens=True)])
            except StoreUnavailable as error:
                if patience.failures == 0:
                    log.warning("The worker waits for the store: %s", error)
                await self._attention.wait(patience.next_seconds())
            else:
                self._tenure.prolong(session, asked_at + self._options.lease_seconds)
                return True
        return False

    async def _start(self, parts: Parts) -> None:
        self._deadlines = asyncio.ensure_future(parts.deadlines.run())
        services: list[Service] = [parts.completer, parts.heartbeat, parts.suspects, parts.batches]
        for service in (
            *services,
            *self._upkeep,
            parts.fetcher,
        ):  # what a claim depends on is known before it
            await service.start()
        await self._tell("worker_started")

    # -------------------------------------------------------------------------------------------------- working

    async def _work(self, parts: Parts) -> None:
        while not self._is_ending():
            await self._attention.wait()
            if self._is_lost:
                await self._begin_again(parts)
            if self._options.burst and await self._is_exhausted(parts):
                return

    def _rested(self) -> None:
        parts = self._parts
        if parts is not None and not parts.lanes.is_dry():
            parts.fetcher.nudge()
        if self._options.burst or self._is_ending():
            self._attention.ring()  # somebody waits for the last job to end

    def _trust(self) -> None:
        if self._parts is not None:
            self._parts.slots.wake()
            self._parts.fetcher.nudge()

    def _doubt(self, session: str) -> None:
        """The heartbeat asks whether a claim was told the last word."""
        if self._parts is not None and session == self._tenure.session:
            self._tenure.until = 0.0
            self._parts.heartbeat.beat_now()

    def _lose(self, session: str) -> None:
        """Whatever the session still runs may already run elsewhere, so all of it is stopped."""
        parts = self._parts
        if parts is None or session != self._tenure.session or self._is_lost:
            return
        log.error("Session %s is lost; its jobs are stopped here and run elsewhere.", session)
        self.stats.sessions_lost += 1
        self._tenure.until = 0.0
        self._is_lost = True
        parts.handback.give(parts.withdraw())  # applied as long as nobody has rescued them
        parts.stopping.stop_all(Stop.LOST)
        self._attention.ring()

    async def _begin_again(self, parts: Parts) -> None:
        self._is_lost = not await self._open_session()
        parts.fetcher.look_everywhere()

    async def _is_exhausted(self, parts: Parts) -> bool:
        """Whether nothing is left to do now. Said only after a second look everywhere, with all verdicts settled
        before it: what they brought back, or freed, must be seen."""
        if parts.lanes.running or parts.lanes.waiting or parts.lanes.aside or not parts.lanes.is_dry():
            return False
        if parts.batches.flush():
            return False
        await parts.completer.settled()
        await parts.herald.flush()
        try:
            promoted = await self._engine.promote(1000)
        except StoreUnavailable:
            return False
        if promoted.count == 0 and self._claimed_before == self.stats.claimed:
            return True
        self._claimed_before = self.stats.claimed
        parts.fetcher.look_everywhere()
        return False

    # --------------------------------------------------------------------------------------------------- ending

    async def _finish(self, parts: Parts) -> None:
        """The drain: the first half takes at most the grace time, the second a few seconds."""
        give_up_at = self._clock.monotonic() + self._options.grace_seconds
        await self._within(self._options.grace_seconds, parts.fetcher.stop())
        await parts.suspects.stop()
        await parts.batches.stop()
        parts.handback.give(parts.withdraw())
        await self._quiet(parts, give_up_at, until_stop=True)
        parts.stopping.stop_all(Stop.RELEASE)
        await self._quiet(parts, self._clock.monotonic() + STOP_SECONDS, until_stop=False)
        parts.stopping.abandon_all()
        left = max(STOP_SECONDS, give_up_at - self._clock.monotonic())
        await self._within(left, parts.completer.settled())
        await self._within(left, parts.herald.flush())

    async def _quiet(self, parts: Parts, give_up_at: float, *, until_stop: bool) -> None:
        """Until nothing runs, or the time is over, or somebody wants it to end at once."""
        while parts.executor.running and not (until_stop and self._wants_stop):
            left = give_up_at - self._clock.monotonic()
            if left <= 0:
                return
            await self._attention.wait(left)

    async def _close(self, parts: Parts) -> None:
        """Each part ends, whatever happens to the others; the heartbeat is the last, and then the session."""
        closing = [service.stop for service in self._upkeep]
        closing += [parts.slots.close, parts.ledger.stop, parts.completer.stop, parts.outside.close]
        closing += [parts.heartbeat.stop]
        if self._deadlines is not None:
            self._deadlines.cancel()
        for close in closing:
            try:
                await close()
            except Exception:
                log.exception("A part of the worker did not end well.")
        await self._end_session()
        await self._tell("worker_stopped")

    async def _end_session(self) -> None:
        """What it may still hold is free at once for others to rescue, and not only when the lease is over."""
        if not self._tenure.until:
            return
        try:
            await self._engine.extend([self._lease(self._tenure.session, ends=True)])
        except StoreUnavailable as error:
            log.warning("The session ends with its lease, not now: %s", error)

    # ---------------------------------------------------------------------------------------------- small things

    def _is_ending(self) -> bool:
        return self._wants_drain or self._wants_stop

    def _lease(self, session: str, *, opens: bool = False, ends: bool = False) -> Lease:
        lease_ms = 0 if ends else round(self._options.lease_seconds * 1000)
        return Lease(session=session, lease_ms=lease_ms, queues=tuple(self._options.queues), opens=opens)

    async def _within(self, seconds: float, what: Coroutine[Any, Any, None]) -> None:
        """Awaits it, but no longer than this."""
        task, timer = asyncio.ensure_future(what), asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        for pending in (task, timer):
            pending.cancel()
        await asyncio.gather(task, timer, return_exceptions=True)

    async def _tell(self, name: str) -> None:
        if self._bus.wants(name):
            await self._bus.tell(
                Event(name=name, data={"session": self.session, "queues": tuple(self._options.queues)})
            )

    def _call(self, function: Callable[[], None]) -> None:
        """Calls it on the worker's event loop; before `run` nobody waits for it."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(function)
            except RuntimeError:
                log.debug("The worker's event loop has ended already.")
