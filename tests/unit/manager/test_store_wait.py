"""A worker that starts while its server is away waits for it, and for nothing else."""

import asyncio
from random import Random

import pytest

from longshore.core.clock import ManualClock
from longshore.core.errors import StoreUnavailable
from longshore.manager.store_wait import StoreWait


class Door:
    """Opens after so many absences."""

    def __init__(self, absences: int) -> None:
        self.absences, self.tries = absences, 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.tries > self.absences:
            return "open"
        raise StoreUnavailable("unreachable", "db:5432: refused", is_absent=True)


async def turn() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_server_that_comes_later_is_waited_for_with_one_warning(caplog):
    caplog.set_level("INFO", "longshore.worker")
    clock, door = ManualClock(), Door(4)
    waiting = asyncio.create_task(StoreWait(clock, Random(1)).opened(door))
    for _ in range(4):
        await turn()
        clock.advance(10)
    assert await waiting == "open"
    assert caplog.text.count("The worker waits for the store") == 1
    assert "db:5432: refused" in caplog.text
    assert "The store is there; the worker goes on." in caplog.text


async def test_the_waiting_ends_at_once_when_somebody_wants_that():
    store_wait, door = StoreWait(ManualClock(), Random(1)), Door(10)
    waiting = asyncio.create_task(store_wait.opened(door))
    await turn()
    store_wait.drain()
    assert await waiting is None
    assert door.tries == 1


async def test_an_attempt_that_hangs_does_not_keep_the_waiting_from_its_end():
    store_wait = StoreWait(ManualClock(), Random(1))
    waiting = asyncio.create_task(store_wait.opened(asyncio.Event().wait))
    await turn()
    store_wait.stop()
    assert await waiting is None


async def test_what_only_people_can_mend_is_not_waited_for():
    async def refused() -> None:
        raise StoreUnavailable("unreachable", "password authentication failed")

    with pytest.raises(StoreUnavailable, match="password"):
        await StoreWait(ManualClock(), Random(1)).opened(refused)
