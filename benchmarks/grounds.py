"""This module is the ground on which arenas stand: where the store of each kind is, and how one is emptied.

Memory and SQLite need nothing. For PostgreSQL and Redis it is the server of a URL that was given, or a private one
from `servers/` for the time of a run: a durable PostgreSQL, and Redis as it comes. Each arena has a schema or a prefix
of its own there.
"""

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import redis.asyncio

from servers import Server, postgres_versions, start_postgres, start_redis, usual_redis

STORES = ("memory", "sqlite", "postgres", "redis")
ON_SERVERS = ("postgres", "redis")
TRIPS = 2_000
POSTGRES = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB"}


class Ground:
    """Where an arena's store is. Made anew for each arena."""

    def __init__(self, store: str, server: str | None) -> None:
        self.store = store
        self._server = server
        self._name = f"bench{secrets.token_hex(4)}"

    def url(self, folder: Path) -> str:
        """Of the store; a file lies in the folder."""
        if self.store == "memory":
            return "memory://"
        if self._server is None:
            return f"sqlite:///{folder / 'jobs.db'}"
        option = "schema" if self.store == "postgres" else "prefix"
        return f"{self._server}{'&' if '?' in self._server else '?'}{option}={self._name}"

    async def trips(self) -> float:
        """Round trips a second of the bare driver, one after another: for PostgreSQL a commit each, for Redis a SET."""
        if self.store == "postgres":
            return await self._commits()
        async with redis.asyncio.Redis.from_url(self._plain()) as client:
            begin_s = time.perf_counter()
            for number in range(TRIPS):
                await client.set(f"{self._name}:trip", number)
            return TRIPS / (time.perf_counter() - begin_s)

    async def clear(self) -> None:
        """Leaves nothing on the server."""
        if self.store == "postgres":
            connection = await asyncpg.connect(self._plain())
            await connection.execute(f"DROP SCHEMA IF EXISTS {self._name} CASCADE")
            await connection.close()
        elif self.store == "redis":
            async with redis.asyncio.Redis.from_url(self._plain()) as client:
                async for key in client.scan_iter(match=f"{self._name}:*", count=1000):
                    await client.unlink(key)

    async def _commits(self) -> float:
        connection = await asyncpg.connect(self._plain())
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._name}")
        await connection.execute(f"CREATE TABLE {self._name}.trip (n bigint PRIMARY KEY, s text NOT NULL)")
        insert = await connection.prepare(f"INSERT INTO {self._name}.trip VALUES ($1, $2)")
        begin_s = time.perf_counter()
        for number in range(TRIPS):
            await insert.fetch(number, "x" * 100)
        seconds = time.perf_counter() - begin_s
        await connection.close()
        return TRIPS / seconds

    def _plain(self) -> str:
        assert self._server is not None
        return _plain(self._server)


@contextlib.contextmanager
def servers_for(stores: Sequence[str], urls: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """The server of each store that needs one, by the store's name; private ones end with the block."""
    given = {_store_of(url): url for url in urls}
    with contextlib.ExitStack() as running:
        found = dict(given)
        for store in stores:
            if store in ON_SERVERS and store not in found:
                folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="longshore-bench-")))
                found[store] = running.enter_context(_start(store, folder)).url
        yield found


async def versions(servers: Mapping[str, str]) -> dict[str, str]:
    """What the servers say that they are; of Redis with its allocator, on which the speed of scripts depends."""
    found = {}
    if "postgres" in servers:
        connection = await asyncpg.connect(_plain(servers["postgres"]))
        found["postgres"] = str(await connection.fetchval("SHOW server_version"))
        await connection.close()
    if "redis" in servers:
        async with redis.asyncio.Redis.from_url(_plain(servers["redis"])) as client:
            told = await client.info()
        found["redis"] = f"{told.get('valkey_version', told['redis_version'])} with {told['mem_allocator']}"
    return found


def _start(store: str, folder: Path) -> Server:
    if store == "postgres":
        return start_postgres(postgres_versions()[-1], folder, settings=POSTGRES)
    return start_redis(usual_redis(), folder)


def _plain(url: str) -> str:
    return url.partition("?")[0]


def _store_of(url: str) -> str:
    return "redis" if urlsplit(url).scheme.startswith(("redis", "valkey")) else "postgres"
