"""Schedules through two managers on every store: one job for each tick."""

import asyncio
from uuid import uuid4

import pytest

from longshore import QueueManager

PLACES = {
    "memory": (1, lambda request: "memory://"),  # a store of its own for each manager
    "sqlite": (3, lambda request: f"sqlite:///{request.getfixturevalue('tmp_path') / 'jobs.db'}"),
    "postgres": (
        3,
        lambda request: f"{request.getfixturevalue('postgres').url}?schema=ticks_{uuid4().hex[:8]}",
    ),
    "redis": (
        3,
        lambda request: f"{request.getfixturevalue('redis_server').url}?prefix=ticks-{uuid4().hex[:8]}",
    ),
}


@pytest.fixture(params=sorted(PLACES))
def place(request):
    count, url = PLACES[request.param]
    return url(request), count


class Shift:
    """Managers with the same code, whose workers run the ticks until four are known to have been."""

    def __init__(self, url, count):
        self.heard = asyncio.Event()
        self.managers = [QueueManager(url, unsafe_store=True, poll=0.5) for _ in range(count)]
        for manager in self.managers:
            manager.task(self.work, name="work", queue="q")
            manager.schedule("* * * * * *", "work", {"kind": "cron"}, queue="q", id="each-second")

    async def work(self, kind: str) -> None:
        """A job may run before its own tick is confirmed, so it is the history that is counted."""
        state = await self.managers[0].schedules.get("each-second")
        if sum(firing.job_id is not None for firing in state.history) >= 4:
            self.heard.set()


async def test_a_schedule_adds_one_job_for_each_tick_on_every_store(place):
    """S3.10: three workers of three processes' worth of managers."""
    shift = Shift(*place)
    first = shift.managers[0]
    try:
        for manager in shift.managers:
            await manager.start_workers()
        await asyncio.wait_for(shift.heard.wait(), 50)
        await first.schedules.pause("each-second")
        state = await first.schedules.get("each-second")
        fired = [firing for firing in state.history if firing.job_id]
        ticks = [firing.tick for firing in fired]
        assert len(set(ticks)) == len(ticks) >= 4
        assert ticks == sorted(ticks, reverse=True)
        jobs = await first.get_jobs(queue="q")
        assert len({job.tick for job in jobs}) == len(jobs) >= len(fired)
        assert (state.is_paused, state.is_orphan, state.next) == (True, False, ())
        made = await first.schedules.run_now("each-second")
        await made.result(timeout=30)
        await first.schedules.delete("each-second")
        assert await first.schedules.list() == []
    finally:
        for manager in shift.managers:
            await manager.shutdown()
