"""Workers on a PostgreSQL that is restarted, killed, made read-only or out of reach: none exits, and no job is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from longshore import QueueManager
from longshore.core.errors import StoreUnavailable
from servers.postgres import REPLICATING, postgres_versions, start_postgres, start_standby
from servers.proxy import Proxy
from servers.server import ServerLike

JOBS = 1000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerLike]:
    """A server that a test may stop."""
    with start_postgres(postgres_versions()[-1], tmp_path_factory.mktemp("server")) as started:
        yield started


class Load:
    """Jobs that are added and worked on while something happens to the server."""

    def __init__(self, manager: QueueManager) -> None:
        self.manager = manager
        self.seen: list[int] = []
        self.many = asyncio.Event()
        self.more = asyncio.Event()

        @manager.queue("load").task(retry=5)
        async def work(number: int) -> int:
            self.seen.append(number)
            self.more.set()
            if len(self.seen) >= JOBS // 4:
                self.many.set()
            return number

        self.work = work

    async def add(self) -> list[object]:
        """All jobs, by ten callers; what was refused is added again until it is not."""
        return await asyncio.gather(*(self._add(range(caller, JOBS, 10)) for caller in range(10)))

    async def _add(self, numbers: range) -> list[object]:
        return [await self._add_one(number) for number in numbers]

    async def _add_one(self, number: int) -> object:
        while True:
            try:
                return await self.work.enqueue(number)
            except StoreUnavailable:
                await asyncio.sleep(0)

    async def refusal(self) -> str:
        """What the store says when it takes no more."""
        while True:
            try:
                await self.work.enqueue(0)
            except StoreUnavailable as error:
                return error.reason

    async def end(self) -> None:
        """Everything that was added has run."""
        await self.manager.drain(40)
        assert set(self.seen) == set(range(JOBS))


@contextlib.asynccontextmanager
async def working(url: str) -> AsyncIterator[Load]:
    """Workers, and what they work on."""
    async with QueueManager(url, lease=3, grace=5, poll=0.5) as manager:
        load = Load(manager)
        await manager.start_workers(concurrency=8)
        yield load


@pytest.fixture
async def load(server: ServerLike, proxy: Proxy, request: pytest.FixtureRequest) -> AsyncIterator[Load]:
    schema = f"load_{request.node.name.removeprefix('test_')[:40]}"
    url = f"{proxy.url_for(server.url)}?schema={schema}&deadline=2"
    async with working(url) as load:
        yield load


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        yield proxy


async def ask(server: ServerLike, *statements: str) -> None:
    connection = await asyncpg.connect(server.url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_a_server_that_is_killed_and_started_again_loses_no_job(load: Load, server: ServerLike) -> None:
    """S3.19: kill -9 of the whole server, in the middle of the load, twice."""
    adding = asyncio.create_task(load.add())
    await load.many.wait()
    for _ in range(2):
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    await adding
    await load.end()


async def test_backends_that_are_terminated_again_and_again_lose_no_job(
    load: Load, server: ServerLike
) -> None:
    adding = asyncio.create_task(load.add())
    await load.many.wait()
    for _ in range(10):
        await ask(
            server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'longshore %'",
        )
    await adding
    await load.end()


async def test_a_server_that_was_read_only_for_a_while_is_written_again_at_once(
    load: Load, server: ServerLike
) -> None:
    """S3.19: every connection of before the flip is dropped when the first one is refused."""
    adding = asyncio.create_task(load.add())
    await load.many.wait()
    await ask(server, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    assert "read-only" in await load.refusal()
    await ask(
        server,
        "SET default_transaction_read_only = off",
        "ALTER SYSTEM RESET default_transaction_read_only",
        "SELECT pg_reload_conf()",
    )
    await adding
    await load.end()


async def test_workers_go_on_two_deadlines_after_a_black_hole(load: Load, proxy: Proxy) -> None:
    """S3.19: connections that swallow everything for ever, and never say so."""
    adding = asyncio.create_task(load.add())
    await load.many.wait()
    proxy.swallow()
    await asyncio.wait({adding}, timeout=0.5)  # what had arrived already is done with
    load.more.clear()
    async with asyncio.timeout(2 * 2 + 2):  # two deadlines, and room for a slow machine
        await load.more.wait()
    await adding
    await load.end()


async def test_workers_follow_from_a_primary_that_died_to_the_standby_that_was_promoted(
    tmp_path: Path,
) -> None:
    """S3.19: both are in the URL. Jobs that only the old primary knew would be lost, so it waits for the standby."""
    version = postgres_versions()[-1]
    with (
        start_postgres(version, tmp_path, settings=REPLICATING) as primary,
        start_standby(primary, tmp_path) as standby,
    ):
        await ask(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        head, _, first = primary.url.rpartition("@")
        second = standby.url.rpartition("@")[2]
        async with working(f"{head}@{second.partition('/')[0]},{first}?deadline=2") as load:
            adding = asyncio.create_task(load.add())
            await load.many.wait()
            await asyncio.to_thread(primary.kill)
            await ask(standby, "ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_promote()")
            await adding
            await load.end()
