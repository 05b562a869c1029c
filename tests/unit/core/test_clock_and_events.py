"""The clock that tests move by hand, and the hooks."""

import asyncio
import logging

import pytest

from longshore.core import events
from longshore.core.clock import ManualClock, SystemClock
from longshore.core.errors import UnknownOption
from longshore.core.events import Bus, Event


async def test_sleepers_of_a_manual_clock_wake_in_the_order_of_their_times() -> None:
    clock, woken = ManualClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(s)) for s in (30, 10, 20)]
    await asyncio.sleep(0)
    clock.advance(25)
    await asyncio.gather(*tasks[1:])
    assert woken == [10, 20]
    clock.advance(5)
    await tasks[0]
    assert clock.now_ms() == 1_700_000_030_000


@pytest.mark.parametrize("seconds", [0, 10])
async def test_a_manual_clock_calls_back_when_its_time_has_come_unless_cancelled(seconds) -> None:
    clock, called = ManualClock(), []
    clock.call_later(seconds, lambda: called.append("kept"))
    clock.call_later(seconds, lambda: called.append("cancelled")).cancel()
    clock.advance(seconds)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert called == ["kept"]


async def test_the_machines_clock_calls_back() -> None:
    called = asyncio.Event()
    SystemClock().call_later(0.0, called.set)
    await asyncio.wait_for(called.wait(), 5)


async def test_the_machines_clock_tells_milliseconds() -> None:
    clock = SystemClock()
    before = clock.now_ms()
    await clock.sleep(0)
    assert 0 <= clock.now_ms() - before < 60_000
    assert clock.now_ms() > 1_700_000_000_000


async def test_hooks_run_in_their_order_whether_plain_or_async() -> None:
    """S0.7."""
    bus, heard = Bus(), []

    async def later(event: Event) -> None:
        heard.append(("async", event.queue))

    bus.on("completed", lambda event: heard.append(("plain", event.queue)))
    bus.on("completed", later)
    await bus.tell(Event(name="completed", queue="q"))
    assert heard == [("plain", "q"), ("async", "q")]
    assert bus.wants("completed")
    assert not bus.wants("failed")


async def test_a_hook_that_raises_is_logged_and_the_next_one_still_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """S0.7."""
    bus, heard = Bus(), []

    def broken(event: Event) -> None:
        message = "broken hook"
        raise ValueError(message)

    bus.on("failed", broken)
    bus.on("failed", heard.append)
    with caplog.at_level(logging.ERROR, logger="longshore.hooks"):
        await bus.tell(Event(name="failed"))
    assert len(heard) == 1
    assert "broken hook" in caplog.text


def test_an_event_that_does_not_exist_is_refused_with_the_near_match() -> None:
    with pytest.raises(UnknownOption, match="'completed'"):
        Bus().on("complete", print)


async def test_a_hook_that_never_comes_back_is_ended_and_the_next_one_runs(monkeypatch, caplog) -> None:
    monkeypatch.setattr(events, "HOOK_SECONDS", 0.01)
    bus, told = Bus(), []

    async def hang(_event) -> None:
        await asyncio.get_running_loop().create_future()

    bus.on("completed", hang)
    bus.on("completed", told.append)
    async with asyncio.timeout(10):
        await bus.tell(Event(name="completed"))
    assert len(told) == 1
    assert "took more than 0.01 s and was cancelled" in caplog.text
