"""This module tests who is woken by room: a job that is let in, and a meter whose time begins to run."""

import pytest

from longshore.core.verdict import COMPLETED
from longshore.store.commands import Cancel, Delete
from longshore.store.contract import Store
from longshore.store.replies import WakeKind
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, only
from longshore.testing.conformance.limits import ONE, a_second, at_once, tune, under
from longshore.testing.conformance.steps import add, claim, edit, finish
from longshore.testing.conformance.wakeups import PENDING, SCHEDULED, heard_until, listening


async def test_the_end_of_a_job_wakes_for_the_one_that_it_lets_in(store: Store) -> None:
    await add(store, 2, rules=ONE)
    running = await claim(store)
    async with listening(store, WakeKind.PENDING) as listener:
        await finish(store, running, COMPLETED)
        await heard_until(listener, PENDING)


@pytest.mark.parametrize("change", [Cancel, Delete])
async def test_an_edit_wakes_for_the_job_that_it_lets_in(
    store: Store, change: type[Cancel] | type[Delete]
) -> None:
    await add(store, rules=under(at_once(3, cost=2)))
    [large] = await add(store, rules=under(at_once(3, cost=2)))
    await add(store, rules=under(at_once(3)))
    await claim(store)
    async with listening(store, WakeKind.PENDING) as listener:
        await edit(store, change(where=only(large)))
        await heard_until(listener, PENDING)


async def test_a_limit_that_is_raised_wakes_for_the_job_that_it_lets_in(store: Store) -> None:
    await add(store, 2, rules=ONE)
    await claim(store)
    async with listening(store, WakeKind.PENDING) as listener:
        await tune(store, at_once(2))
        await heard_until(listener, PENDING)


async def test_a_meter_whose_time_has_come_wakes(store: Store) -> None:
    await add(store, 2, rules=under(a_second(10)))
    await claim(store)
    async with listening(store, WakeKind.PENDING) as listener:
        assert (await store.promote(9, now_ms=NOW + 100)).queues == (QUEUE,)
        await heard_until(listener, PENDING)


async def test_a_claim_that_spends_wakes_for_the_time_of_the_next(store: Store) -> None:
    await add(store, 2, rules=under(a_second(10)))
    async with listening(store, WakeKind.SCHEDULED) as listener:
        await claim(store)
        await heard_until(listener, SCHEDULED)


async def test_a_job_that_is_held_by_time_wakes_whoever_promotes(store: Store) -> None:
    await add(store, rules=under(a_second(10)))
    await claim(store)
    async with listening(store, WakeKind.SCHEDULED) as listener:
        await add(store, rules=under(a_second(10)))
        await heard_until(listener, SCHEDULED)


async def test_a_time_that_comes_earlier_wakes(store: Store) -> None:
    await add(store, rules=under(a_second(1)))
    await claim(store)
    await add(store, rules=under(a_second(1)))
    assert (await store.promote(9, now_ms=NOW)).next_due_ms == NOW + SECOND
    async with listening(store, WakeKind.SCHEDULED) as listener:
        await tune(store, a_second(2))
        await heard_until(listener, SCHEDULED)
