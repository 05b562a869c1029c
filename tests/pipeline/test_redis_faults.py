"""Workers on a Redis that restarts, forgets its scripts, drops connections, goes silent, fills up or turns unsafe."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from longshore import QueueManager, State, StoreUnavailable
from longshore.core.errors import UnsafeStore
from longshore.upkeep import inspector
from servers import redis_versions, start_cluster, start_redis, start_sentinel
from servers.proxy import Proxy
from servers.redis import DURABLE
from servers.server import Server

PATIENCE = 50
JOBS = 300


@pytest.fixture(params=[redis_versions()[0], redis_versions()[-1]])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A durable server that the test may hurt."""
    with start_redis(request.param, tmp_path, settings=DURABLE) as server:
        yield server


class Shop:
    """A manager with workers, and how often each job ran."""

    def __init__(self, manager: QueueManager) -> None:
        self.manager = manager
        self.runs: dict[int, int] = {}
        self.half = asyncio.Event()
        self.never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        @manager.task(queue="q")
        async def count(n: int) -> None:
            self.runs[n] = self.runs.get(n, 0) + 1
            if len(self.runs) >= JOBS // 2:
                self.half.set()
            await asyncio.sleep(0)

        self.count = count

    async def half_done(self) -> None:
        """Starts the workers; returns when half of the jobs have run."""
        await self.manager.start_workers(concurrency=4)
        async with asyncio.timeout(PATIENCE):
            await self.half.wait()

    async def all_done(self) -> None:
        """Returns when every job is completed, whatever the store answers meanwhile."""
        async with asyncio.timeout(PATIENCE):
            while await self._completed() < JOBS:
                await asyncio.wait([self.never], timeout=0.02)
        assert set(self.runs) == set(range(JOBS))

    async def _completed(self) -> int:
        try:
            return (await self.manager.get_stats()).completed
        except StoreUnavailable:
            return 0


@asynccontextmanager
async def shop(url: str) -> AsyncIterator[Shop]:
    async with QueueManager(url, grace=5, lease=4, poll=0.5) as manager:
        opened = Shop(manager)
        await opened.count.enqueue_many([(n,) for n in range(JOBS)])
        yield opened


@asynccontextmanager
async def operator(server: Server) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    try:
        yield client
    finally:
        await client.aclose()


async def test_workers_outlive_restarts_of_the_server_and_lose_nothing(server: Server):
    """A8."""
    async with shop(server.url) as opened:
        await opened.half_done()
        for _ in range(3):
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        await opened.all_done()


async def test_workers_outlive_killed_connections_and_flushed_scripts(server: Server):
    """A8."""
    async with shop(server.url) as opened, operator(server) as redis:
        await opened.half_done()
        for _ in range(5):
            await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await redis.script_flush()
        await opened.all_done()
        assert max(opened.runs.values()) == 1 or sum(opened.runs.values()) <= JOBS + 5 * 4


async def test_workers_outlive_connections_that_went_silent(server: Server):
    """A8: back within two deadlines."""
    with Proxy() as proxy:
        async with shop(f"{proxy.url_for(server.url)}?deadline=1") as opened:
            await opened.half_done()
            proxy.swallow()
            async with asyncio.timeout(15):
                await opened.all_done()


async def test_workers_outlive_lost_replies_and_lose_nothing(server: Server):
    """A8."""
    with Proxy() as proxy:
        async with shop(proxy.url_for(server.url)) as opened:
            await opened.half_done()
            proxy.drop_replies(0.1)
            await opened.all_done()
            proxy.heal()


async def test_workers_follow_a_failover(tmp_path: Path):
    """A9: what the replica had not heard of before its master died runs again, and nothing is lost."""
    group = start_sentinel(tmp_path)
    try:
        async with shop(group.url) as opened:
            await opened.half_done()
            await asyncio.to_thread(group.master.kill)
            await opened.all_done()
            assert group.master_port() == group.replica.port
    finally:
        group.close()


async def test_workers_outlive_a_restart_of_a_cluster(tmp_path: Path):
    """A8."""
    group = start_cluster(tmp_path, settings=DURABLE)
    try:
        async with shop(group.url) as opened:
            await opened.half_done()
            await asyncio.to_thread(group.kill)
            await asyncio.to_thread(group.start)
            await opened.all_done()
    finally:
        group.close()


async def test_no_worker_starts_where_jobs_may_be_evicted(server: Server):
    """A10."""
    async with operator(server) as redis, QueueManager(server.url) as manager:
        await redis.config_set("maxmemory-policy", "volatile-lru")
        manager.register_processor("q", lambda job: None)
        with pytest.raises(UnsafeStore, match=r"volatile-lru.*CONFIG SET maxmemory-policy noeviction"):
            await manager.start_workers()
    async with QueueManager(server.url, unsafe_store=True) as manager:
        manager.register_processor("q", lambda job: None)
        await manager.run_until_empty(10)


async def test_a_policy_that_turns_unsafe_under_a_running_worker_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    """A10."""
    monkeypatch.setattr(inspector, "PAUSE_SECONDS", 0.02)
    async with operator(server) as redis, QueueManager(server.url) as manager:
        told: asyncio.Queue[str] = asyncio.Queue()
        manager.on("unsafe", lambda event: told.put_nowait(event.data["finding"].code))
        manager.register_processor("q", lambda job: None)
        await manager.start_workers()
        await (await manager.add_job("q", "t", None)).result(PATIENCE)  # the worker is at work
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        async with asyncio.timeout(PATIENCE):
            assert await told.get() == "evicting-policy"


async def test_jobs_are_finished_while_no_memory_is_left_for_new_ones(server: Server):
    """A10."""
    async with shop(server.url) as opened, operator(server) as redis:
        await redis.setrange("of somebody else", 40_000_000, "x")
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", round(used / 0.9))
        late = QueueManager(server.url)
        with pytest.raises(StoreUnavailable, match="full"):
            await late.add_job("q", "count", {"n": 0})
        await late.shutdown()
        await opened.manager.start_workers(concurrency=4)
        await opened.all_done()


async def test_a_job_may_ask_to_be_on_the_disk(tmp_path: Path):
    settings = {**DURABLE, "appendfsync": "everysec"}
    with start_redis(redis_versions()[-1], tmp_path, settings=settings) as server:
        async with QueueManager(server.url) as manager:

            @manager.task(queue="q")
            async def pay() -> None: ...

            job = await pay.options(durability="fsync").enqueue()
            await job.refresh()
            assert job.state is State.PENDING


async def test_the_user_that_the_docs_advise_may_do_all_that_is_needed(server: Server):
    page = (Path(__file__).parents[2] / "docs/how-to/redis.md").read_text()
    [rule] = re.findall(r"^ACL SETUSER ([^`]*)", page, re.MULTILINE)
    words = [word for word in rule.split() if word != "+waitaof" or "valkey" in server.version]
    async with operator(server) as redis:
        await redis.execute_command("ACL", "SETUSER", *words)
    async with shop(server.url.replace("redis://", "redis://longshore:secret@")) as opened:
        await opened.half_done()
        await opened.all_done()
        store = await opened.manager.store()
        assert await store.examine() == []
