"""This module is `longshore bench`: a short, honest measurement of this store, here and now."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
import msgspec

from longshore.cli.connection import manager_of
from longshore.cli.options import json_option, run, url_option
from longshore.cli.progress import Progress
from longshore.cli.tables import print_json, print_table
from longshore.core.clock import Clock, SystemClock
from longshore.core.ids import format_id, new_id
from longshore.manager.manager import QueueManager
from longshore.store.commands import SCAN_LIMIT, Delete, JobQuery

PAYLOAD: dict[str, Any] = {"n": 7, "s": "x" * 100}
CALLERS = 100


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    what: str
    jobs: int
    seconds: float
    per_second: float


@click.command()
@click.option(
    "--jobs",
    type=click.IntRange(100, 1_000_000),
    default=20_000,
    metavar="N",
    help="Jobs to drain; 20,000 by default.",
)
@json_option
@url_option
def bench(url: str | None, *, jobs: int, as_json: bool) -> None:
    """Measure this store on this machine.

    Jobs with 120 bytes of data that do nothing, in a queue of their own that is emptied afterwards. Whatever else runs
    here is measured too; benchmarks/ in the source compares with other libraries.
    """
    measured = run(_bench(url, jobs))
    if as_json:
        print_json(measured)
        return
    rows = [[each.what, each.jobs, each.seconds, each.per_second] for each in measured]
    print_table(["WHAT", "JOBS", "SECONDS", "PER SECOND"], rows, empty="")


async def _bench(url: str | None, jobs: int) -> list[Measured]:
    clock = SystemClock()
    async with manager_of(url) as manager:
        bench = Bench(manager, f"longshore-bench-{format_id(new_id())[-12:]}", clock)
        with Progress(sys.stderr, clock) as progress:
            progress.say(f"measuring in queue '{bench.name}'")
            try:
                return await bench.run(jobs, progress)
            finally:
                await bench.clean()


class Bench:
    """The measurements, in one queue of their own."""

    def __init__(self, manager: QueueManager, name: str, clock: Clock) -> None:
        self._manager, self.name, self._clock = manager, name, clock
        self._queue = manager.queue(name)
        self._task = self._queue.task(name="bench-nothing")(nothing)

    async def run(self, jobs: int, progress: Progress) -> list[Measured]:
        """All of them, in an order in which each prepares the next."""
        alone, together = min(jobs // 10, 2000), min(jobs // 2, 10_000)
        measured = [
            await self._measure("enqueue, one after another", alone, self._one_by_one, progress),
            await self._measure(f"enqueue, {CALLERS} callers at once", together, self._together, progress),
            await self._measure("enqueue in bulk", max(jobs - alone - together, 1), self._bulk, progress),
        ]
        waiting = sum(each.jobs for each in measured)
        return [*measured, await self._measure("drain, jobs that do nothing", waiting, self._drain, progress)]

    async def clean(self) -> None:
        """Forgets the jobs."""
        store = await self._manager.store()
        while True:
            (reply,) = await store.change([Delete(where=JobQuery(queues=(self.name,), limit=SCAN_LIMIT))])
            if not reply.more or not reply.ids:
                return

    async def _measure(
        self, what: str, jobs: int, work: Callable[[int], Awaitable[None]], progress: Progress
    ) -> Measured:
        before = self._clock.monotonic()
        await work(jobs)
        seconds = self._clock.monotonic() - before
        progress.say(f"{what}: {jobs:,} jobs in {seconds:.2f} s")
        return Measured(what=what, jobs=jobs, seconds=seconds, per_second=jobs / seconds)

    async def _one_by_one(self, jobs: int) -> None:
        for _ in range(jobs):
            await self._task.enqueue(**PAYLOAD)

    async def _together(self, jobs: int) -> None:
        async def caller() -> None:
            for _ in range(jobs // CALLERS):
                await self._task.enqueue(**PAYLOAD)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    async def _bulk(self, jobs: int) -> None:
        await self._task.enqueue_many([PAYLOAD] * jobs)

    async def _drain(self, _jobs: int) -> None:
        await self._manager.run_worker(
            queues={self.name: None}, concurrency=CALLERS, burst=True, install_signals=False
        )


async def nothing(n: int, s: str) -> None:
    """The job that does nothing."""
