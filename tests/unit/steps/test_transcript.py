"""Two attempts of one job at once: what one has recorded, the other takes."""

from random import Random
from types import SimpleNamespace

import msgspec
import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import new_id
from longshore.core.suspension import Suspended, suspension_of
from longshore.steps.entries import Kind, read
from longshore.steps.recorder import Recorder
from longshore.steps.transcript import Transcript


class Attempts:
    """Of one job in a memory store."""

    def __init__(self):
        self.clock = ManualClock()
        self.memory = MemoryStore(self.clock)
        self.id = new_id()
        self.born_ms = 7

    async def recorder(self):
        return Recorder(self.memory, self.clock)

    def begin(self, fence):
        record = SimpleNamespace(id=self.id, fence=fence, attempt=fence, created_ms=self.born_ms)
        reins = SimpleNamespace(record=record, cancelled=False, timed_out=False, suspended=None)
        return Transcript(reins, self.recorder, self.clock, Random(1))


@pytest.fixture
async def attempts():
    made = Attempts()
    await made.memory.open()
    return made


def step(transcript, name, value):
    return transcript.entry(Kind.STEP, name, ended_ms=0, value=msgspec.Raw(value))


async def test_the_first_to_record_a_step_has_recorded_it(attempts):
    """B.12: an attempt that was thought dead neither overwrites nor goes on with something else."""
    old, new = attempts.begin(1), attempts.begin(2)
    name = old.name("charge")
    assert new.name("charge") == name
    assert await new.find(name) is None
    first = await old.record(name, step(old, name, b'"old"'))
    second = await new.record(name, step(new, name, b'"new"'))
    assert bytes(first.entry.value) == bytes(second.entry.value) == b'"old"'
    assert [(kept.name, kept.version) for kept in await read(attempts.memory, attempts.id, 7)] == [
        ("charge", 1)
    ]


async def test_the_first_claim_of_a_job_looks_for_nothing(attempts):
    asked = []

    class Watched(MemoryStore):
        async def get(self, asks, **options):
            asked.extend(asks)
            return await super().get(asks, **options)

    attempts.memory = Watched(attempts.clock)
    await attempts.memory.open()
    await attempts.begin(1).find("charge")
    assert asked == []
    later = attempts.begin(2)
    await later.find("charge")
    await later.find("ship")
    assert len(asked) == 1


async def test_a_store_that_is_away_is_tried_again_until_the_attempt_is_to_stop(attempts):
    """B.12: the function has run; its result is not given up for an outage."""
    transcript, tries = attempts.begin(1), []

    async def away(_):
        tries.append(1)
        if len(tries) == 3:
            transcript.reins.cancelled = True
        raise StoreUnavailable("unreachable", "it is away")

    class Impatient:
        async def sleep(self, _):
            return None

    transcript.clock = Impatient()
    with pytest.raises(StoreUnavailable):
        await transcript.insist(away)
    assert len(tries) == 3


def test_an_error_is_a_suspension_if_it_comes_of_nothing_else():
    sleep, failure = Suspended(5), ValueError("x")
    assert suspension_of(sleep) is sleep
    assert suspension_of(failure) is None
    assert suspension_of(BaseExceptionGroup("both", [sleep, Suspended(3)])).seconds == 3
    assert suspension_of(BaseExceptionGroup("one failed", [sleep, failure])) is None
    failure.__context__ = sleep
    assert suspension_of(failure) is sleep
    tail = ValueError("its own")
    tail.__cause__ = tail
    assert suspension_of(tail) is None
