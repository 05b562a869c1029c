"""What the doctor finds on real servers into which something was planted."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from longshore.backends.postgres.links import Links
from longshore.backends.postgres.url import parse
from longshore.core.clock import ManualClock, SystemClock
from servers.postgres import REPLICATING, postgres_versions, start_postgres, start_standby
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import MakeLinks, Query, until


async def codes(links: Links, *, contents: bool = True, long_seconds: float = 300) -> set[str]:
    return {finding.code for finding in await links.examine(contents=contents, long_seconds=long_seconds)}


@pytest.fixture(scope="module")
def good_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerLike]:
    """As PostgreSQL is when nobody has touched its settings."""
    server = start_postgres(postgres_versions()[0], tmp_path_factory.mktemp("good"))
    yield server
    server.close()


@pytest.fixture
async def role(postgres: ServerLike, query: Query, schema: str) -> AsyncIterator[str]:
    """A URL with a role that is no superuser and may create."""
    name = f"{schema}_plain"
    await query(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    await query(f"GRANT CREATE ON DATABASE postgres TO {name}")
    yield f"postgresql://{name}:x@{postgres.url.rpartition('@')[2]}"
    await query(f"DROP OWNED BY {name} CASCADE")
    await query(f"DROP ROLE {name}")


def name_in(url: str) -> str:
    return url.partition("//")[2].partition(":")[0]


async def test_a_good_set_has_no_findings_on_either_version(good_server: ServerLike) -> None:
    connection = await asyncpg.connect(good_server.url)
    await connection.execute(
        "CREATE ROLE jobs LOGIN PASSWORD 'x'; CREATE SCHEMA longshore AUTHORIZATION jobs"
    )
    links = Links(parse(f"postgresql://jobs:x@{good_server.url.rpartition('@')[2]}"), SystemClock())
    await links.open()
    assert await links.examine(contents=True) == []
    await links.close()
    await connection.close()


async def test_a_server_that_was_made_fast_is_an_unsafe_one(tmp_path: Path) -> None:
    hasty = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
    with start_postgres(postgres_versions()[-1], tmp_path, settings=hasty) as server:
        links = Links(parse(server.url), SystemClock())
        await links.open()
        found = await codes(links)
        assert found == await codes(links, contents=False)
        await links.close()
    assert found == {
        "fsync-off",
        "full-page-writes-off",
        "commit-not-synchronous",
        "autovacuum-off",
        "superuser",
    }


async def test_a_plain_role_is_no_superuser(make_links: MakeLinks, role: str) -> None:
    assert "superuser" not in await codes(await make_links(role))


async def test_a_read_only_role_is_found(make_links: MakeLinks, role: str, query: Query) -> None:
    await make_links(role)
    await query(f"ALTER ROLE {name_in(role)} SET default_transaction_read_only = on")
    assert "read-only" in await codes(await make_links(role))


async def test_a_role_whose_commits_do_not_wait_for_the_disk_is_found(
    make_links: MakeLinks, role: str, query: Query
) -> None:
    await query(f"ALTER ROLE {name_in(role)} SET synchronous_commit = off")
    assert "commit-not-synchronous" in await codes(await make_links(role))


async def test_an_index_that_is_gone_and_a_column_that_changed_are_found(
    links: Links, query: Query, schema: str
) -> None:
    [(index,)] = await query(
        "SELECT indexname FROM pg_indexes WHERE schemaname = $1 AND indexname NOT LIKE '%pkey' ORDER BY 1 LIMIT 1",
        schema,
    )
    await query(f"DROP INDEX {schema}.{index}")
    await query(f"ALTER TABLE {schema}.job ALTER COLUMN name DROP NOT NULL")
    [drift] = [finding for finding in await links.examine(contents=True) if finding.code == "schema-drift"]
    assert f"index {index} (missing)" in drift.problem
    assert "column job.name (text instead of text NOT NULL)" in drift.problem
    await query(f"DROP TABLE {schema}.log")
    [lack] = [
        finding for finding in await links.examine(contents=True) if finding.code == "schema-incomplete"
    ]
    assert "table log" in lack.problem


async def test_looking_for_drift_leaves_nothing_behind(links: Links, query: Query) -> None:
    await codes(links)
    left = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"
    assert await query(left) == [(0,)]


async def test_whoever_holds_a_transaction_open_is_named(
    links: Links, postgres: ServerLike, query: Query
) -> None:
    none_else = "SELECT count(*) = 1 FROM pg_stat_activity WHERE xact_start IS NOT NULL AND datid IS NOT NULL"
    await until(query, none_else)  # other tests left statements to their time-outs
    culprit = await asyncpg.connect(postgres.url, server_settings={"application_name": "forgotten"})
    await culprit.execute("BEGIN; SELECT 1")
    findings = await links.examine(contents=False, long_seconds=0)
    [found] = [finding for finding in findings if finding.code == "long-transaction"]
    assert f"pid {culprit.get_server_pid()}, forgotten, idle in transaction" in found.problem
    await culprit.close()


async def test_a_table_that_autovacuum_leaves_alone_is_found(links: Links, query: Query, schema: str) -> None:
    await query(f"ALTER TABLE {schema}.job SET (autovacuum_enabled = off)")
    assert "autovacuum-off" in await codes(links)


async def test_a_pool_that_is_too_small_is_found(make_links: MakeLinks) -> None:
    assert "tiny-pool" in await codes(await make_links(pool=1))


async def test_a_clock_that_is_wrong_is_found(links: Links) -> None:
    links._clock = ManualClock()
    assert "clock-skew" in await codes(links)


async def test_a_pooler_without_another_way_to_listen_is_found(
    make_links: MakeLinks, pooler: str, postgres: ServerLike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longshore.backends.postgres.echoing.ECHO_SECONDS", 0.2)
    assert {"no-wake-ups", "pooled-settings"} <= await codes(await make_links(pooler))
    found = await codes(await make_links(pooler, notify=quote(postgres.url, safe="")))
    assert "no-wake-ups" not in found


async def test_a_server_that_is_nearly_full_is_found(tmp_path: Path) -> None:
    """On a server of its own: whoever else is on one that is full finds no connection."""
    with start_postgres(postgres_versions()[-1], tmp_path, settings={"max_connections": "30"}) as server:
        links = Links(parse(server.url), SystemClock())
        await links.open()
        others: list[asyncpg.Connection] = []
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                others.append(await asyncpg.connect(server.url))
        for other in others[:5]:
            await other.close()
        assert "few-connections" in await codes(links)
        for other in others[5:]:
            await other.close()
        await links.close()


async def test_a_standby_is_found_to_take_no_writes(tmp_path: Path) -> None:
    version = postgres_versions()[-1]
    with (
        start_postgres(version, tmp_path, settings=REPLICATING) as primary,
        start_standby(primary, tmp_path) as standby,
    ):
        links = Links(parse(primary.url), SystemClock())
        await links.open()
        await links.close()
        connection = await asyncpg.connect(standby.url)
        await until(connection.fetch, "SELECT to_regclass('longshore.ear') IS NOT NULL")
        await connection.close()
        links = Links(parse(standby.url), SystemClock())
        await links.open()
        assert "replica" in await codes(links)
        await links.close()
