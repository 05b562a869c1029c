"""This module keeps one worker process alive: started again when it crashes, ever later while it keeps crashing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random

from longshore.core.clock import Clock
from longshore.core.service import Alarm, Patience
from longshore.scaling.process import WorkerProcess, manner

log = logging.getLogger("longshore.supervisor")

START_SECONDS = 10.0
"""A process that has lived so long has started, whether or not it said that it is ready."""
STABLE_SECONDS = 60.0
"""A process that has lived so long had nothing to do with the crashes before it."""
FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.5, 10.0
"""At most ten seconds: jobs that take their process down are dead after three crashes, and others wait meanwhile."""

Start = Callable[[str], Awaitable[WorkerProcess]]


class Position:
    """A place that is kept filled until it is told to leave, or until its process finishes by itself.

    `patience_seconds` is what a process gets to drain; then it is killed. `crashed` is told of each crash.
    """

    def __init__(
        self,
        number: int,
        start: Start,
        *,
        patience_seconds: float,
        crashed: Callable[[], None],
        clock: Clock,
        random: Random,
    ) -> None:
        self.name = f"worker-{number}"
        self.process: WorkerProcess | None = None
        self.leaves = False
        self.failed_starts = 0
        """Processes in a row that ended before they were ready to work."""
        self._start, self._crashed, self._clock = start, crashed, clock
        self._patience_seconds = patience_seconds
        self._since = 0.0
        self._alarm = Alarm(clock)
        self._delay = Patience(random, first_seconds=FIRST_DELAY_SECONDS, last_seconds=LAST_DELAY_SECONDS)

    def leave(self) -> None:
        """Drains the process that it has, and starts no other."""
        self.leaves = True
        self._alarm.ring()

    async def keep(self) -> int:
        """Until it has left or finished. The exit code of its last process. Raises OSError when the command cannot be
        run at all."""
        code = 0
        while not self.leaves:
            if self.process is None:
                await self._take(await self._start(self.name))
            code, was_ready = await self._watch()
            if code == 0 or self.leaves:
                break
            await self._rest(code, was_ready=was_ready)
            code = 0  # a crash that was answered
        return code if self.process is None else await self.process.end(self._patience_seconds)

    async def replace(self) -> bool:
        """Starts another process beside the one that it has. Only if it stands, the old one is drained. Whether it
        stands."""
        fresh = await self._start(self.name)
        if not await fresh.stands(START_SECONDS):
            return False
        old, self.process = self.process, None
        await self._take(fresh)
        if old is not None:
            await old.end(self._patience_seconds)
        return True

    async def _take(self, fresh: WorkerProcess) -> None:
        if self.process is None and not self.leaves:
            self.process, self._since = fresh, self._clock.monotonic()
            self._alarm.ring()
        else:  # while it started the position was filled, or closed
            await fresh.end(self._patience_seconds)

    async def _watch(self) -> tuple[int, bool]:
        """Until the process ends, whichever it is by then, or the position leaves. Its exit code, and whether it had
        been ready."""
        while (process := self.process) is not None:
            ended = asyncio.ensure_future(process.ended())
            rung = asyncio.ensure_future(self._alarm.wait())
            await asyncio.wait({ended, rung}, return_when=asyncio.FIRST_COMPLETED)
            rung.cancel()
            await asyncio.wait({rung})  # an alarm has one waiter: this one must be gone before the next
            if self.process is process and (ended.done() or self.leaves):
                self.process = None
                code = ended.result() if ended.done() else await process.end(self._patience_seconds)
                return code, process.is_ready
        return 0, True

    async def _rest(self, code: int, *, was_ready: bool) -> None:
        lived = self._clock.monotonic() - self._since
        if lived >= STABLE_SECONDS:
            self._delay.reset()
        self.failed_starts = 0 if was_ready or lived >= START_SECONDS else self.failed_starts + 1
        self._crashed()
        if not self.leaves:
            seconds = self._delay.next_seconds()
            log.error("%s died (%s); starting another in %.1f s.", self.name, manner(code), seconds)
            await self._alarm.wait(seconds)
