"""Every statement is understood by every version of PostgreSQL that is promised."""

import asyncpg
import pytest

from longshore.backends.postgres.naming import Names
from longshore.backends.postgres.statements import statements
from longshore.backends.postgres.store import PostgresStore
from servers import running


@pytest.mark.parametrize("major", running.postgres_majors())
async def test_each_version_understands_each_statement(major: str) -> None:
    server = running.postgres(major)
    store = PostgresStore(server.url, schema="statements")
    await store.open()
    connection = await asyncpg.connect(server.url)
    refused = {}
    asked = statements(Names("statements", ""))
    lone = {name: statement for name, statement in asked.items() if name != "schema_patience"}  # two commands
    try:
        for name, statement in lone.items():
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
    finally:
        await connection.execute("DROP SCHEMA statements CASCADE")
        await connection.close()
        await store.close()
    assert refused == {}
