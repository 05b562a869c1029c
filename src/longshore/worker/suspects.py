"""This module lets one suspect run at a time, and alone: a job that was in two workers that died.

When a worker dies with ten jobs, nobody knows which of them killed it. Were they always to run together, the same ten
would crash together three times and nine innocents be buried. So after the second crash they wait here and run one by
one. Before one begins, the jobs that run may end, and others wait; its name is written beside the session: a rescuer
charges the named one with the next crash, and hands back those that were only waiting. When it has run for a while it
gets company (ADR 0003).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from random import Random

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.job import JobRecord
from longshore.core.service import Alarm, Patience
from longshore.core.verdict import Verdict, released
from longshore.engine.engine import Engine
from longshore.engine.suspicion import SUSPECT_CRASHES, Suspicion, write
from longshore.store.commands import SUSPECT, Put
from longshore.worker.lanes import Lanes

log = logging.getLogger("longshore.worker")

PATIENCE_SECONDS = 1.0
"""How long others wait for a suspect that runs, and a suspect for those that run. Most jobs are short; behind a long
one they go back to the store."""
LONELY_RETURNS = 4
"""How often a suspect goes back before it begins in company: some workers are never empty."""
NAMED_MS = 86_400_000
"""How long a name outlives its worker, at most."""
FIRST_DELAY_MS = 500
LAST_DELAY_MS = 30_000
MOST_WAITING = 200


class Suspects:
    """The suspects of one worker: a service that lets them into the lanes one by one."""

    def __init__(
        self,
        engine: Engine,
        lanes: Lanes,
        *,
        give: Callable[[Iterable[JobRecord], Verdict], None],
        wake: Callable[[], None],
        clock: Clock,
        random: Random,
    ) -> None:
        """`give` hands jobs back; `wake` tells the slots that a lane has a job."""
        self._engine = engine
        self._lanes = lanes
        self._give = give
        self._wake = wake
        self._clock = clock
        self._alarm = Alarm(clock)
        lanes.on_empty = self._alarm.ring
        self._patience = Patience(random)
        self.on_free: Callable[[], None] = lambda: None
        """Called when the turn is free again."""
        self._inside: JobRecord | None = None
        self._is_taken = False
        """A batch has the turn, or the next suspect is about to get it."""
        self._is_alone = False
        """No other job has begun since the suspect that runs did."""
        self._is_long = False
        """The suspect that runs has used up the others' patience."""
        self._letting_in: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to let suspects in."""
        self._letting_in = asyncio.get_running_loop().create_task(self._run(), name="longshore suspects")

    async def stop(self) -> None:
        """Lets no more in."""
        if self._letting_in is not None:
            self._letting_in.cancel()
            await asyncio.gather(self._letting_in, return_exceptions=True)

    def sift(self, records: list[JobRecord]) -> list[JobRecord]:
        """The claimed jobs that are no suspects; those wait here, or go back when they would have to wait for long."""
        suspects = [record for record in records if record.crashes >= SUSPECT_CRASHES]
        if not suspects:
            return records
        for record in suspects:
            if self._is_long or len(self._lanes.aside) >= MOST_WAITING:
                self._give([record], handed_back(record))
            else:
                self._lanes.put_aside(record)
        self._alarm.ring()
        return [record for record in records if record.crashes < SUSPECT_CRASHES]

    def left(self, record: JobRecord) -> None:
        """This job is not in the worker any more."""
        if self._inside is not None and record.id == self._inside.id:
            self._inside = None
            self._free()

    @property
    def is_free(self) -> bool:
        """Whether nobody has the turn."""
        return self._inside is None and not self._is_taken

    def enter(self) -> None:
        """A batch takes the turn whose jobs were in a batch that crashed: it is a suspect like any other."""
        self._is_taken = True
        self._open()
        self._alarm.ring()

    def leave(self) -> None:
        """It has ended."""
        self._is_taken = False
        self._free()

    def _free(self) -> None:
        self._is_long = False
        if not self._lanes.aside:
            self._open()
        self._alarm.ring()
        self.on_free()

    def _open(self) -> None:
        self._is_alone = False
        if self._lanes.is_shut:
            self._lanes.open()
            self._wake()

    async def _run(self) -> None:
        while True:
            if self.is_free and self._lanes.aside:
                await self._let_in(next(iter(self._lanes.aside.values())))
            elif self.is_free or self._is_long:
                self._open()
                await self._alarm.wait()
            elif not await self._alarm.wait(PATIENCE_SECONDS):
                await self._lose_patience()

    async def _let_in(self, record: JobRecord) -> None:
        self._is_taken = True
        try:
            is_alone = await self._empty_lanes()
            if not is_alone and self._give_way(record):
                return
            await self._name(record, is_alone=is_alone)
        except StoreUnavailable as error:
            self._open()
            if self._patience.failures == 0:
                log.warning("A job that may be poison waits for the store: %s", error)
            await self._alarm.wait(self._patience.next_seconds())
            return
        finally:
            self._is_taken = False
        self._patience.reset()
        if self._lanes.take_aside(record):  # otherwise it was withdrawn meanwhile
            self._begin(record, is_alone=is_alone)

    async def _empty_lanes(self) -> bool:
        """Whether all that ran has ended in time; until somebody opens them, nothing else begins."""
        self._lanes.shut()
        until = self._clock.monotonic() + PATIENCE_SECONDS
        while self._lanes.running:
            seconds = until - self._clock.monotonic()
            if seconds <= 0 or not await self._alarm.wait(seconds):
                return False
        return True

    def _give_way(self, record: JobRecord) -> bool:
        """Behind long jobs suspects go back, this one too unless it has done so too often."""
        for waiting in list(self._lanes.aside.values()):
            if waiting.releases < LONELY_RETURNS:
                self._send_back(waiting)
        self._open()
        return record.id not in self._lanes.aside

    def _begin(self, record: JobRecord, *, is_alone: bool) -> None:
        self._inside, self._is_alone = record, is_alone
        if is_alone:
            self._lanes.let_in(record)
        else:
            self._lanes.open()
            self._lanes.offer(record.queue, [record])
        self._wake()

    async def _name(self, record: JobRecord, *, is_alone: bool) -> None:
        value = write(Suspicion(record.id, is_alone))
        name = Put(kind=SUSPECT, key=record.session or "", value=value, ttl_ms=NAMED_MS)
        await self._engine.store.put([name])

    async def _lose_patience(self) -> None:
        """The suspect that runs gets company, and those that wait for it go back."""
        inside = self._inside
        if inside is not None and self._is_alone:
            try:
                await self._name(inside, is_alone=False)
            except StoreUnavailable:
                return  # it stays alone: the next look is as long from now
        self._is_long = not self.is_free
        if self._is_long:
            self._open()
            for record in list(self._lanes.aside.values()):
                self._send_back(record)

    def _send_back(self, record: JobRecord) -> None:
        if self._lanes.take_aside(record):
            self._give([record], handed_back(record))


def handed_back(record: JobRecord) -> Verdict:
    """For a suspect behind a long one: another worker gets it, or this one later; the delay doubles each time."""
    return released(min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** min(record.releases, 10)))
