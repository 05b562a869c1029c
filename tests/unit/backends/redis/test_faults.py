"""Errors of the server: what they mean for whoever called, whichever version words them."""

import asyncio
from pathlib import Path

import pytest

from longshore.backends.redis.links import Links, Script
from longshore.core.errors import StoreUnavailable
from servers import redis_versions, start_redis
from servers.server import Server
from tests.unit.backends.redis.conftest import GET, SET, Connect, key, with_deadline

SPOILT = {
    "read-only: .*it is a replica; the URL must lead to the master": [("REPLICAOF", "127.0.0.1", "1")],
    "read-only: .*too few replicas": [("CONFIG", "SET", "min-replicas-to-write", "1")],
    "full: .*give it more memory": [("CONFIG", "SET", "maxmemory", "1")],
}


async def spoil(links: Links, commands: list[tuple[str, ...]]) -> None:
    for command in commands:
        await links.command(*command)


async def answer(links: Links) -> object:
    """What a write is answered; None where it is refused."""
    try:
        return await links.call(SET, [key(links)], ["x"])
    except StoreUnavailable:
        return None


@pytest.mark.parametrize(("words", "commands"), SPOILT.items())
async def test_a_write_that_the_server_refuses_says_why(
    words: str, commands: list[tuple[str, ...]], own_server: Server, connect: Connect
):
    links = await connect(own_server.url)
    await spoil(links, commands)
    with pytest.raises(StoreUnavailable, match=words):
        await links.call(SET, [key(links)], ["x" * 1000])


async def test_a_script_that_runs_for_too_long_locks_the_server(own_server: Server, connect: Connect):
    links, other = await connect(own_server.url), await connect(own_server.url)
    with_deadline(links, 0.5)
    await other.command("CONFIG", "SET", "lua-time-limit", "10")
    endless = Script("endless", "while true do end", is_repeatable=False)
    with pytest.raises(StoreUnavailable, match=r"unreachable: .*no answer in time"):
        await links.call(endless, [key(links)], [])
    with pytest.raises(StoreUnavailable, match=r"locked: .*SCRIPT KILL"):
        await other.call(GET, [key(other)], [])
    await other.command("SCRIPT", "KILL")
    with_deadline(links, 10)
    async with asyncio.timeout(20):
        while await answer(links) is None:  # it ends a moment after the command has been answered
            await links.clock.sleep(0.02)


async def test_a_server_that_loads_its_data_is_unreachable_until_it_has(tmp_path: Path, connect: Connect):
    settings = {
        "save": "3600 1",
        "key-load-delay": "20000",
        "loading-process-events-interval-bytes": "1024",
    }
    with start_redis(redis_versions()[-1], tmp_path, settings=settings) as server:
        links = await connect(server.url)
        await links.command("MSET", *(word for n in range(100) for word in (key(links, name=str(n)), "x")))
        await asyncio.to_thread(server.stop)
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        refusals: set[str] = set()
        while not starting.done():
            try:
                await links.call(GET, [key(links, name="7")], [])
            except StoreUnavailable as error:
                refusals.add(str(error).partition(": ")[2])
            await asyncio.wait({starting}, timeout=0.02)
        assert any("it is loading its data" in refusal for refusal in refusals)
        assert await links.call(GET, [key(links, name="7")], []) == b"x"
