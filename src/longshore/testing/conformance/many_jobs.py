"""This module tests `scan` among thousands of jobs, where a store may choose other ways to find them."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.verdict import BURIED, COMPLETED, Verdict, retry_after
from longshore.store.commands import JobQuery, Order
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import MINUTE, NOW, SECOND, SESSION, new_job, settlement
from longshore.testing.conformance.steps import claim, find, ids

CROWD = 24_000
"""Jobs in the crowd: more than a store cares to look at in one page."""


class Member(NamedTuple):
    """A job of the crowd: as it was added, and what became of it."""

    new: NewJob
    now: JobRecord


Holds = Callable[[Member], bool]
QUERIES: dict[str, tuple[JobQuery, Holds]] = {
    "all": (JobQuery(), bool),
    "queue": (JobQuery(queues=("a",)), lambda job: job.new.queue == "a"),
    "pending": (JobQuery(states=(State.PENDING,)), lambda job: job.now.state == "pending"),
    "running": (JobQuery(states=(State.RUNNING,)), lambda job: job.now.state == "running"),
    "waiting": (
        JobQuery(states=(State.SCHEDULED, State.RETRYING)),
        lambda job: job.now.state in {"scheduled", "retrying"},
    ),
    "over": (
        JobQuery(states=(State.COMPLETED, State.FAILED)),
        lambda job: job.now.state in {"completed", "failed"},
    ),
    "over in a queue": (
        JobQuery(states=(State.COMPLETED,), queues=("b",)),
        lambda job: job.now.state == "completed" and job.new.queue == "b",
    ),
    "failed, with an error": (
        JobQuery(states=(State.FAILED,), error="Boom 1"),
        lambda job: job.now.state == "failed" and "Boom 1" in (job.now.error_text or ""),
    ),
    "a rare name": (JobQuery(names=("rare",)), lambda job: job.new.name == "rare"),
    "two tags": (JobQuery(tags=("even", "third")), lambda job: {"even", "third"} <= set(job.new.tags)),
    "text": (JobQuery(text="NEEDLE"), lambda job: b"needle" in job.new.payload),
    "session": (JobQuery(session=SESSION), lambda job: job.now.session == SESSION),
    "session and state": (
        JobQuery(session="b", states=(State.RUNNING, State.RETRYING)),
        lambda job: job.now.session == "b" and job.now.state in {"running", "retrying"},
    ),
    "reference and queue": (
        JobQuery(reference="r-5", queues=("b",)),
        lambda job: job.new.reference == "r-5" and job.new.queue == "b",
    ),
    "ended before": (
        JobQuery(finished_before_ms=NOW + SECOND),
        lambda job: job.now.finished_ms is not None and job.now.finished_ms < NOW + SECOND,
    ),
}


async def crowd(store: Store) -> list[Member]:
    """Many jobs of every kind."""
    jobs = [crowd_job(number) for number in range(CROWD)]
    await store.insert(jobs, now_ms=NOW)
    for queue, session in (("a", SESSION), ("b", "b")):
        claimed = await claim(store, CROWD // 4, queue, session=session)
        for part, verdict in enumerate((COMPLETED, BURIED, retry_after(60 * MINUTE))):
            await end(store, claimed[part::4], verdict, now_ms=NOW + part * SECOND)
    records = {job.id: job for job in await find(store, JobQuery(limit=1000))}
    return [Member(job, records[job.id]) for job in jobs]


def crowd_job(number: int) -> NewJob:
    """One of them."""
    return new_job(
        "ab"[number % 2],
        name="rare" if number % 500 == 7 else "send",
        payload=b'"a needle"' if number % 400 == 3 else b'"hay"',
        priority=number % 3,
        delay_ms=60 * MINUTE if number % 6 == 0 else 0,
        tags=("even",) * (number % 2 == 0) + ("third",) * (number % 3 == 0),
        reference=f"r-{number % 50}",
    )


async def end(store: Store, jobs: list[JobRecord], verdict: Verdict, *, now_ms: int) -> None:
    """Settles many claims in one call."""
    ends = [
        settlement(job, verdict, error_text=f"Boom {number % 100}" if verdict is BURIED else None)
        for number, job in enumerate(jobs)
    ]
    assert set(await store.settle(ends, now_ms=now_ms)) == {"applied"}


@pytest.mark.parametrize("order", list(Order))
async def test_every_query_finds_its_jobs_in_a_crowd(store: Store, order: Order) -> None:
    everybody = await crowd(store)
    for name, (query, holds) in QUERIES.items():
        expected = [job.now for job in everybody if holds(job)]
        assert expected, name
        found = await find(store, msgspec.structs.replace(query, order=order, limit=997))
        assert ids(found) == ids(in_order(expected, order, found)), name


def in_order(jobs: list[JobRecord], order: Order, found: list[JobRecord]) -> list[JobRecord]:
    """The jobs as a page sorts them; those that ended in one moment stand as they were found."""
    if order is not Order.FINISHED:
        return sorted(jobs, key=lambda job: job.id, reverse=order is Order.NEWEST)
    places = {job.id: place for place, job in enumerate(found)}
    over = [job for job in jobs if job.finished_ms is not None]
    return sorted(over, key=lambda job: (-(job.finished_ms or 0), places.get(job.id, CROWD)))


async def test_spare_leaves_out_the_first_of_a_crowd(store: Store) -> None:
    over = [job.now for job in await crowd(store) if job.now.finished_ms is not None]
    query = JobQuery(order=Order.FINISHED, spare=len(over) - 10, limit=3)
    found = await find(store, query)
    assert len(found) == 10
    assert {job.finished_ms for job in found} == {min(job.finished_ms or 0 for job in over)}
