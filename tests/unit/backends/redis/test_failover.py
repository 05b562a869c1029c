"""Servers that take over from each other: Sentinels name another master, a Cluster moves slots and loses nodes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from longshore.backends.redis.links import Call, Links
from longshore.backends.redis.listening import listen
from longshore.backends.redis.slots import slot_of
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Wake, WakeKind
from servers import redis_versions, start_cluster, start_sentinel
from servers.ports import free_port
from servers.redis import FAST, prepare
from servers.sentinel import Sentinel
from servers.server import Group, Server
from tests.unit.backends.redis.conftest import ADD, SET, Connect, key, with_deadline

PATIENCE = 30
NEW = redis_versions()[-1]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what another process does."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.02)


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Sentinel]:
    group = start_sentinel(tmp_path)
    yield group
    group.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Group]:
    group = start_cluster(tmp_path)
    yield group
    group.close()


async def test_calls_wait_for_the_new_master_when_the_old_one_dies(sentinel: Sentinel, connect: Connect):
    """A9."""
    links = await connect(sentinel.url)
    await links.call(SET, [key(links)], ["x"])
    listener = await listen(links, [WakeKind.PENDING], ["q"])
    sentinel.master.kill()
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*(links.call(SET, [key(links)], [n]) for n in range(20)))
        assert answers == [b"OK"] * 20
        assert await listener.wait(PATIENCE) == [Wake(WakeKind.PENDING, "q")]
    assert sentinel.master_port() == sentinel.replica.port
    await listener.close()


async def test_a_switch_while_the_old_master_lives_is_followed(sentinel: Sentinel, connect: Connect):
    """A9."""
    links = await connect(sentinel.url)
    watcher = await connect(f"redis://127.0.0.1:{sentinel.sentinels[0].port}/0")
    await links.call(SET, [key(links)], ["x"])
    await watcher.command("SENTINEL", "FAILOVER", "longshore")

    async def is_named() -> bool:
        return sentinel.master_port() == sentinel.replica.port

    await until(is_named)
    old, new = await connect(sentinel.master.url), await connect(sentinel.replica.url)
    await old.command("REPLICAOF", "127.0.0.1", sentinel.replica.port)  # as Sentinel does within ten seconds
    assert await links.call(ADD, [key(links, name="n")], [1]) == 1  # READONLY, so it was not done
    assert await links.call(SET, [key(links)], ["y"]) == b"OK"
    assert await new.command("GET", key(links)) == b"y"


async def test_a_sentinel_that_is_gone_is_passed_over(sentinel: Sentinel, connect: Connect):
    nobody = free_port()
    links = await connect(
        f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{sentinel.sentinels[0].port}/longshore"
    )
    assert await links.call(SET, [key(links)], ["x"]) == b"OK"


async def test_a_master_that_no_sentinel_knows_is_named(sentinel: Sentinel, connect: Connect):
    url = sentinel.url.replace("/longshore/", "/typo/")
    with pytest.raises(StoreUnavailable, match="no Sentinel knows a master 'typo'"):
        await connect(url)


async def test_without_any_sentinel_the_store_is_unreachable_at_its_deadline(connect: Connect):
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StoreUnavailable, match="unreachable"):
            await connect(f"redis+sentinel://127.0.0.1:{free_port()}/m", deadline_seconds=0.3)


async def nodes_of(cluster: Group, connect: Connect) -> list[tuple[Links, bytes]]:
    """Each member alone, with its id."""
    alone = [await connect(member.url) for member in cluster.members]
    return [(links, await links.command("CLUSTER", "MYID")) for links in alone]


async def owner_first(cluster: Group, connect: Connect, slot: int) -> list[tuple[Links, bytes]]:
    """The members, beginning with the one that has the slot."""
    nodes = await nodes_of(cluster, connect)
    slots = await nodes[0][0].command("CLUSTER", "SLOTS")
    owner = next(master[2] for first, last, master, *_ in slots if first <= slot <= last)
    return sorted(nodes, key=lambda node: node[1] != owner)


async def test_a_slot_that_moves_is_followed_while_it_moves_and_after(cluster: Group, connect: Connect):
    links = await connect(cluster.url)
    slot = slot_of(key(links))
    assert await links.call(ADD, [key(links)], [1]) == 1
    (old, old_id), (new, new_id), *others = await owner_first(cluster, connect, slot)
    await new.command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
    await old.command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
    port = new.address.hosts[0].port
    await old.command("MIGRATE", "127.0.0.1", port, key(links), 0, 5000)
    assert await links.call(ADD, [key(links)], [1]) == 2  # ASK
    for node in (new, old, *(other for other, _ in others)):
        await node.command("CLUSTER", "SETSLOT", slot, "NODE", new_id)
    assert await links.call(ADD, [key(links)], [1]) == 3  # MOVED
    before = links.journeys
    assert await links.call_each([Call(ADD, [key(links)], [1])] * 2) == [4, 5]
    assert links.journeys == before + 1


async def test_a_node_that_restarts_is_waited_for(cluster: Group, connect: Connect):
    links = await connect(cluster.url)
    calls = [Call(SET, [key(links, queue)], ["x"]) for queue in "abcdefgh"]
    await links.call_each(calls)
    member = cluster.members[0]
    member.kill()
    waiting = asyncio.create_task(links.call_each(calls))
    await asyncio.to_thread(member.start)
    async with asyncio.timeout(PATIENCE):
        assert await waiting == [b"OK"] * 8


async def test_a_replica_that_is_promoted_serves_its_slots(cluster: Group, tmp_path: Path, connect: Connect):
    """A9."""
    first = cluster.members[0]
    settings = {
        **FAST,
        "cluster-enabled": "yes",
        "cluster-config-file": "nodes.conf",
        "cluster-node-timeout": "1000",
    }
    replica = prepare(NEW, tmp_path, free_port(), settings)
    replica.start()
    try:
        await _replicate(first, replica, connect)
        links = await connect(cluster.url, deadline_seconds=PATIENCE)
        calls = [Call(SET, [key(links, queue)], ["x"]) for queue in "abcdefgh"]
        await links.call_each(calls)
        first.kill()
        async with asyncio.timeout(PATIENCE):
            assert await links.call_each(calls) == [b"OK"] * 8
    finally:
        replica.close()


async def _replicate(master: Server, replica: Server, connect: Connect) -> None:
    copy, original = await connect(replica.url), await connect(master.url)
    known = await original.command("CLUSTER", "MYID")
    await copy.command("CLUSTER", "MEET", "127.0.0.1", master.port, master.port + 10_000)

    async def is_met() -> bool:
        return known in await copy.command("CLUSTER", "NODES") and (
            b"cluster_known_nodes:4" in await copy.command("CLUSTER", "INFO")
        )

    async def is_in_step() -> bool:
        return b"state=online" in await original.command("INFO", "replication")

    await until(is_met)
    await copy.command("CLUSTER", "REPLICATE", known)
    await until(is_in_step)


async def test_a_cluster_that_lacks_a_server_for_a_slot_says_so(cluster: Group, connect: Connect):
    links = await connect(cluster.url)
    slot = slot_of(key(links))
    (owner, _), *_ = await owner_first(cluster, connect, slot)
    await owner.command("CLUSTER", "DELSLOTS", slot)
    with_deadline(links, 1)
    with pytest.raises(StoreUnavailable, match=r"unreachable: .*see CLUSTER INFO"):
        await links.call(SET, [key(links)], ["x"])
