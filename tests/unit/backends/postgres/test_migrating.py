"""Making the schema: one of many makes it, nobody makes it twice, and whoever may not is told what to do."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from longshore.backends.postgres.links import Lane, Links
from longshore.backends.postgres.url import parse
from longshore.core.clock import SystemClock
from longshore.core.errors import SchemaMismatch, StoreUnavailable
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import MakeLinks, Query

OPEN = """
import asyncio, sys
from longshore.backends.postgres.links import Links
from longshore.backends.postgres.url import parse
from longshore.core.clock import SystemClock

async def main():
    links = Links(parse(sys.argv[1]), SystemClock())
    await links.open()
    await links.close()

asyncio.run(main())
"""


def url_of(postgres: ServerLike, schema: str, **words: str) -> str:
    return f"{postgres.url}?" + "&".join(
        f"{word}={value}" for word, value in {"schema": schema, **words}.items()
    )


def unopened(postgres: ServerLike, schema: str, **words: str) -> Links:
    return Links(parse(url_of(postgres, schema, **words)), SystemClock())


async def versions(query: Query, schema: str, prefix: str = "") -> list[int]:
    return [
        version
        for (version,) in await query(f"SELECT version FROM {schema}.{prefix}schema_version ORDER BY 1")
    ]


async def test_eight_processes_that_open_a_new_store_at_once_make_one_schema(
    postgres: ServerLike, schema: str, query: Query
) -> None:
    command = [sys.executable, "-c", OPEN, url_of(postgres, schema)]
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(8)]
    assert [await process.wait() for process in processes] == [0] * 8
    latest = (await unopened(postgres, schema).migrate(apply=False)).latest
    assert await versions(query, schema) == list(range(1, latest + 1))


async def test_a_schema_that_is_there_already_needs_no_right_to_create_one(
    postgres: ServerLike, schema: str, query: Query
) -> None:
    role = f"{schema}_owner"
    await query(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    await query(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
    own = f"postgresql://{role}:x@{postgres.url.rpartition('@')[2]}?schema={schema}"
    links = Links(parse(own), SystemClock())
    await links.open()
    await links.close()
    assert await versions(query, schema)
    await query(f"DROP OWNED BY {role}")
    await query(f"DROP ROLE {role}")


async def test_a_role_that_may_not_make_tables_is_told_who_must(
    postgres: ServerLike, schema: str, query: Query
) -> None:
    role = f"{schema}_guest"
    await query(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    own = f"postgresql://{role}:x@{postgres.url.rpartition('@')[2]}?schema={schema}"
    with pytest.raises(StoreUnavailable, match=f"role {role} may not create .*longshore migrate"):
        await Links(parse(own), SystemClock()).open()
    links = unopened(postgres, schema)
    await links.open()
    await links.close()
    with pytest.raises(StoreUnavailable, match=f"GRANT USAGE ON SCHEMA {schema} TO {role}"):
        await Links(parse(own), SystemClock()).open()
    await query(f"DROP ROLE {role}")


@pytest.mark.parametrize("prefix", ["", "shop_"])
async def test_what_the_message_grants_is_enough(
    postgres: ServerLike, schema: str, query: Query, prefix: str
) -> None:
    role = f"{schema}_app"
    place = f"{postgres.url}?schema={schema}&prefix={prefix}"
    links = Links(parse(place), SystemClock())
    await links.open()
    await links.close()
    await query(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    own = Links(parse(f"postgresql://{role}:x@{place.rpartition('@')[2]}"), SystemClock())
    with pytest.raises(StoreUnavailable, match=f"unreachable: role {role} may not read") as raised:
        await own.open()
    assert ("ALL TABLES" in str(raised.value)) is (not prefix)
    grants = str(raised.value).partition("run: ")[2].rstrip(".")
    for grant in grants.split("; "):
        await query(grant)
    await own.open()
    await own.run(Lane.OTHER, lambda c: c.fetch(f"DELETE FROM {schema}.{prefix}job"))
    await own.migrate(apply=True)
    await own.close()
    await query(f"DROP OWNED BY {role}")
    await query(f"DROP ROLE {role}")


async def test_two_prefixes_share_a_schema(make_links: MakeLinks, query: Query, schema: str) -> None:
    await make_links(prefix="a_")
    await make_links(prefix="b_")
    assert await versions(query, schema, "a_") == await versions(query, schema, "b_")


async def test_tables_of_somebody_else_are_left_alone(
    postgres: ServerLike, schema: str, query: Query
) -> None:
    await query(f"CREATE SCHEMA {schema}")
    await query(f"CREATE TABLE {schema}.job (mine integer)")
    with pytest.raises(SchemaMismatch, match="prefix"):
        await unopened(postgres, schema).open()
    assert await query(f"SELECT to_regclass('{schema}.schema_version') IS NULL") == [(True,)]
    links = unopened(postgres, schema, prefix="ls_")
    await links.open()
    await links.close()


async def test_a_step_whose_text_was_changed_is_noticed(
    make_links: MakeLinks, postgres: ServerLike, query: Query, schema: str
) -> None:
    await make_links()
    await query(f"UPDATE {schema}.schema_version SET checksum = 'another' WHERE version = 1")
    with pytest.raises(SchemaMismatch, match="another text of schema step"):
        await unopened(postgres, schema).open()


async def test_a_newer_schema_is_refused_by_an_older_longshore(
    make_links: MakeLinks, postgres: ServerLike, query: Query, schema: str
) -> None:
    await make_links()
    await query(f"INSERT INTO {schema}.schema_version VALUES (9999, 'future', 'x')")
    with pytest.raises(SchemaMismatch, match="Upgrade Longshore"):
        await unopened(postgres, schema).open()


async def test_looking_changes_nothing_and_says_what_is_to_be_done(
    postgres: ServerLike, schema: str, query: Query
) -> None:
    found = await unopened(postgres, schema).migrate(apply=False)
    assert (found.version, len(found.pending)) == (0, found.latest)
    assert await query(f"SELECT to_regnamespace('{schema}') IS NULL") == [(True,)]


async def test_the_printed_statements_make_the_same_schema(
    postgres: ServerLike, schema: str, query: Query, make_links: MakeLinks, tmp_path: Path
) -> None:
    """`longshore migrate --sql`, for those who let nobody but themselves change a schema."""
    script = (await unopened(postgres, schema).migrate(apply=False)).sql
    connection = await asyncpg.connect(postgres.url)
    await connection.execute(script)
    await connection.close()
    links = await make_links()
    found = await links.migrate(apply=True)
    assert (found.version, found.pending, found.sql) == (found.latest, (), "")
    found_wrong = {finding.code for finding in await links.examine(contents=True)}
    assert not {"schema-drift", "schema-incomplete"} & found_wrong


async def test_a_migration_that_fails_leaves_nothing(
    postgres: ServerLike, schema: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Links.migrate.__globals__["migrate"].__globals__, "read_steps", broken_steps)
    with pytest.raises(StoreUnavailable, match="no_such_table"):
        await unopened(postgres, schema).migrate(apply=True)
    assert await query(f"SELECT to_regnamespace('{schema}') IS NULL") == [(True,)]


def broken_steps(package: str) -> tuple[object, ...]:
    from longshore.backends.migrations import Step, read_steps

    steps = read_steps(package)
    return (
        *steps,
        Step(len(steps) + 1, "9999_broken", "ALTER TABLE {schema}.no_such_table ADD COLUMN x integer"),
    )
