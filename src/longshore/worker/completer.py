"""This module brings verdicts to the store, many at a time.

A verdict is one append to a list. One task empties the list: as soon as the slots pause for breath, and while a settle
is under way the next list grows, so a slow store gets larger lists and not more calls. A store that cannot be used is
tried again for ever; the verdicts are kept meanwhile, and the fence makes it safe to repeat them. Above the high mark
the fetcher stops claiming, so that what is kept is bounded.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import Event
from longshore.core.ids import JobId, format_id
from longshore.core.service import Alarm, Patience
from longshore.engine.engine import Engine
from longshore.engine.herald import Herald, News
from longshore.store.commands import Note, Settlement
from longshore.store.replies import Settled
from longshore.worker.doubts import Doubts
from longshore.worker.note_buffer import FLUSH_SECONDS, NoteBuffer
from longshore.worker.stats import Stats

log = logging.getLogger("longshore.worker")

BATCH = 1000
"""Verdicts in one settle, at most."""
HIGH_MARK = 10_000
LOW_MARK = 5_000
TRIES_OF_A_BAD_BATCH = 3


class Completer:
    """Takes verdicts and settles them."""

    def __init__(self, engine: Engine, herald: Herald, stats: Stats, *, clock: Clock, random: Random) -> None:
        self.on_room: Callable[[], None] = lambda: None
        """Called when there is room below the low mark again."""
        self.note_buffer = NoteBuffer(self._notes_came, clock)
        self.doubts = Doubts(engine.store, self._cleared, clock=clock, random=random)
        self._engine = engine
        self._herald = herald
        self._stats = stats
        self._clock = clock
        self._patience = Patience(random)
        self._verdicts: list[Settlement] = []
        self._news: list[tuple[int, News]] = []
        self._notes: list[Note] = []
        self._in_flight: list[Settlement] = []
        self._alarm = Alarm(clock)
        self._is_asleep = True
        self._is_full = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._notes_alarm = Alarm(clock)
        self._loop = asyncio.get_running_loop()

    @property
    def unsettled(self) -> int:
        """Verdicts that the store does not have yet."""
        return len(self._verdicts) + len(self._in_flight) + len(self.doubts)

    @property
    def is_full(self) -> bool:
        """Whether claiming should pause."""
        backlog = self.unsettled + self._herald.backlog
        self._is_full = backlog > (LOW_MARK if self._is_full else HIGH_MARK)
        return self._is_full

    def submit(self, settlement: Settlement, news: News | None = None) -> None:
        """Takes a verdict; `news` is told when the store has applied it."""
        if news is not None:
            self._news.append((len(self._verdicts), news))
        self._verdicts.append(settlement)
        if self._is_asleep:
            self._is_asleep = False
            self._idle.clear()
            self._alarm.ring()

    def held(self) -> set[JobId]:
        """The jobs whose verdicts the store does not have yet, or may not have."""
        return {settlement.id for settlement in (*self._in_flight, *self._verdicts)} | self.doubts.held()

    async def start(self) -> None:
        """Begins to settle."""
        self._tasks = [
            self._loop.create_task(self._settle_all(), name="longshore completer"),
            self._loop.create_task(self._store_notes(), name="longshore notes"),
        ]

    async def stop(self) -> None:
        """Ends, whatever is left; ask `settled` first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.doubts.stop()

    async def settled(self) -> None:
        """Waits until the store has every verdict."""
        await self._idle.wait()
        await self.doubts.cleared()

    async def _settle_all(self) -> None:
        while True:
            if not self._verdicts:
                self._is_asleep = True
                self._idle.set()
                await self._alarm.wait()
            await self._clock.sleep(0)  # the slots that are about to end a job end it first
            await self._settle_some()
            if self._is_full and not self.is_full:
                self.on_room()

    async def _settle_some(self) -> None:
        verdicts, news = self._take()
        self._in_flight = verdicts
        replies = await self._insist(verdicts)
        self._in_flight = []
        stale = replies.count(Settled.STALE)
        self._stats.settled += len(replies) - stale
        if stale:
            self._report_stale(verdicts, replies)
        for place, item in news:
            if replies[place] is Settled.APPLIED:
                self._report(item)

    def _take(self) -> tuple[list[Settlement], list[tuple[int, News]]]:
        verdicts, news = self._verdicts, self._news
        if len(verdicts) <= BATCH:
            self._verdicts, self._news = [], []
            return verdicts, news
        self._verdicts = verdicts[BATCH:]
        self._news = [(place - BATCH, item) for place, item in news if place >= BATCH]
        return verdicts[:BATCH], [(place, item) for place, item in news if place < BATCH]

    async def _insist(self, verdicts: list[Settlement]) -> list[Settled]:
        bad = 0
        while True:
            try:
                await self._flush_notes()
                replies = await self._engine.settle(verdicts)
            except StoreUnavailable as error:
                if self._patience.failures == 0:
                    log.warning("%d verdicts are kept until the store can be used: %s", len(verdicts), error)
            except Exception as error:
                log.exception("The store refused %d verdicts.", len(verdicts))
                self._complain(error)
                bad += 1
                if bad >= TRIES_OF_A_BAD_BATCH:
                    return await self._one_by_one(verdicts)
            else:
                if self._patience.failures:
                    log.info("Settling goes on; %d verdicts that were kept are stored.", len(verdicts))
                self._patience.reset()
                return replies
            await self._clock.sleep(self._patience.next_seconds())

    async def _one_by_one(self, verdicts: Sequence[Settlement]) -> list[Settled]:
        """One verdict that the store chokes on must not keep all others from it."""
        replies = []
        for verdict in verdicts:
            try:
                replies += await self._engine.settle([verdict])
            except Exception as error:
                log.exception("Job %s keeps its claim: its verdict was refused.", format_id(verdict.id))
                self._complain(error)
                replies.append(Settled.STALE)
        self._patience.reset()
        return replies

    def _report(self, news: News) -> None:
        verdict = news.verdict
        if verdict.delay_ms:
            self._engine.expect(verdict.delay_ms / 1000)
        elif verdict.run_ms is not None:
            self._engine.expect(max(0, verdict.run_ms - self._clock.now_ms()) / 1000)
        self._herald.post_news(news, self._clock.now_ms())

    def _cleared(self, settlement: Settlement, settled: Settled, news: News) -> None:
        """An attempt's own completion is not in doubt any more."""
        if settled is Settled.STALE:
            self._report_stale([settlement], [settled])
        else:
            self._stats.settled += 1
            self._report(news)

    def _report_stale(self, verdicts: Sequence[Settlement], replies: Sequence[Settled]) -> None:
        for settlement, reply in zip(verdicts, replies, strict=True):
            if reply is Settled.STALE:
                self._stats.stale += 1
                job_id = format_id(settlement.id)
                log.warning(
                    "Job %s was somebody else's by the time it ended here; nothing was stored.", job_id
                )
                if self._herald.wants("stale"):
                    data = {"id": job_id, "state": settlement.verdict.state.value}
                    self._herald.post(Event(name="stale", queue=settlement.queue, data=data))

    def _complain(self, error: Exception) -> None:
        if self._herald.wants("error"):
            self._herald.post(Event(name="error", error=error, data={"in": "completer"}))

    # ------------------------------------------------------------------------------------- progress and logs

    def _notes_came(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._notes_alarm.ring)
        except RuntimeError:
            log.debug("A job noted something after the worker's event loop was closed.")

    async def _store_notes(self) -> None:
        while True:
            await self._notes_alarm.wait()
            await self._clock.sleep(FLUSH_SECONDS)
            try:
                await self._flush_notes()
            except Exception as error:  # noqa: BLE001 - they are kept, and go with the next flush
                log.warning("Progress and log lines wait for the store: %s", error)

    async def _flush_notes(self) -> None:
        if self.note_buffer.is_dirty:
            self._notes += self.note_buffer.take_all()
        if self._notes:
            notes, self._notes = self._notes, []
            try:
                await self._engine.store.change(notes)
            except BaseException:
                self._notes = notes + self._notes
                raise
