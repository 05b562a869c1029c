"""The inspector: settings that change under a running queue are noticed, once."""

import asyncio
import logging
from random import Random

import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.events import Bus, Event
from longshore.store.replies import Finding
from longshore.upkeep.inspector import PAUSE_SECONDS, Inspector

EVICTING = Finding("error", "evicting-policy", "It deletes keys.", "Set noeviction.")
SLOW = Finding("warning", "slow", "It is slow.", "Wait.")


class Planted(MemoryStore):
    """A memory store with whatever findings a test plants."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.findings: list[Finding] = []
        self.looked = asyncio.Event()

    async def examine(self, *, contents: bool = True) -> list[Finding]:
        assert not contents
        self.looked.set()
        return list(self.findings)


class Round:
    """An inspector in manual time."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Planted(self.clock)
        self.bus = Bus()
        self.told: list[Event] = []
        self.bus.on("unsafe", self.told.append)
        self.inspector = Inspector(self.store, bus=self.bus, clock=self.clock, random=Random(1))

    async def looks(self, *findings: Finding) -> None:
        """Lets it look once more, at these findings."""
        self.store.findings = list(findings)
        self.clock.advance(1.2 * PAUSE_SECONDS)
        await self.looked_once()

    async def looked_once(self) -> None:
        """Waits for the next look, and until the inspector sleeps again."""
        await self.store.looked.wait()
        self.store.looked.clear()
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def watch():
    watch = Round()
    await watch.inspector.start()
    await watch.looked_once()
    yield watch
    await watch.inspector.stop()


async def test_a_setting_that_becomes_unsafe_is_told_once(watch, caplog):
    """A10."""
    await watch.looks(SLOW)
    assert watch.told == []
    await watch.looks(SLOW, EVICTING)
    await watch.looks(SLOW, EVICTING)
    assert [event.data["finding"] for event in watch.told] == [EVICTING]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "It deletes keys. Set noeviction." in record.getMessage()


async def test_a_setting_that_was_mended_and_spoilt_again_is_told_again(watch, caplog):
    await watch.looks(EVICTING)
    await watch.looks()
    assert "not lose jobs any more: It deletes keys." in caplog.text
    await watch.looks(EVICTING)
    assert len(watch.told) == 2


async def test_what_the_worker_was_started_with_is_not_told_again():
    watch = Round()
    watch.store.findings = [EVICTING]
    await watch.inspector.start()
    await watch.looked_once()
    await watch.looks(EVICTING)
    await watch.inspector.stop()
    assert watch.told == []


def test_an_alarm_comes_within_a_minute():
    """A10."""
    assert PAUSE_SECONDS * 1.1 < 60
