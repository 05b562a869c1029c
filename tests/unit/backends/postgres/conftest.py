"""Links to a schema of the test's own on a real server, and ways to disturb them."""

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from longshore.backends.postgres.links import Links
from longshore.backends.postgres.url import parse
from longshore.core.clock import SystemClock
from servers import running
from servers.proxy import Proxy
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import MakeLinks, Query


@pytest.fixture
async def schema(postgres: ServerLike) -> AsyncIterator[str]:
    """The name of a schema that nobody else uses, and that is gone after the test."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    connection = await asyncpg.connect(postgres.url)
    await connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    await connection.close()


@pytest.fixture
async def query(postgres: ServerLike) -> AsyncIterator[Query]:
    """Asks the server by a connection of its own."""
    connection = await asyncpg.connect(postgres.url)

    async def ask(statement: str, *values: object) -> list[Any]:
        return [tuple(row) for row in await connection.fetch(statement, *values)]

    yield ask
    await connection.close()


@pytest.fixture
async def make_links(postgres: ServerLike, schema: str) -> AsyncIterator[MakeLinks]:
    """Open links to the test's schema; `url` by another way, `words` for the query of the URL."""
    made: list[Links] = []

    async def make(url: str = postgres.url, **words: object) -> Links:
        query = "&".join(f"{word}={value}" for word, value in {"schema": schema, **words}.items())
        made.append(Links(parse(f"{url}?{query}"), SystemClock()))
        await made[-1].open()
        return made[-1]

    yield make
    for links in made:
        await links.close()


@pytest.fixture
async def links(make_links: MakeLinks) -> Links:
    return await make_links()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        yield proxy


@pytest.fixture(scope="session")
def pooler() -> str:
    """The URL of PgBouncer in transaction mode, or of what treats its clients alike."""
    return running.pgbouncer().url
