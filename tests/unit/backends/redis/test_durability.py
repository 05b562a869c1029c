"""Durability: what servers reach unasked, what can be asked for, and what happens when it is not confirmed."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longshore.backends.redis import links as links_module
from longshore.backends.redis.durability import level, refuse_unreachable
from longshore.backends.redis.links import Call, Links, Script
from longshore.backends.redis.standing import Standing
from longshore.backends.redis.url import Host
from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption, NotDurable, StoreUnavailable
from servers import redis_versions, start_redis
from servers.sentinel import Sentinel
from servers.server import Server
from tests.unit.backends.redis.conftest import GET, SET, Connect, key, with_deadline

HOST = Host("127.0.0.1", 6379)
LOGGED = {"appendonly": "yes", "appendfsync": "everysec"}
OLD, NEW = redis_versions()[0], redis_versions()[-1]


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Starts a server whose log is synced once a second."""
    started: list[Server] = []

    def start(version: str) -> Server:
        started.append(start_redis(version, tmp_path, settings=LOGGED))
        return started[-1]

    yield start
    for server in started:
        server.close()


async def add(links: Links, asked: Durability, value: int = 1) -> object:
    [reply] = await links.call_each([Call(SET, [key(links)], [value])], durability=asked)
    return reply


@pytest.mark.parametrize(
    ("standing", "reached"),
    [
        (Standing(host=HOST, has_aof=True, fsync="always"), Durability.FSYNC),
        (Standing(host=HOST, has_aof=True, fsync="everysec"), Durability.OS),
        (Standing(host=HOST, has_aof=True, fsync="no"), Durability.OS),
        (Standing(host=HOST, has_aof=True, fsync=None), Durability.OS),
        (Standing(host=HOST, has_aof=False, has_snapshots=True), Durability.MEMORY),
        (Standing(host=HOST, has_aof=False, replicas=2), Durability.MEMORY),
    ],
)
def test_what_a_write_reaches_unasked_is_said_by_the_log(standing: Standing, reached: Durability):
    assert level([standing]) is reached


def test_the_weakest_server_decides():
    strong, weak = Standing(host=HOST), Standing(host=HOST, has_aof=False)
    assert level([strong, weak]) is Durability.MEMORY
    assert level([]) is Durability.MEMORY


def test_what_can_never_be_confirmed_is_refused():
    old = Standing(host=HOST, version=(7, 0, 15), fsync="everysec")
    with pytest.raises(InvalidOption, match=r"at most 'os'.*appendfsync everysec, 0 replicas"):
        refuse_unreachable(Durability.FSYNC, [old])
    with pytest.raises(InvalidOption, match="at most 'fsync'"):
        refuse_unreachable(Durability.REPLICATED, [Standing(host=HOST)])
    refuse_unreachable(Durability.OS, [old])
    refuse_unreachable(Durability.FSYNC, [Standing(host=HOST, version=(7, 2), fsync="everysec")])


async def test_a_new_server_confirms_that_it_is_on_the_disk(
    logged: Callable[[str], Server], connect: Connect
):
    links = await connect(logged(NEW).url)
    assert links.durability is Durability.OS
    assert await add(links, Durability.FSYNC) == b"OK"


async def test_an_old_server_that_cannot_confirm_stores_nothing(
    logged: Callable[[str], Server], connect: Connect
):
    links = await connect(logged(OLD).url)
    with pytest.raises(InvalidOption, match="'durability'"):
        await add(links, Durability.FSYNC)
    assert await links.call(GET, [key(links)], []) is None


async def test_what_is_reached_anyway_costs_no_more_round_trips(
    logged: Callable[[str], Server], connect: Connect
):
    links = await connect(logged(OLD).url)
    await add(links, Durability.OS)
    before = links.journeys
    await add(links, Durability.OS)
    assert links.journeys == before + 1


async def test_many_callers_share_the_seconds_of_the_disk(logged: Callable[[str], Server], connect: Connect):
    links = await connect(logged(NEW).url)
    began = time.monotonic()
    assert await asyncio.gather(*(add(links, Durability.FSYNC, n) for n in range(50))) == [b"OK"] * 50
    assert time.monotonic() - began < 10  # not a second for each


async def test_a_replica_confirms_what_it_has(redis_sentinel: Sentinel, connect: Connect):
    links = await connect(redis_sentinel.url)
    assert await add(links, Durability.REPLICATED) == b"OK"


async def test_a_replica_that_does_not_answer_is_told_and_the_job_is_stored(tmp_path: Path, connect: Connect):
    with start_redis(NEW, tmp_path, settings={"repl-diskless-sync-delay": "0"}) as master:
        settings = {"replicaof": f"127.0.0.1 {master.port}"}
        with start_redis(NEW, tmp_path, settings=settings) as replica:
            links = await connect(master.url)
            async with asyncio.timeout(20):
                while b"state=online" not in await links.command("INFO", "replication"):
                    await links.clock.sleep(0.01)
            await links.take_stock()
            assert await add(links, Durability.REPLICATED) == b"OK"
            replica.freeze()
            with_deadline(links, 1)
            with pytest.raises(NotDurable, match=r"are stored.*answered 0 to WAIT"):
                await add(links, Durability.REPLICATED, 2)
            replica.thaw()
            with_deadline(links, 10)
            assert await links.call(GET, [key(links)], []) == b"2"
            assert await add(links, Durability.REPLICATED, 2) == b"OK"


async def test_a_repeat_that_writes_nothing_is_confirmed_no_sooner(tmp_path: Path, connect: Connect):
    """The server waits for a connection's last write, and a repeat has none of its own."""
    once = Script("once", "return redis.call('SET', KEYS[1], ARGV[1], 'NX')", is_repeatable=True)
    with start_redis(NEW, tmp_path, settings={"repl-diskless-sync-delay": "0"}) as master:
        settings = {"replicaof": f"127.0.0.1 {master.port}"}
        with start_redis(NEW, tmp_path, settings=settings) as replica:
            links = await connect(master.url)
            async with asyncio.timeout(20):
                while b"state=online" not in await links.command("INFO", "replication"):
                    await links.clock.sleep(0.01)
            await links.take_stock()
            replica.freeze()
            with_deadline(links, 1)
            await links.call(once, [key(links)], ["x"])
            for _ in range(2):
                with pytest.raises(NotDurable):
                    await links.call_each([Call(once, [key(links)], ["x"])], durability=Durability.REPLICATED)
            replica.thaw()


async def test_settings_that_have_changed_are_seen_by_who_asks(
    logged: Callable[[str], Server], connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(links_module, "STOCK_SECONDS", 0.0)
    links = await connect(logged(OLD).url)
    with pytest.raises(InvalidOption):
        await add(links, Durability.FSYNC)
    await links.command("CONFIG", "SET", "appendfsync", "always")
    assert await add(links, Durability.FSYNC) == b"OK"
    await links.command("CONFIG", "SET", "appendfsync", "everysec")
    with pytest.raises(InvalidOption):
        await add(links, Durability.FSYNC)


async def test_a_store_that_is_gone_is_unavailable_and_not_merely_unsure(
    logged: Callable[[str], Server], connect: Connect
):
    server = logged(NEW)
    links = await connect(server.url)
    server.stop()
    with pytest.raises(StoreUnavailable, match="unreachable"):
        await add(links, Durability.FSYNC)


async def test_a_flushed_script_is_confirmed_all_the_same(logged: Callable[[str], Server], connect: Connect):
    links = await connect(logged(NEW).url)
    await links.command("SCRIPT", "FLUSH")
    assert await add(links, Durability.FSYNC) == b"OK"
