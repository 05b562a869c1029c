"""Loops, alarms and patience, in manual time."""

import asyncio
from random import Random

from longshore.core.clock import ManualClock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import Bus
from longshore.core.service import Alarm, Patience, Repeating


async def settle_down():
    for _ in range(10):
        await asyncio.sleep(0)


class Steps:
    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.taken = 0

    async def __call__(self):
        self.taken += 1
        outcome = self.outcomes.pop(0) if self.outcomes else 60.0
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def repeating(steps, clock, bus=None):
    return Repeating("test", steps, clock=clock, random=Random(1), bus=bus)


async def test_a_step_is_taken_at_once_and_again_when_it_is_due():
    clock, steps = ManualClock(), Steps(5.0, 5.0)
    service = repeating(steps, clock)
    await service.start()
    await settle_down()
    assert steps.taken == 1
    clock.advance(4.9)
    await settle_down()
    assert steps.taken == 1
    clock.advance(0.2)
    await settle_down()
    assert steps.taken == 2
    await service.stop()
    await service.stop()


async def test_a_step_can_be_hastened_and_never_delayed():
    clock, steps = ManualClock(), Steps(60.0, 60.0)
    service = repeating(steps, clock)
    await service.start()
    await settle_down()
    service.hasten(90)
    service.hasten(2)
    clock.advance(2)
    await settle_down()
    assert steps.taken == 2
    await service.stop()


async def test_a_step_that_fails_is_taken_again_after_a_growing_delay(caplog):
    clock, told, bus = ManualClock(), [], Bus()
    bus.on("error", told.append)
    steps = Steps(StoreUnavailable("locked", "x"), StoreUnavailable("locked", "x"), ValueError("bug"))
    service = repeating(steps, clock, bus)
    await service.start()
    for _ in range(3):
        await settle_down()
        clock.advance(0.4)
    await settle_down()
    assert steps.taken == 4
    assert [str(event.error) for event in told] == ["bug"]
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    await service.stop()


async def test_an_alarm_that_was_rung_before_the_wait_ends_it_at_once():
    clock = ManualClock()
    alarm = Alarm(clock)
    alarm.ring()
    assert await alarm.wait(5) is True
    waiting = asyncio.create_task(alarm.wait(5))
    await settle_down()
    clock.advance(5)
    assert await waiting is False
    waiting = asyncio.create_task(alarm.wait())
    await settle_down()
    alarm.ring()
    assert await waiting is True


def test_patience_doubles_up_to_its_end_and_begins_anew():
    patience = Patience(Random(1), first_seconds=1, last_seconds=8)
    waits = [patience.next_seconds() for _ in range(40)]
    assert all(
        longest / 2 <= wait <= longest for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8], strict=False)
    )
    patience.reset()
    assert patience.next_seconds() <= 1
