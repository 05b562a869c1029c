"""This module is the story of the demo: add the jobs, start workers, kill one in the middle, wait until all is over."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec

from longshore.cli.demo.fleet import LEASE_SECONDS, Fleet
from longshore.cli.demo.observing import QUEUE, Holder, Standing, all_jobs, busiest_worker, held_by, standing
from longshore.cli.failures import Failure
from longshore.cli.progress import Progress
from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.manager.manager import QueueManager
from longshore.store.contract import Store

LOOK_EVERY_SECONDS = 0.1
KILL_AFTER_SHARE = 0.35
LONGEST_STANDSTILL_SECONDS = 60.0


class Kill(msgspec.Struct, kw_only=True):
    """A worker that was killed, and what became of the jobs that it held."""

    pid: int
    session: str
    held: tuple[JobId, ...]
    at_seconds: float
    back_after_seconds: float | None = None
    """None: they were not back when the demo ended."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What happened."""

    jobs: list[JobRecord]
    seconds: float
    """From the start of the workers until the last job was over."""
    kill: Kill | None


class Demo:
    """One run of the demo over a store of its own."""

    def __init__(self, url: str, folder: Path, processes: int, progress: Progress) -> None:
        self._url, self._clock, self._progress = url, progress.clock, progress
        self._fleet = Fleet(url, folder, processes)
        self._kill: Kill | None = None
        self._moved = (self._clock.monotonic(), -1)

    async def run(self, paths: Sequence[Path], *, with_kill: bool) -> Story:
        """Does all of it. Raises Failure when the workers end by themselves or nothing moves for a minute."""
        async with QueueManager(self._url) as manager:
            await self._add(manager, paths)
            store = await manager.store()
            started = self._clock.monotonic()
            await self._fleet.start()
            self._progress.say(f"started: {self._fleet.command}")
            try:
                await self._watch(store, len(paths), with_kill=with_kill)
                seconds = self._clock.monotonic() - started
            finally:
                await self._fleet.stop()
            self._progress.say("every job is over, the workers are stopped")
            return Story(jobs=await all_jobs(store), seconds=seconds, kill=self._kill)

    async def _add(self, manager: QueueManager, paths: Sequence[Path]) -> None:
        """Adds by name, without the task's code, as a web application in another language would over HTTP."""
        before = self._clock.monotonic()
        await manager.add_bulk(QUEUE, [{"name": "count-file", "data": {"path": str(path)}} for path in paths])
        took = self._clock.monotonic() - before
        self._progress.say(f"added {len(paths):,} jobs in {took * 1000:,.0f} ms, one for each file")

    async def _watch(self, store: Store, total: int, *, with_kill: bool) -> None:
        """Looks at the store until nothing is waiting or running any more."""
        while True:
            now = await standing(store)
            self._progress.move("jobs over", now.over, total)
            if self._kill is not None and self._kill.back_after_seconds is None:
                await self._see_whether_they_are_back(store, self._kill)
            if now.live == 0:
                return
            if with_kill and self._kill is None and now.over >= KILL_AFTER_SHARE * total:
                await self._kill_the_busiest(store)
            self._fleet.check()
            self._check_that_it_moves(now)
            await self._clock.sleep(LOOK_EVERY_SECONDS)

    async def _kill_the_busiest(self, store: Store) -> None:
        victim = await busiest_worker(store)
        if victim is None:
            return
        os.kill(victim.pid, signal.SIGSTOP)
        held = await held_by(store, victim.session)  # frozen: nothing can change any more
        if not held.jobs:  # it had just settled them all
            os.kill(victim.pid, signal.SIGCONT)
            return
        os.kill(victim.pid, signal.SIGKILL)
        self._kill = Kill(
            pid=victim.pid, session=victim.session, held=held.jobs, at_seconds=self._progress.seconds
        )
        self._progress.say(self._obituary(held), "red")

    def _obituary(self, held: Holder) -> str:
        return f"killed worker {held.pid} (SIGKILL); it held {len(held.jobs)} jobs that are in nobody's hands now"

    async def _see_whether_they_are_back(self, store: Store, kill: Kill) -> None:
        if (await held_by(store, kill.session)).jobs:
            return
        kill.back_after_seconds = self._progress.seconds - kill.at_seconds
        self._progress.say(
            f"all {len(kill.held)} are back in line, {kill.back_after_seconds:.1f} s after the kill (the lease is "
            f"{LEASE_SECONDS:g} s here, 30 s by default)",
            "green",
        )

    def _check_that_it_moves(self, now: Standing) -> None:
        at, over = self._moved
        if now.over != over:
            self._moved = (self._clock.monotonic(), now.over)
        elif self._clock.monotonic() - at > LONGEST_STANDSTILL_SECONDS:
            raise Failure(
                f"Nothing moved for {LONGEST_STANDSTILL_SECONDS:g} s with {now.live} jobs left; "
                f"the workers' log is {self._fleet.log}"
            )
