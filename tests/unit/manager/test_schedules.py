"""Schedules through the manager, in manual time over the memory store."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from longshore import (
    InvalidOption,
    JobContext,
    QueueManager,
    Schedule,
    UnknownOption,
    UsageError,
)
from longshore.core.clock import ManualClock
from longshore.core.errors import InvalidName
from longshore.core.schedule_errors import ScheduleExists, UnknownSchedule
from longshore.cron.schedule_records import ScheduleRecords

NOON = round(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
async def manager():
    async with QueueManager("memory://", clock=ManualClock(NOON), random=Random(1)) as opened:
        yield opened


async def settle(manager, seconds=0.0):
    """Lets time pass, and everybody act on it."""
    steps = max(round(seconds / 5), 4)
    for _ in range(steps):
        manager.runtime.clock.advance(seconds / steps)
        for _ in range(30):
            await asyncio.sleep(0)


async def until(manager, is_so):
    """Lets a little time pass, as often as it takes."""
    while not is_so():
        manager.runtime.clock.advance(0.001)
        await asyncio.sleep(0)


async def test_a_task_with_a_schedule_runs_by_itself(manager):
    """S3.10"""
    ran = []

    @manager.queue("night").task(schedule=Schedule("*/5 * * * *", overlap="skip"))
    async def clean(ctx: JobContext, depth: int = 3) -> None:
        ran.append((ctx.job.schedule_id, ctx.job.tick, depth))

    await manager.start_workers()
    await settle(manager, 5 * 60)
    await until(manager, lambda: len(ran) == 1)
    await settle(manager, 6 * 60)
    await until(manager, lambda: len(ran) == 2)
    ticks = [datetime(2026, 6, 1, 12, minute, tzinfo=UTC) for minute in (5, 10)]
    assert ran == [("night:clean", tick, 3) for tick in ticks]
    [state] = await manager.schedules.list()
    assert (state.id, state.when, state.queue, state.name) == ("night:clean", "*/5 * * * *", "night", "clean")
    assert (state.is_in_code, state.is_orphan, state.is_paused) == (True, False, False)
    assert [tick.minute for tick in state.next] == [15, 20, 25]
    assert [firing.tick for firing in state.history] == ticks[::-1]
    job = await manager.get_job(state.last_job_id)
    await job.result()
    assert "Schedule 'night:clean' added it for 2026-06-01 12:10:00 UTC" in await job.explain()


async def test_schedules_are_made_changed_paused_resumed_run_and_deleted(manager):
    """S3.10, B.13"""
    ran = []

    @manager.task(queue="mail")
    async def report(kind: str) -> None:
        ran.append(kind)

    await manager.start_workers()
    made = await manager.schedules.create("@hourly", report, "short", id="hourly", tz="Europe/Berlin")
    assert made.data == {"kind": "short"}
    assert [tick.hour for tick in made.next] == [15, 16, 17]
    await settle(manager, 3600)
    await until(manager, lambda: ran == ["short"])
    await manager.schedules.pause("hourly")
    await settle(manager, 2 * 3600)
    assert (await manager.schedules.get("hourly")).next == ()
    job = await manager.schedules.run_now("hourly")
    await until(manager, lambda: ran == ["short"] * 2)
    assert job.schedule_id == "hourly"
    await manager.schedules.resume("hourly")
    await manager.schedules.change("hourly", when=timedelta(minutes=10), data={"kind": "long"})
    await settle(manager, 601)
    await until(manager, lambda: ran == ["short", "short", "long"])
    state = await manager.schedules.get("hourly")
    assert [firing.reason for firing in state.history][-2:] == ["by hand", ""]
    await manager.schedules.delete("hourly")
    await settle(manager, 3600)
    assert (len(ran), await manager.schedules.list()) == (3, [])


async def stored(manager):
    return await ScheduleRecords((await manager.runtime.engines.here()).store).read()


async def test_what_the_code_says_is_brought_in_and_a_pause_outlives_it(manager):
    """S3.10: what was changed at run time stays until the code says something new."""

    async def restart(when, *more):
        other = QueueManager("memory://", clock=manager.runtime.clock)
        other.runtime.engines = manager.runtime.engines
        other.queue("q").task(name="t")(nothing)
        other.schedule(when, "t", {}, queue="q", id="s")
        for schedule_id in more:
            other.schedule("@daily", "t", {}, queue="q", id=schedule_id)
        await other.start_workers()
        wanted = {(each.id, each.digest(other.runtime)) for each in other.schedules.declared.all()}
        while wanted - {(schedule.id, schedule.entry.code) for schedule in (await stored(manager)).values()}:
            await settle(manager, 1)
        await other._workers.end(0.0)
        return {state.id: state for state in await other.schedules.list()}

    async def nothing() -> None: ...

    assert (await restart("@hourly", "gone"))["s"].when == "@hourly"
    await manager.schedules.pause("s")
    await manager.schedules.change("s", when="@weekly")
    assert (await restart("@hourly"))["s"].when == "@weekly"
    states = await restart("@daily")
    assert (states["s"].when, states["s"].is_paused) == ("@daily", True)
    assert states["gone"].is_orphan
    assert not states["s"].is_orphan


async def test_one_that_is_no_longer_in_any_code_does_not_tick(manager):
    """S3.10"""
    other = QueueManager("memory://", clock=manager.runtime.clock)
    other.runtime.engines = manager.runtime.engines
    other.schedule("* * * * *", "t", {}, queue="q")
    other.task(queue="q", name="t")(lambda: None)
    await other.start_workers()
    while (state := await manager.schedules.get("q:t")) is None or not state.history:
        await settle(manager, 1)
    await other._workers.end(0.0)
    count = len((await manager.schedules.get("q:t")).history)
    manager.task(queue="q", name="t")(lambda: None)
    await manager.start_workers()
    await settle(manager, 300)
    state = await manager.schedules.get("q:t")
    assert (len(state.history), state.is_orphan) == (count, True)


async def test_mistakes_are_refused_where_they_are_made(manager):
    """S3.10"""

    @manager.task
    async def needs(kind: str) -> None: ...

    with pytest.raises(InvalidOption, match="Did you mean '@daily'"):
        manager.schedule("@dayly", needs, "x")
    with pytest.raises(UnknownOption, match="Did you mean 'overlap'"):
        manager.schedule("@daily", needs, "x", overlapp="skip")
    with pytest.raises(InvalidOption, match="cannot be its minute"):
        manager.task(schedule="61 * * * *")
    with pytest.raises(Exception, match="needs"):
        manager.schedule("@daily", needs)
    with pytest.raises(InvalidName, match="cannot name a schedule"):
        manager.schedule("@daily", needs, "x", id="")
    manager.schedule("@daily", needs, "x")
    manager.schedule("@daily", needs, "x")
    with pytest.raises(ScheduleExists, match="id= of its own"):
        manager.schedule("@weekly", needs, "y")
    with pytest.raises(UsageError, match=r"@manager\.task"):
        manager.schedule("@daily", print)
    manager.queue("quick", durable=False)
    with pytest.raises(InvalidOption, match="durable"):
        manager.schedule("@daily", "any", {}, queue="quick")
    with pytest.raises(InvalidOption, match="said in the Schedule"):
        manager.schedule(Schedule("@daily"), needs, "x", overlap="skip", id="z")
    with pytest.raises(InvalidOption, match=r"manager\.schedule"):
        manager.batch_task(schedule="@daily")
    with pytest.raises(InvalidOption, match="a time to come"):
        await manager.schedules.create(datetime(2020, 1, 1, tzinfo=UTC), needs, "x", id="late")
    await manager.schedules.create("@daily", needs, "x", id="nightly")
    with pytest.raises(ScheduleExists):
        await manager.schedules.create("@weekly", needs, "x", id="nightly")
    for call in (manager.schedules.pause, manager.schedules.run_now, manager.schedules.delete):
        with pytest.raises(UnknownSchedule, match="Did you mean 'nightly'"):
            await call("nigthly")
    await manager.schedules.create(300, needs, "x", id="steps")
    with pytest.raises(InvalidOption, match="without a cron"):
        await manager.schedules.change("steps", tz="Europe/Berlin")


def test_schedules_have_blocking_twins():
    """S3.10"""
    with QueueManager("memory://") as manager:
        manager.schedules.create_sync("@daily", "t", {"a": 1}, id="s")
        manager.schedules.pause_sync("s")
        assert [state.is_paused for state in manager.schedules.list_sync()] == [True]
        assert manager.schedules.change_sync("s", tz="Asia/Tokyo").tz == "Asia/Tokyo"
        manager.schedules.delete_sync("s")
        assert manager.schedules.get_sync("s") is None
