"""This module tests that lists are lists: no verb goes to the store more often for a hundred items than for one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from longshore.core.job import JobRecord
from longshore.core.verdict import crashed
from longshore.store.commands import (
    Cancel,
    Changes,
    ClaimAsk,
    Delete,
    JobQuery,
    Lease,
    MeterAsk,
    Put,
    RecordAsk,
    Retry,
    Tune,
    Update,
)
from longshore.store.contract import Store
from longshore.testing.conformance.handles import StoreUnderTest
from longshore.testing.conformance.jobs import (
    NOW,
    QUEUE,
    SESSION,
    foreign_job,
    new_job,
    new_jobs,
    note,
    only,
    settlement,
)
from longshore.testing.conformance.limits import a_second, at_once, under
from longshore.testing.conformance.steps import LEASE_MS, add, claim, sign_on

Call = Callable[[Store, list[JobRecord]], Awaitable[Any]]

LISTS: dict[str, Call] = {
    "insert": lambda store, jobs: store.insert(new_jobs(len(jobs)), now_ms=NOW),
    "insert into many queues": lambda store, jobs: store.insert(
        [new_job(f"queue-{number}") for number in range(len(jobs))], now_ms=NOW
    ),
    "adopt": lambda store, jobs: store.adopt([foreign_job(errors=(b"e",), logs=(b"l",)) for _ in jobs]),
    "claim": lambda store, jobs: store.claim([ClaimAsk(QUEUE, len(jobs), SESSION)], now_ms=NOW),
    "claim by many asks": lambda store, jobs: store.claim(
        [ClaimAsk(QUEUE, 1, SESSION) for _ in jobs], now_ms=NOW
    ),
    "settle": lambda store, jobs: store.settle([settlement(job) for job in jobs], now_ms=NOW),
    "settle with followers": lambda store, jobs: store.settle(
        [settlement(job, crashed(0), error=b"e", follow=(new_job(),)) for job in jobs], now_ms=NOW
    ),
    "rescue": lambda store, jobs: store.settle(
        [settlement(job, crashed(0), if_lost=True) for job in jobs], now_ms=NOW + 2 * LEASE_MS
    ),
    "cancel": lambda store, jobs: store.change([Cancel(where=only(job.id)) for job in jobs], now_ms=NOW),
    "retry": lambda store, jobs: store.change([Retry(where=only(job.id)) for job in jobs], now_ms=NOW),
    "delete": lambda store, jobs: store.change([Delete(where=only(job.id)) for job in jobs], now_ms=NOW),
    "update": lambda store, jobs: store.change(
        [Update(where=only(job.id), changes=Changes(priority=1)) for job in jobs], now_ms=NOW
    ),
    "cancel by query": lambda store, jobs: store.change(
        [Cancel(where=JobQuery(limit=len(jobs)))], now_ms=NOW
    ),
    "note": lambda store, jobs: store.change([note(job, logs=(b"line",)) for job in jobs], now_ms=NOW),
    "extend": lambda store, jobs: store.extend(
        [Lease(session=f"s-{n}", lease_ms=1, queues=(QUEUE,), opens=True) for n in range(len(jobs))],
        now_ms=NOW,
    ),
    "promote": lambda store, jobs: store.promote(len(jobs), now_ms=NOW + 1),
    "scan": lambda store, jobs: store.scan([only(job.id) for job in jobs], now_ms=NOW),
    "scan many ids": lambda store, jobs: store.scan([only(*(job.id for job in jobs))], now_ms=NOW),
    "count": lambda store, jobs: store.count([f"queue-{number}" for number in range(len(jobs))], now_ms=NOW),
    "insert under limits": lambda store, jobs: store.insert(
        [new_job(rules=under(at_once(1, f"k{number % 7}"), a_second(5))) for number in range(len(jobs))],
        now_ms=NOW,
    ),
    "gauge": lambda store, jobs: store.gauge(
        [MeterAsk(f"queue-{number}") for number in range(len(jobs))], now_ms=NOW
    ),
    "tune": lambda store, jobs: store.tune(
        [Tune(f"queue-{number}", at_once(2)) for number in range(len(jobs))], now_ms=NOW
    ),
    "put": lambda store, jobs: store.put(
        [Put(kind="note", key=str(number), value=b"") for number in range(len(jobs))], now_ms=NOW
    ),
    "get": lambda store, jobs: store.get(
        [RecordAsk("note", (str(n),)) for n in range(len(jobs))], now_ms=NOW
    ),
}

EMPTY: dict[str, Callable[[Store], Awaitable[Sequence[Any]]]] = {
    "insert": lambda store: store.insert([]),
    "adopt": lambda store: store.adopt([]),
    "claim": lambda store: store.claim([]),
    "settle": lambda store: store.settle([]),
    "change": lambda store: store.change([]),
    "extend": lambda store: store.extend([]),
    "scan": lambda store: store.scan([]),
    "count": lambda store: store.count([]),
    "gauge": lambda store: store.gauge([]),
    "tune": lambda store: store.tune([]),
    "put": lambda store: store.put([]),
    "get": lambda store: store.get([]),
}


async def cost(kit: StoreUnderTest, call: Call, size: int) -> int:
    """The round trips of one call over so many items, in a store with work of every kind."""
    running = await ready(kit.store, size)
    before = kit.round_trips()
    await call(kit.store, running)
    return kit.round_trips() - before


async def ready(store: Store, size: int) -> list[JobRecord]:
    """So many running jobs, with as many more pending and scheduled."""
    await add(store, size)
    running = await claim(store, size)
    await add(store, size)
    await add(store, size, delay_ms=1)
    return running


@pytest.mark.parametrize("call", LISTS.values(), ids=LISTS.keys())
async def test_a_list_of_a_hundred_costs_no_more_than_a_list_of_two(kit: StoreUnderTest, call: Call) -> None:
    small, large = await cost(kit, call, 2), await cost(kit, call, 100)
    assert large <= small


@pytest.mark.parametrize("call", EMPTY.values(), ids=EMPTY.keys())
async def test_an_empty_list_costs_nothing(
    kit: StoreUnderTest, call: Callable[[Store], Awaitable[Sequence[Any]]]
) -> None:
    before = kit.round_trips()
    assert list(await call(kit.store)) == []
    assert kit.round_trips() == before


async def test_the_round_trips_are_counted(kit: StoreUnderTest) -> None:
    before = kit.round_trips()
    await add(kit.store)
    assert kit.round_trips() > before


async def test_under_limits_a_claim_and_its_end_cost_no_more_for_a_hundred(kit: StoreUnderTest) -> None:
    costs = [await cost_under_limits(kit, size) for size in (2, 100)]
    assert costs[1] <= costs[0]


async def cost_under_limits(kit: StoreUnderTest, size: int) -> int:
    """The round trips of a claim of so many jobs of as many keys, and of their end, which lets as many in."""
    queue = f"queue-{size}"
    rules = [under(at_once(1, f"k{number}"), a_second(1000, burst=1000)) for number in range(size)]
    await kit.store.insert([new_job(queue, rules=each) for each in rules * 2], now_ms=NOW)
    await sign_on(kit.store, SESSION, queues=(queue,))
    before = kit.round_trips()
    [claimed] = await kit.store.claim([ClaimAsk(queue, size, SESSION)], now_ms=NOW)
    assert len(claimed.jobs) == size
    await kit.store.settle([settlement(job, rules=job.rules) for job in claimed.jobs], now_ms=NOW)
    return kit.round_trips() - before
