"""This module clears up attempts that completed their job in a transaction of their own (`ctx.complete_in`).

When such an attempt has ended, only the store knows whether its transaction was committed: it is asked. If the job is
completed, so is the attempt. If the job still runs, there was no commit, and the attempt's other verdict is settled.
A transaction that was left open would let that settle wait for its lock, and every verdict behind it; so doubts are
cleared one by one, over a connection of their own.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import JobId, format_id
from longshore.core.job import JobRecord
from longshore.core.service import Alarm, Patience
from longshore.core.states import State
from longshore.engine.herald import News
from longshore.store.commands import SCAN_LIMIT, JobQuery, Note, Settlement
from longshore.store.contract import Store
from longshore.store.replies import Settled

log = logging.getLogger("longshore.worker")


class Doubt(NamedTuple):
    """An attempt that may have completed its job by itself."""

    otherwise: Settlement
    """What is settled if it has not."""
    news: News
    """Of that."""
    if_completed: News
    notes: tuple[Note, ...]
    """What it noted before; in the store if it has completed."""


Tell = Callable[[Settlement, Settled, News], None]


class Doubts:
    """Those of one worker."""

    def __init__(self, store: Store, tell: Tell, *, clock: Clock, random: Random) -> None:
        self._store = store
        self._tell = tell
        self._clock = clock
        self._patience = Patience(random)
        self._open: dict[JobId, Doubt] = {}
        self._alarm = Alarm(clock)
        self._none = asyncio.Event()
        self._none.set()
        self._task: asyncio.Task[None] | None = None
        self._twin: Store | None = None

    def __len__(self) -> int:
        return len(self._open)

    def held(self) -> set[JobId]:
        """The jobs."""
        return set(self._open)

    def take(self, doubt: Doubt) -> None:
        """Clears it up, soon."""
        self._open[doubt.otherwise.id] = doubt
        self._none.clear()
        self._alarm.ring()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._clear_all(), name="longshore doubts")

    async def cleared(self) -> None:
        """Waits until there is none."""
        await self._none.wait()

    async def stop(self) -> None:
        """Ends, whatever is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._twin is not None:
            await self._twin.close()

    async def _clear_all(self) -> None:
        while True:
            await self._alarm.wait()
            while self._open:
                try:
                    await self._clear_some()
                except StoreUnavailable as error:
                    if self._patience.failures == 0:
                        log.warning("Whether %d jobs completed themselves is not known: %s", len(self), error)
                except Exception:
                    log.exception("It cannot be found out whether %d jobs completed themselves.", len(self))
                else:
                    self._patience.reset()
                    continue
                await self._clock.sleep(self._patience.next_seconds())

    async def _clear_some(self) -> None:
        """Asks for all of them at once; what is not completed is settled one by one, the first again after all
        others should it have to wait."""
        found = await self._look(list(self._open)[:SCAN_LIMIT])
        for job_id, record in found.items():
            if not self._ended(job_id, record):
                await self._settle(job_id)

    async def _settle(self, job_id: JobId) -> None:
        doubt = self._open.pop(job_id)
        self._open[job_id] = doubt  # behind the others
        if self._twin is None:
            self._twin = await self._store.twin()
        if doubt.notes:
            await self._twin.change(doubt.notes)
            self._open[job_id] = doubt = doubt._replace(notes=())
        [settled] = await self._twin.settle([doubt.otherwise])
        if settled is Settled.STALE and self._ended(job_id, (await self._look([job_id]))[job_id]):
            return  # it was committed meanwhile
        self._end(job_id, settled, doubt.news)

    def _ended(self, job_id: JobId, record: JobRecord | None) -> bool:
        """Whether the attempt has completed its job. One that is not there any more was forgotten in the step that
        completed it: nothing else forgets a running job."""
        doubt = self._open[job_id]
        if record is not None and (
            record.state is not State.COMPLETED or record.fence != doubt.otherwise.fence
        ):
            return False
        self._end(job_id, Settled.APPLIED, doubt.if_completed)
        return True

    def _end(self, job_id: JobId, settled: Settled, news: News) -> None:
        doubt = self._open.pop(job_id)
        if news is doubt.news and settled is Settled.APPLIED:
            log.info("Job %s completed itself in a transaction that was not committed.", format_id(job_id))
        self._tell(doubt.otherwise, settled, news)
        if not self._open:
            self._none.set()

    async def _look(self, ids: list[JobId]) -> dict[JobId, JobRecord | None]:
        [page] = await self._store.scan([JobQuery(ids=tuple(ids), limit=len(ids))])
        found = {record.id: record for record in page.jobs}
        return {job_id: found.get(job_id) for job_id in ids}
