"""A job whose insert told nobody, because it saw others waiting that were being claimed, is found soon all the same."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from longshore.backends.postgres import inserting
from longshore.backends.postgres.second_looks import SecondLooks
from longshore.backends.postgres.store import PostgresStore
from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.store.commands import ClaimAsk, Lease
from longshore.store.contract import Listener
from longshore.store.replies import Wake, WakeKind
from servers.server import ServerLike

WAITING = 6
"""More than an insert takes for few."""


class Rings:
    """Looks at a clock that the test moves, and which queues they were."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.rung: list[str] = []
        self.looks = SecondLooks(self.clock, self.rung.append)

    async def after(self, seconds: float) -> list[str]:
        """What was rung in this time."""
        self.rung.clear()
        self.clock.advance(seconds)
        for _ in range(3):
            await asyncio.sleep(0)
        return list(self.rung)


@pytest.fixture
def rings() -> Rings:
    return Rings()


async def test_a_queue_is_looked_at_three_times_after_a_claim(rings: Rings) -> None:
    rings.looks.claimed(["mail"])
    found = [await rings.after(seconds) for seconds in (0.005, 0.006, 0.08, 0.01, 0.8, 0.1, 60)]
    assert found == [[], ["mail"], [], ["mail"], [], ["mail"], []]


async def test_each_claim_begins_anew_and_while_they_come_nobody_looks(rings: Rings) -> None:
    for _ in range(10):
        rings.looks.claimed(["mail"])
        assert await rings.after(0.005) == []
    assert await rings.after(0.006) == ["mail"]
    rings.looks.claimed(["mail"])
    assert await rings.after(0.011) == ["mail"]
    assert await rings.after(0.09) == ["mail"]


async def test_a_busy_queue_delays_no_other_one(rings: Rings) -> None:
    rings.looks.claimed(["mail", "scan"])
    assert await rings.after(0.009) == []
    rings.looks.claimed(["scan"])
    assert await rings.after(0.002) == ["mail"]
    assert await rings.after(0.009) == ["scan"]


async def test_nothing_is_rung_after_the_stop(rings: Rings) -> None:
    rings.looks.claimed(["mail"])
    rings.looks.stop()
    assert await rings.after(60) == []


@pytest.fixture
async def store(postgres: ServerLike, schema: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(postgres.url, schema=schema)
    await store.open()
    await store.extend([Lease(session="s", lease_ms=60_000, opens=True)])
    await store.insert([job() for _ in range(WAITING)])
    yield store
    await store.close()


@pytest.fixture
async def another(postgres: ServerLike) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose transactions end when the test says so."""
    connection = await asyncpg.connect(postgres.url)
    yield connection
    await connection.close()


def job() -> NewJob:
    return NewJob(id=new_id(), queue="mail", name="send", payload=b"1")


async def claim(store: PostgresStore) -> list[JobRecord]:
    [claimed] = await store.claim([ClaimAsk(queue="mail", session="s", count=100)])
    return claimed.jobs


async def found_by_waking(store: PostgresStore, listener: Listener) -> list[JobRecord]:
    """What a worker finds that looks when it is woken, and never else."""
    found: list[JobRecord] = []
    while not found:
        assert await listener.wait(5) == [Wake(WakeKind.PENDING, "mail")]
        found = await claim(store)
    return found


async def test_a_job_that_was_committed_after_the_last_look_is_found_soon(
    store: PostgresStore, another: asyncpg.Connection
) -> None:
    """S1.1: with a dozen producers three of four jobs waited for the poll, 5 s."""
    listener = await store.listen({WakeKind.PENDING})
    late = job()
    async with another.transaction():
        await inserting.insert(another, store._dialect, [late], None)  # six wait: it tells nobody
        assert len(await claim(store)) == WAITING
        assert await claim(store) == []
    assert [each.id for each in await found_by_waking(store, listener)] == [late.id]
