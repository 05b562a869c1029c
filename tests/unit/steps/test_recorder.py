"""Steps that are recorded at the same time share one put."""

import asyncio

import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import new_id
from longshore.steps.entries import Entry, Kind, mention, put_of
from longshore.steps.recorder import MOST, Recorder

ENTRY = Entry(kind=Kind.STEP, place=0, attempt=1, at_ms=0)


class Slow(MemoryStore):
    """Answers each put when it is told to."""

    def __init__(self, clock):
        super().__init__(clock)
        self.clock = clock
        self.sizes = []
        self.doors = []
        self.error = None

    async def put(self, puts, **options):
        self.sizes.append(len(puts))
        door = asyncio.Event()
        self.doors.append(door)
        await door.wait()
        if self.error is not None:
            raise self.error
        return await super().put(puts, **options)


@pytest.fixture
async def store():
    slow = Slow(ManualClock())
    await slow.open()
    return slow


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def begin(recorder, jobs):
    works = [asyncio.create_task(recorder.record(job, put_of(job, name, ENTRY, 0))) for job, name in jobs]
    await turns()
    return works


async def finish(store, works):
    while not all(work.done() for work in works):
        store.doors[-1].set()
        await turns()


async def test_what_comes_meanwhile_goes_together_and_each_job_is_named_once(store):
    recorder, one, other = Recorder(store, store.clock), new_id(), new_id()
    works = await begin(recorder, [(one, "first"), (one, "a"), (one, "b"), (other, "a"), (one, "first")])
    await finish(store, works)
    assert store.sizes == [2, 6]
    assert [work.result().stored for work in works] == [True] * 5
    assert [work.result().record.key for work in works] == ["first", "a", "b", "a", "first"]


async def test_an_outage_is_told_to_each_who_waits(store):
    recorder, job = Recorder(store, store.clock), new_id()
    works = await begin(recorder, [(job, "first"), (job, "a"), (job, "b")])
    store.error = StoreUnavailable("unreachable", "it is away")
    await finish(store, works)
    assert [type(work.exception()) for work in works] == [StoreUnavailable] * 3
    store.error = None
    again = await begin(recorder, [(job, "a")])
    await finish(store, again)
    assert again[0].result().stored


async def test_who_is_cancelled_takes_nobody_along(store):
    recorder, job = Recorder(store, store.clock), new_id()
    works = await begin(recorder, [(job, "first"), (job, "a"), (job, "b")])
    works[0].cancel()
    works[1].cancel()
    await turns()
    await finish(store, works)
    assert works[2].result().stored
    assert store.sizes[1] == 2


async def test_a_put_has_an_end(store):
    recorder, job = Recorder(store, store.clock), new_id()
    works = await begin(recorder, [(job, f"{n}") for n in range(MOST + 2)])
    await finish(store, works)
    assert store.sizes == [2, MOST + 1, 2]
    assert mention(job).key == job.hex()
