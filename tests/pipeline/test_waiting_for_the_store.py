"""`start_workers` waits for a server that is away, as `run_worker` does, and for nothing else."""

import asyncio
import logging

import pytest

from longshore import QueueManager, UsageError
from longshore.core.errors import StoreUnavailable
from servers import redis_versions, start_redis
from servers.redis import DURABLE


class Ear(logging.Handler):
    """Hears that a worker waits."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "waits for the store" in record.getMessage():
            self.heard.set()


@pytest.fixture
def ear():
    ear, log = Ear(), logging.getLogger("longshore.worker")
    log.addHandler(ear)
    yield ear
    log.removeHandler(ear)


async def test_start_workers_waits_until_the_server_is_there(ear, tmp_path):
    """S3.19"""
    with start_redis(redis_versions()[-1], tmp_path, settings=DURABLE) as server:
        await asyncio.to_thread(server.stop)
        manager = QueueManager(server.url)
        async with asyncio.timeout(30):
            starting = asyncio.create_task(manager.start_workers(["q"]))
            await ear.heard.wait()
            with pytest.raises(UsageError, match="Workers run already"):
                await manager.start_workers(["q"])
            await asyncio.to_thread(server.start)
            await starting
            assert (await manager.get_status()).running
            await manager.shutdown(timeout=0)


async def test_a_shutdown_ends_the_waiting_for_a_server(ear, tmp_path):
    """S3.19"""
    with start_redis(redis_versions()[-1], tmp_path, settings=DURABLE) as server:
        await asyncio.to_thread(server.stop)
        manager = QueueManager(server.url)
        starting = asyncio.create_task(manager.start_workers(["q"]))
        async with asyncio.timeout(30):
            await ear.heard.wait()
            await manager.shutdown(timeout=0)
            await starting


async def test_what_is_no_absence_is_told_at_once(tmp_path):
    folder = tmp_path / "jobs.db"
    folder.mkdir()
    manager = QueueManager(f"sqlite:///{folder}")
    with pytest.raises(StoreUnavailable):
        await manager.start_workers(["q"])
    await manager.shutdown(timeout=0)
