"""This module asks servers how they are set up and how they fare, and reads their answers.

All is one round trip: INFO, and CONFIG GET where the user may. Hosts that hide CONFIG still show most of it in INFO.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from longshore.backends.redis.url import Host
from longshore.backends.redis.wire import Reply, Word
from longshore.core.clock import Clock

SETTINGS = (
    "maxmemory-policy",
    "appendfsync",
    "save",
    "min-replicas-to-write",
    "bind",
    "protected-mode",
    "timeout",
)
ALL_SLOTS = 16_384
WAITAOF_SINCE = (7, 2)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One server. None: it does not say."""

    host: Host
    name: str = "Redis"
    version: tuple[int, ...] | None = (7, 2)
    """Of Redis, or of the Redis that it is compatible with."""
    is_replica: bool = False
    policy: str | None = "noeviction"
    limit_bytes: int = 0
    """Of its memory; 0: none."""
    used_bytes: int = 0
    evicted: int = 0
    """Keys, since it started."""
    has_aof: bool | None = True
    """Whether it logs every write to its append-only file."""
    fsync: str | None = "always"
    has_snapshots: bool | None = False
    fails_to_save: bool = False
    replicas: int = 0
    min_replicas: int | None = 0
    bind: str | None = "127.0.0.1"
    is_protected: bool | None = True
    idle_seconds: int | None = 0
    """After which it closes a connection; 0: never."""
    is_of_cluster: bool = False
    slots_served: int = ALL_SLOTS
    skew_ms: int = 0
    """How far its clock is ahead of ours."""

    @property
    def can_confirm_syncs(self) -> bool:
        """Whether it has WAITAOF, and an append-only file to wait for."""
        return bool(self.has_aof) and self.version is not None and self.version >= WAITAOF_SINCE

    @property
    def fill(self) -> float:
        """How much of its memory is used, from 0 to 1; 0 without a limit."""
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0


Survey = Callable[[Sequence[Sequence[Word]]], Awaitable[list[tuple[Host, list[Reply | Exception]]]]]
"""Asks every server that takes writes the same commands; what one refuses is a value."""


async def take_stock(survey: Survey, clock: Clock) -> list[Standing]:
    """How every server that takes writes stands, in one round trip where it is a Redis 7. Raises StoreUnavailable."""
    before_ms = clock.now_ms()
    answers = await survey([("TIME",), ("INFO",), ("CLUSTER", "INFO"), ("CONFIG", "GET", *SETTINGS)])
    middle_ms = (before_ms + clock.now_ms()) // 2
    if any(
        isinstance(replies[-1], Exception) for _, replies in answers
    ):  # it takes one setting at a time, or none
        settings = await survey([("CONFIG", "GET", name) for name in SETTINGS])
        singles = {host: _joined(replies) for host, replies in settings}
        answers = [(host, [*replies[:-1], singles.get(host, [])]) for host, replies in answers]
    return [read_standing(host, replies, middle_ms) for host, replies in answers]


def _joined(replies: Sequence[Reply | Exception]) -> list[bytes]:
    return [word for reply in replies if isinstance(reply, list) for word in reply]


def read_standing(host: Host, replies: Sequence[Reply | Exception], now_ms: int) -> Standing:
    """How a server stands, from its answers to TIME, INFO, CLUSTER INFO and CONFIG GET."""
    time, info, cluster, settings = replies
    said = read_info(info)
    of_cluster = read_info(cluster)
    stated = _settings(settings)
    return Standing(
        host=host,
        name="Valkey" if "valkey_version" in said else "Redis",
        version=_version(said.get("redis_version")),
        is_replica=said.get("role") == "slave",
        policy=stated["maxmemory-policy"] or said.get("maxmemory_policy"),
        limit_bytes=int(said.get("maxmemory", 0)),
        used_bytes=int(said.get("used_memory", 0)),
        evicted=int(said.get("evicted_keys", 0)),
        has_aof=said["aof_enabled"] == "1" if "aof_enabled" in said else None,
        fsync=stated["appendfsync"],
        has_snapshots=None if stated["save"] is None else bool(stated["save"]),
        fails_to_save="err" in (said.get("aof_last_write_status"), said.get("rdb_last_bgsave_status")),
        replicas=int(said.get("connected_slaves", 0)),
        min_replicas=_number(stated["min-replicas-to-write"]),
        bind=stated["bind"],
        is_protected=None if stated["protected-mode"] is None else stated["protected-mode"] == "yes",
        idle_seconds=_number(stated["timeout"]),
        is_of_cluster=said.get("cluster_enabled") == "1",
        slots_served=int(of_cluster.get("cluster_slots_ok", ALL_SLOTS)),
        skew_ms=0 if isinstance(time, Exception) else int(time[0]) * 1000 + int(time[1]) // 1000 - now_ms,
    )


def read_info(reply: Reply | Exception) -> Mapping[str, str]:
    """The fields of an answer to INFO; none where it was refused."""
    if not isinstance(reply, bytes):
        return {}
    lines = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {field: value for field, colon, value in lines if colon}


def _settings(reply: Reply | Exception) -> Mapping[str, str | None]:
    """The values of SETTINGS in an answer to CONFIG GET; None for those that the user may not know."""
    words = [word.decode(errors="replace") for word in reply] if isinstance(reply, list) else []
    return {**dict.fromkeys(SETTINGS), **dict(zip(words[::2], words[1::2], strict=True))}


def _version(value: str | None) -> tuple[int, ...] | None:
    return tuple(int(part) for part in value.split(".") if part.isdecimal()) if value else None


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdecimal() else None
