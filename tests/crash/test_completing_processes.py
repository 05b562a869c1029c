"""A job that completes itself in the application's transaction, and a worker that is killed around the commit."""

import asyncio
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.crash.completing_process import TRANSACTIONS, shop

PROGRAM = Path(__file__).with_name("completing_process.py")


@pytest.fixture(params=["store", "application"])
async def place(request, tmp_path):
    """A URL, an empty table of the application's own, and whose transaction it is written in."""
    urls = {
        "store": lambda: f"sqlite:///{tmp_path}/shop.db",
        "application": lambda: f"{request.getfixturevalue('postgres').url}?schema=t{uuid4().hex}",
    }
    url, table = urls[request.param](), f"orders_{uuid4().hex}"
    manager, _ = shop(url, table, request.param, "on")
    async with TRANSACTIONS[request.param](manager, url) as (_, execute):
        await execute(f"CREATE TABLE {table} (what text)")
    await manager.shutdown()
    return url, table, request.param


def killed(*arguments):
    """Runs a worker until it stands there, and kills it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(PROGRAM), *arguments], **pipes) as worker:
        said = worker.stdout.readline()
        worker.kill()
    return said


@pytest.mark.parametrize(("stands", "crashes"), [("before", 1), ("after", 0)])
async def test_a_worker_that_is_killed_around_the_commit_neither_repeats_nor_loses(place, stands, crashes):
    """B.4: killed before it, nothing is there and another worker does it; killed after it, all is there."""
    url, table, whose = place
    manager, order = shop(url, table, whose, "on")
    job = await order.enqueue()
    assert await asyncio.to_thread(killed, url, table, whose, stands) == "here\n"
    await manager.run_until_empty(30)
    await job.refresh()
    assert (job.state, job.crashes, job.value) == ("completed", crashes, "on" if crashes else "after")
    async with TRANSACTIONS[whose](manager, url) as (_, execute):
        assert [row[0] for row in await execute(f"SELECT what FROM {table}")] == ["boat"]
    await manager.shutdown()
