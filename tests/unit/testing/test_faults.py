"""Planted faults happen when they should, and only then."""

from random import Random

import pytest

from longshore.backends import open_store
from longshore.core.clock import ManualClock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.testing.faults import Fault, Faults, FaultyStore, Harm


async def faulty(*faults):
    clock = ManualClock()
    planted = Faults(Random(1), *faults)
    store = FaultyStore(open_store("memory://", clock=clock), planted, clock)
    await store.open()
    return store, planted, clock


def new_job():
    return NewJob(id=new_id(), queue="mail", name="send", payload=b"1")


async def pending(store):
    counts = await store.count(None)
    return counts[0].states[State.PENDING] if counts else 0


async def test_a_call_that_fails_before_does_nothing():
    store, planted, _ = await faulty(Fault(harm=Harm.BEFORE, verb="insert"))
    with pytest.raises(StoreUnavailable, match="unreachable: a planted fault before insert"):
        await store.insert([new_job()])
    assert await pending(store) == 0
    assert planted.suffered == [("insert", Harm.BEFORE)]


async def test_a_call_whose_reply_is_lost_was_done():
    store, _, _ = await faulty(Fault(harm=Harm.AFTER, verb="insert"))
    with pytest.raises(StoreUnavailable, match="it was done"):
        await store.insert([new_job()])
    assert await pending(store) == 1


async def test_a_fault_hits_the_calls_of_its_numbers():
    store, planted, _ = await faulty(Fault(harm=Harm.BEFORE, verb="insert", calls=(2,)))
    await store.insert([new_job()])
    with pytest.raises(StoreUnavailable):
        await store.insert([new_job()])
    await store.insert([new_job()])
    assert planted.suffered == [("insert", Harm.BEFORE)]


async def test_a_twin_counts_its_calls_together_with_the_original():
    store, _, _ = await faulty(Fault(harm=Harm.BEFORE, verb="insert", calls=(2,)))
    twin = await store.twin()
    await store.insert([new_job()])
    with pytest.raises(StoreUnavailable):
        await twin.insert([new_job()])


async def test_a_probability_hits_some_calls_the_same_ones_for_the_same_seed():
    async def hits():
        store, _, _ = await faulty(Fault(harm=Harm.BEFORE, probability=0.5))
        outcomes = []
        for _ in range(20):
            try:
                await store.count(None)
                outcomes.append(True)
            except StoreUnavailable:
                outcomes.append(False)
        return outcomes

    first = await hits()
    assert set(first) == {True, False}
    assert await hits() == first


async def test_a_cleared_fault_hits_nothing():
    store, planted, _ = await faulty(Fault(harm=Harm.BEFORE))
    planted.clear()
    await store.insert([new_job()])
    assert planted.suffered == []


async def test_a_delay_waits_on_the_clock_and_then_does_it():
    class Noting(ManualClock):
        slept = 0.0

        async def sleep(self, seconds):
            self.slept += seconds

    clock = Noting()
    faults = Faults(Random(1), Fault(harm=Harm.DELAY, verb="insert", seconds=3))
    store = FaultyStore(open_store("memory://", clock=clock), faults, clock)
    await store.open()
    await store.insert([new_job()])
    assert clock.slept == 3
    assert await pending(store) == 1
