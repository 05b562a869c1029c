"""What nobody needs any more is forgotten, and nothing else."""

from collections.abc import AsyncIterator

import pytest

from longshore.backends.postgres.dialect import dialect_of
from longshore.backends.postgres.links import Lane, Links
from longshore.backends.postgres.naming import Names
from longshore.backends.postgres.store import PostgresStore
from longshore.backends.postgres.tidying import TIDY_AFTER, Tidier
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.rules import FlowKey, LimitKind, Rules, UniqueKey
from longshore.core.states import LIVE
from longshore.store.commands import Delete, JobQuery
from longshore.store.replies import Conflict, Inserted
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import Query

NOW = 1_000_000


@pytest.fixture
async def store(postgres: ServerLike, schema: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(postgres.url, schema=schema)
    await store.open()
    yield store
    await store.close()


def job(key: str) -> NewJob:
    flow = (FlowKey("tenant", key, LimitKind.CONCURRENCY, 1),)
    rules = Rules(flow=flow, unique=UniqueKey(key.encode(), tuple(LIVE)))
    return NewJob(id=new_id(), queue="mail", name="send", payload=b"1", rules=rules)


async def test_meters_and_keys_of_jobs_that_are_gone_are_forgotten_and_others_stay(
    store: PostgresStore, links: Links, schema: str, query: Query
) -> None:
    kept, gone = job("kept"), job("gone")
    await store.insert([kept, gone], now_ms=NOW)
    await store.change([Delete(where=JobQuery(ids=(gone.id,)))], now_ms=NOW)
    tidier = Tidier(dialect_of(links.dsn.names))
    await links.run(Lane.OTHER, lambda link: tidier.tidy(link, NOW + 60_001))
    assert await query(f"SELECT name FROM {schema}.meter") == [("tenant:kept",)]
    assert [bytes(job.bytes) for (job,) in await query(f"SELECT job FROM {schema}.holder")] == [kept.id]
    first, second = await store.insert([job("kept"), job("gone")], now_ms=NOW)
    assert isinstance(first, Conflict)
    assert second is Inserted.CREATED


async def test_a_meter_that_was_used_a_moment_ago_is_kept(
    store: PostgresStore, links: Links, schema: str, query: Query
) -> None:
    gone = job("gone")
    await store.insert([gone], now_ms=NOW)
    await store.change([Delete(where=JobQuery(ids=(gone.id,)))], now_ms=NOW)
    await links.run(Lane.OTHER, lambda link: Tidier(dialect_of(links.dsn.names)).tidy(link, NOW + 1))
    assert await query(f"SELECT name FROM {schema}.meter") == [("tenant:gone",)]


def test_a_handle_tidies_once_in_many_steps() -> None:
    tidier = Tidier(dialect_of(Names("any", "")))
    assert [tidier.is_due() for _ in range(2 * TIDY_AFTER)].count(True) == 2
