"""The doctor and Redis: every planted misconfiguration is found, and a good set has none."""

from pathlib import Path

import msgspec
import pytest

from longshore.backends.redis.examining import examine, judge
from longshore.backends.redis.links import Links
from longshore.backends.redis.standing import Standing, read_standing
from longshore.backends.redis.url import Host, read_url
from longshore.core.clock import ManualClock
from longshore.store.replies import Finding
from servers import redis_versions, start_redis
from servers.redis import DURABLE
from servers.sentinel import start_sentinel
from servers.server import Server, ServerLike
from tests.unit.backends.redis.conftest import Connect

HERE = Host("127.0.0.1", 6379)
FAR = Host("10.0.0.7", 6379)
ALONE = "redis://127.0.0.1/0"
EVICTING = [
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
]


def codes(found: list[Finding], level: str | None = None) -> set[str]:
    return {finding.code for finding in found if level in {None, finding.level}}


@pytest.mark.parametrize(
    ("planted", "url", "code", "level"),
    [
        ({"policy": "allkeys-lru", "limit_bytes": 1}, ALONE, "evicting-policy", "error"),
        ({"policy": "volatile-ttl"}, ALONE, "evicting-policy", "error"),
        ({"policy": None}, ALONE, "policy-hidden", "warning"),
        ({"evicted": 3}, ALONE, "keys-were-evicted", "warning"),
        ({"is_replica": True}, ALONE, "replica", "error"),
        ({"version": (6, 0, 16)}, ALONE, "old-server", "error"),
        ({"is_of_cluster": True}, ALONE, "cluster-alone", "error"),
        (
            {"is_of_cluster": True, "slots_served": 16_000},
            "redis+cluster://127.0.0.1",
            "slots-not-covered",
            "warning",
        ),
        ({"limit_bytes": 100, "used_bytes": 85}, ALONE, "memory-nearly-full", "warning"),
        ({"fsync": "everysec"}, ALONE, "fsync-everysec", "warning"),
        ({"fsync": "no"}, ALONE, "fsync-never", "warning"),
        ({"has_aof": False, "has_snapshots": True}, ALONE, "snapshots-only", "warning"),
        ({"has_aof": False}, ALONE, "no-persistence", "warning"),
        ({"fails_to_save": True}, ALONE, "saving-fails", "warning"),
        ({"replicas": 1}, "redis+sentinel://127.0.0.1/m", "no-min-replicas", "warning"),
        ({"host": FAR}, "redis://:secret@10.0.0.7/0", "no-tls", "warning"),
        ({"host": FAR}, "rediss://10.0.0.7/0", "no-password", "warning"),
        ({"bind": "* -::*", "is_protected": False}, ALONE, "no-password", "warning"),
        ({"bind": "", "is_protected": False}, ALONE, "no-password", "warning"),
        ({"idle_seconds": 5}, ALONE, "idle-timeout", "warning"),
        ({"skew_ms": 1500}, ALONE, "clock-skew", "warning"),
        ({"skew_ms": -1500}, ALONE, "clock-skew", "warning"),
    ],
)
def test_a_planted_misconfiguration_is_the_only_one_that_is_found(
    planted: dict[str, object], url: str, code: str, level: str
):
    """A38."""
    standing = msgspec.structs.replace(Standing(host=HERE), **planted)
    [finding] = judge([standing], read_url(url))
    assert (finding.code, finding.level) == (code, level)
    assert finding.problem.endswith(".")
    assert finding.remedy


@pytest.mark.parametrize(
    ("good", "url"),
    [
        ({}, ALONE),
        ({"bind": "* -::*"}, ALONE),
        ({"bind": "127.0.0.1 -::1", "is_protected": False}, "redis://localhost/0"),
        ({"bind": "* -::*", "is_protected": False}, "redis://:secret@127.0.0.1/0"),
        ({"host": FAR}, "rediss://user:secret@10.0.0.7/0"),
        ({"limit_bytes": 100, "used_bytes": 84, "idle_seconds": 300, "skew_ms": 900}, ALONE),
        ({"replicas": 1, "min_replicas": 1}, "redis+sentinel://127.0.0.1/m"),
        ({"is_of_cluster": True}, "redis+cluster://127.0.0.1"),
        ({"replicas": 1}, ALONE),
        (
            {"fsync": None, "has_snapshots": None, "bind": None, "is_protected": None, "idle_seconds": None},
            ALONE,
        ),
    ],
)
def test_a_good_set_has_no_findings(good: dict[str, object], url: str):
    """A38."""
    assert judge([msgspec.structs.replace(Standing(host=HERE), **good)], read_url(url)) == []


def test_errors_come_before_warnings():
    found = judge([Standing(host=HERE, fsync="no", policy="allkeys-lru")], read_url(ALONE))
    assert [finding.level for finding in found] == ["error", "warning"]


@pytest.mark.parametrize("version", redis_versions())
async def test_a_durable_server_has_no_findings(version: str, tmp_path: Path, connect: Connect):
    """A38."""
    with start_redis(version, tmp_path, settings=DURABLE) as server:
        assert await examine(await connect(server.url)) == []


@pytest.mark.parametrize("policy", EVICTING)
async def test_every_evicting_policy_is_an_error(policy: str, own_newest: Server, connect: Connect):
    """A10."""
    links = await connect(own_newest.url)
    await links.command("CONFIG", "SET", "maxmemory-policy", policy)
    assert codes(await examine(links), "error") == {"evicting-policy"}


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"appendonly": "yes", "appendfsync": "everysec"}, "fsync-everysec"),
        ({"appendonly": "yes", "appendfsync": "no"}, "fsync-never"),
        ({"save": "3600 1"}, "snapshots-only"),
        ({}, "no-persistence"),
        ({**DURABLE, "timeout": "10"}, "idle-timeout"),
        ({**DURABLE, "maxmemory": "1mb"}, "memory-nearly-full"),
    ],
)
@pytest.mark.parametrize("version", redis_versions())
async def test_a_misconfigured_server_is_found(
    version: str, settings: dict[str, str], code: str, tmp_path: Path, connect: Connect
):
    """A38."""
    with start_redis(version, tmp_path, settings=settings) as server:
        assert codes(await examine(await connect(server.url))) == {code}


async def test_a_replica_is_an_error(redis_sentinel: ServerLike, connect: Connect, own_newest: Server):
    links = await connect(own_newest.url)
    await links.command("REPLICAOF", "127.0.0.1", "1")
    assert "replica" in codes(await examine(links), "error")


async def test_a_master_without_min_replicas_is_found_behind_sentinels(tmp_path: Path, connect: Connect):
    group = start_sentinel(tmp_path, settings=DURABLE)
    try:
        links = await connect(group.url)
        assert codes(await examine(links)) == {"no-min-replicas"}
        await links.command("CONFIG", "SET", "min-replicas-to-write", "1")
        assert await examine(links) == []
    finally:
        group.close()


async def test_a_node_of_a_cluster_that_is_used_alone_is_an_error(
    redis_cluster: ServerLike, connect: Connect
):
    host = redis_cluster.url.removeprefix("redis+cluster://").partition(",")[0]
    assert codes(await examine(await connect(f"redis://{host}/0")), "error") == {"cluster-alone"}


async def test_a_user_without_config_still_sees_the_policy(own_newest: Server, connect: Connect):
    """A10."""
    admin = await connect(own_newest.url)
    await admin.command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-config")
    links = await connect(own_newest.url.replace("redis://", "redis://app:pass@"))
    await admin.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert codes(await examine(links), "error") == {"evicting-policy"}


async def test_a_user_who_may_not_see_the_policy_is_warned(own_newest: Server, connect: Connect):
    """A10."""
    admin = await connect(own_newest.url)
    await admin.command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-config", "-info")
    links = await connect(own_newest.url.replace("redis://", "redis://app:pass@"))
    found = await examine(links)
    assert "policy-hidden" in codes(found, "warning")
    assert codes(found, "error") == set()


async def test_a_clock_that_is_wrong_is_found(redis_server: ServerLike):
    links = Links(read_url(redis_server.url), ManualClock())
    try:
        assert "clock-skew" in codes(await examine(links))
    finally:
        await links.close()


def test_a_server_that_says_nothing_is_not_accused():
    denied: list[Exception] = [PermissionError("NOPERM")] * 4
    assert codes(judge([read_standing(HERE, denied, 0)], read_url(ALONE))) == {"policy-hidden"}
