"""Listeners: what is published comes in, and after a break everything rings once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from longshore.backends.redis import listening
from longshore.backends.redis.links import Links
from longshore.backends.redis.listening import RedisListener, channel, listen
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Wake, WakeKind
from servers.proxy import Proxy
from servers.server import Server, ServerLike
from tests.unit.backends.redis.conftest import Connect

PATIENCE = 20


@asynccontextmanager
async def hearing(
    links: Links, *queues: str, kinds: tuple[WakeKind, ...] = (WakeKind.PENDING,)
) -> AsyncIterator[RedisListener]:
    """A listener, closed in the end; to all queues where none is named."""
    listener = await listen(links, kinds, queues or None)
    try:
        yield listener
    finally:
        await listener.close()


async def publish(links: Links, queue: str, kind: WakeKind = WakeKind.PENDING) -> None:
    """As the scripts do."""
    await links.command("PUBLISH", channel(links.address.prefix, queue, kind), "1")


async def heard(listener: RedisListener) -> list[Wake]:
    """What comes next."""
    async with asyncio.timeout(PATIENCE):
        return await listener.wait(PATIENCE)


async def test_what_is_published_is_heard(links: Links):
    async with hearing(links, "a", "b") as listener:
        await publish(links, "b")
        assert await heard(listener) == [Wake(WakeKind.PENDING, "b")]


async def test_all_queues_are_heard_where_none_is_named_and_only_of_this_prefix(links: Links):
    async with hearing(links) as listener:
        await links.command("PUBLISH", channel("other", "a", WakeKind.PENDING), "1")
        await publish(links, "with:all/the@signs+a-name.may-have")
        assert await heard(listener) == [Wake(WakeKind.PENDING, "with:all/the@signs+a-name.may-have")]


async def test_nothing_to_listen_for_is_no_error(links: Links):
    listener = await listen(links, [], ["a"])
    assert await listener.wait(0) == []
    await listener.close()


async def test_everything_rings_once_when_the_connection_is_back(links: Links):
    async with hearing(links, "a", "b") as named, hearing(links) as unnamed:
        await links.command("CLIENT", "KILL", "TYPE", "pubsub")
        assert await heard(named) == [Wake(WakeKind.PENDING, "a"), Wake(WakeKind.PENDING, "b")]
        assert await heard(unnamed) == [Wake(WakeKind.PENDING, "")]
        await publish(links, "b")
        assert await heard(named) == [Wake(WakeKind.PENDING, "b")]
        assert await heard(unnamed) == [Wake(WakeKind.PENDING, "b")]


async def test_a_restarted_server_is_heard_again(own_server: Server, connect: Connect):
    links = await connect(own_server.url)
    async with hearing(links, "a") as listener:
        own_server.kill()
        own_server.start()
        assert await heard(listener) == [Wake(WakeKind.PENDING, "a")]
        await publish(links, "a")
        assert await heard(listener) == [Wake(WakeKind.PENDING, "a")]


async def test_a_connection_that_died_in_silence_is_found_by_a_ping(
    redis_server: ServerLike, connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listening, "PING_SECONDS", 0.05)
    monkeypatch.setattr(listening, "PONG_SECONDS", 0.2)
    with Proxy() as proxy:
        links = await connect(proxy.url_for(redis_server.url))
        async with hearing(links, "a") as listener:
            proxy.swallow()
            assert await heard(listener) == [Wake(WakeKind.PENDING, "a")]


async def test_a_quiet_connection_that_lives_is_kept(links: Links, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listening, "PING_SECONDS", 0.01)
    async with hearing(links, "a") as listener:
        assert await listener.wait(0.1) == []


async def test_listening_to_a_server_that_is_not_there_is_refused(own_server: Server, connect: Connect):
    links = await connect(own_server.url)
    own_server.stop()
    with pytest.raises(StoreUnavailable, match="unreachable"):
        await listen(links, [WakeKind.PENDING], ["a"])


async def test_closing_the_links_ends_the_waiting(links: Links):
    async with hearing(links, "a") as listener:
        waiting = asyncio.create_task(listener.wait(600))
        await asyncio.sleep(0)
        await links.close()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(StoreUnavailable, match="closed"):
                await waiting


async def test_a_cluster_carries_wake_ups_to_whichever_node_is_listened_to(
    redis_cluster: ServerLike, connect: Connect
):
    links = await connect(redis_cluster.url)
    async with hearing(links, "a", "b", "c", "d") as listener:
        for queue in "abcd":
            await links.command(
                "PUBLISH", channel(links.address.prefix, queue, WakeKind.PENDING), "1", key=queue.encode()
            )
            assert await heard(listener) == [Wake(WakeKind.PENDING, queue)]
