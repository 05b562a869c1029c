"""Signals: kept, taken once, and told to whoever waits, whatever dies between two calls."""

import msgspec
import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.core.verdict import released
from longshore.steps import signals
from longshore.steps.entries import Entry, Kind, put_of
from longshore.steps.forgetting import sweep
from longshore.store.commands import ClaimAsk, JobQuery, Lease, RecordAsk, Settlement

SESSION = "host:1:a"


class Yard:
    """One job of a memory store, that runs."""

    def __init__(self):
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.id = new_id()

    async def open(self):
        await self.store.open()
        await self.store.insert([NewJob(id=self.id, queue="q", name="work", payload=b"{}")])
        await self.store.extend([Lease(session=SESSION, lease_ms=60_000, queues=("q",), opens=True)])
        await self.claim()
        return self

    async def claim(self):
        [claimed] = await self.store.claim([ClaimAsk("q", 1, SESSION)])
        [self.record] = claimed.jobs

    async def let_go(self):
        """The attempt ends, as a task that waits."""
        settlement = Settlement(
            id=self.id,
            queue="q",
            session=SESSION,
            fence=self.record.fence,
            verdict=released(3_600_000),
        )
        await self.store.settle([settlement])

    async def wait(self, event, name=None):
        """Records that the task waits."""
        entry = Entry(kind=Kind.WAIT, place=0, attempt=1, at_ms=0, event=event)
        await self.store.put([put_of(self.id, name or event, entry, 0)])

    async def post(self, event, data=b"1"):
        await signals.post(self.store, [self.record], event, data, self.clock.now_ms())

    async def state(self):
        [page] = await self.store.scan([JobQuery(ids=(self.id,))])
        return page.jobs[0].state if page.jobs else None

    async def pokes(self):
        [records] = await self.store.get([RecordAsk(signals.POKE)])
        return len(records)

    async def take(self, event, wait):
        found = await signals.take(self.store, self.record, event, wait)
        return None if found is None else msgspec.json.decode(found[1].data)


@pytest.fixture
async def yard():
    return await Yard().open()


async def test_a_job_that_waits_is_pending_as_soon_as_it_is_told(yard):
    await yard.wait("go")
    await yard.let_go()
    await yard.post("go")
    assert await signals.tell(yard.store, [yard.id])
    assert (await yard.state(), await yard.pokes()) == (State.PENDING, 0)


async def test_a_signal_of_another_event_leaves_the_job_where_it_is(yard):
    await yard.wait("go")
    await yard.let_go()
    await yard.post("other")
    assert not await signals.tell(yard.store, [yard.id])
    assert (await yard.state(), await yard.pokes()) == (State.SCHEDULED, 0)


async def test_a_job_that_was_added_for_later_is_not_begun_by_an_early_signal(yard):
    job = NewJob(id=new_id(), queue="q", name="later", payload=b"{}", delay_ms=1000)
    await yard.store.insert([job])
    [page] = await yard.store.scan([JobQuery(ids=(job.id,))])
    await signals.post(yard.store, page.jobs, "go", b"1", 0)
    assert not await signals.tell(yard.store, [job.id])
    [page] = await yard.store.scan([JobQuery(ids=(job.id,))])
    assert page.jobs[0].state is State.SCHEDULED


async def test_a_signal_that_comes_before_the_job_is_let_go_is_told_right_after(yard):
    """B.12: the moment between the task's last look and the end of its attempt."""
    await yard.wait("go")
    await yard.post("go")
    assert not await signals.tell(yard.store, [yard.id])
    assert (await yard.state(), await yard.pokes()) == (State.RUNNING, 1)
    await yard.let_go()
    assert await signals.tell(yard.store, [yard.id])
    assert (await yard.state(), await yard.pokes()) == (State.PENDING, 0)


async def test_a_sweep_tells_what_nobody_lived_to_tell(yard):
    """B.12: the sender stored the signal and died, or the worker after it had let go of the job."""
    await yard.wait("go")
    await yard.let_go()
    await yard.post("go")
    await sweep(yard.store, 0)
    assert (await yard.state(), await yard.pokes()) == (State.PENDING, 0)


async def test_a_signal_is_taken_by_one_wait_and_by_that_one_again(yard):
    await yard.post("go", b"1")
    await yard.post("go", b"2")
    assert await yard.take("go", "go") == 1
    assert await yard.take("go", "go#2") == 2
    assert await yard.take("go", "go#3") is None
    assert await yard.take("go", "go") == 1


async def test_a_signal_that_was_taken_and_not_recorded_is_still_to_be_told(yard):
    """The attempt died between the two; the next one takes it again."""
    await yard.wait("go")
    await yard.post("go")
    await yard.take("go", "go")
    await yard.let_go()
    assert await signals.tell(yard.store, [yard.id])


async def test_a_signal_that_is_handed_back_is_for_the_next_wait(yard):
    await yard.post("go", b"7")
    record, letter = await signals.take(yard.store, yard.record, "go", "go")
    await signals.hand_back(yard.store, record, letter)
    assert await yard.take("go", "go#2") == 7


async def test_the_names_of_events_may_hold_slashes(yard):
    await yard.post("a/b", b"7")
    assert await yard.take("a", "a") is None
    assert await yard.take("a/b", "a/b") == 7


async def test_many_jobs_are_told_together_each_as_it_stands(yard):
    ids = [new_id() for _ in range(120)]
    jobs = [NewJob(id=job_id, queue="q", name="work", payload=b"{}", delay_ms=9_000_000) for job_id in ids]
    await yard.store.insert(jobs)
    entry = Entry(kind=Kind.WAIT, place=0, attempt=1, at_ms=0, event="go")
    await yard.store.put([put_of(job_id, "go", entry, 0) for job_id in ids[::2]])
    await yard.wait("go")
    everyone = [*ids, yard.id]
    [page] = await yard.store.scan([JobQuery(limit=1000)])
    await signals.post(yard.store, page.jobs, "go", b"1", 0)
    assert sorted(await signals.tell(yard.store, everyone)) == ids[::2]
    assert await yard.pokes() == 1
    assert await signals.tell(yard.store, everyone) == []
