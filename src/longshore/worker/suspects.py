"""This module lets one suspect run at a time: a job that was in two workers that died.

When a worker dies with ten jobs, nobody knows which of them killed it. Were they always to run together, the same ten
would crash together three times and nine innocents be buried. So after the second crash they wait here and run one by
one, beside jobs that are no suspects. Before one begins, its name is written beside the session: a rescuer charges
the named one with the next crash, and hands back those that were only waiting (ADR 0003).
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
from longshore.engine.policy import SUSPECT_CRASHES
from longshore.store.commands import SUSPECT, Put
from longshore.worker.lanes import Lanes

log = logging.getLogger("longshore.worker")

PATIENCE_SECONDS = 1.0
"""How long others wait for a suspect that runs. Most jobs are short; behind a long one they go back to the store."""
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
        self._alarm = Alarm(clock)
        self._patience = Patience(random)
        self.on_free: Callable[[], None] = lambda: None
        """Called when the turn is free again."""
        self._inside: JobRecord | None = None
        self._is_taken = False
        """A batch has the turn, or the next suspect is being named."""
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
        self._alarm.ring()

    def leave(self) -> None:
        """It has ended."""
        self._is_taken = False
        self._free()

    def _free(self) -> None:
        self._is_long = False
        self._alarm.ring()
        self.on_free()

    async def _run(self) -> None:
        while True:
            if self.is_free and self._lanes.aside:
                await self._let_in(next(iter(self._lanes.aside.values())))
            elif self.is_free or self._is_long:
                await self._alarm.wait()
            elif not await self._alarm.wait(PATIENCE_SECONDS):
                self._lose_patience()

    async def _let_in(self, record: JobRecord) -> None:
        self._is_taken = True
        try:
            await self._name(record)
        except StoreUnavailable as error:
            if self._patience.failures == 0:
                log.warning("A job that may be poison waits for the store: %s", error)
            await self._alarm.wait(self._patience.next_seconds())
            return
        finally:
            self._is_taken = False
        self._patience.reset()
        if self._lanes.take_aside(record):  # otherwise it was withdrawn meanwhile
            self._inside = record
            self._lanes.offer(record.queue, [record])
            self._wake()

    async def _name(self, record: JobRecord) -> None:
        name = Put(kind=SUSPECT, key=record.session or "", value=record.id, ttl_ms=NAMED_MS)
        await self._engine.store.put([name])

    def _lose_patience(self) -> None:
        self._is_long = not self.is_free
        if self._is_long:
            for record in list(self._lanes.aside.values()):
                self._lanes.take_aside(record)
                self._give([record], handed_back(record))


def handed_back(record: JobRecord) -> Verdict:
    """For a suspect behind a long one: another worker gets it, or this one later; the delay doubles each time."""
    return released(min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** min(record.releases, 10)))
