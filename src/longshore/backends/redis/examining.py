"""This module judges how servers stand: facts in, findings out, so that a test can plant a misconfiguration."""

import ipaddress
from collections.abc import Iterable, Iterator

from longshore.backends.redis.guarding import FULL
from longshore.backends.redis.links import Links
from longshore.backends.redis.standing import ALL_SLOTS, Standing
from longshore.backends.redis.url import Address, Kind
from longshore.store.replies import Finding

OLDEST = (6, 2)
"""LPOP with a count and other commands of the scripts came with it."""
SKEW_MS = 1000
SHORTEST_IDLE_SECONDS = 60


async def examine(links: Links) -> list[Finding]:
    """Everything that is found, worst first."""
    return judge(await links.take_stock(), links.address)


def judge(standings: Iterable[Standing], address: Address) -> list[Finding]:
    """What is wrong with these servers, worst first; what is wrong with several alike stands once for each."""
    checks = (_of_the_role, _of_eviction, _of_memory, _of_the_disk, _of_replicas, _of_the_way, _of_time)
    found = [finding for standing in standings for check in checks for finding in check(standing, address)]
    return sorted(found, key=lambda finding: finding.level)


def _of_the_role(standing: Standing, address: Address) -> Iterator[Finding]:
    if standing.is_replica:
        yield Finding(
            "error",
            "replica",
            f"{standing.host} is a replica: it takes no writes, and what it says may be old.",
            "Let the URL lead to the master, or name the Sentinels (redis+sentinel://) that know which one it is.",
        )
    if standing.version is not None and standing.version < OLDEST:
        version = ".".join(map(str, standing.version))
        yield Finding(
            "error",
            "old-server",
            f"{standing.host} is {standing.name} {version}, and lacks what Longshore's scripts need.",
            "Use Redis 6.2 or newer, or Valkey.",
        )
    if standing.is_of_cluster and address.kind is not Kind.CLUSTER:
        yield Finding(
            "error",
            "cluster-alone",
            f"{standing.host} is one node of a Cluster, and has some of the slots only.",
            "Write redis+cluster:// in the URL.",
        )
    if standing.is_of_cluster and standing.slots_served < ALL_SLOTS:
        yield Finding(
            "warning",
            "slots-not-covered",
            f"{ALL_SLOTS - standing.slots_served:,} of the Cluster's {ALL_SLOTS:,} slots have no server, as "
            f"{standing.host} sees it: their queues cannot be used.",
            "redis-cli --cluster check HOST:PORT, then --cluster fix.",
        )


def _of_eviction(standing: Standing, _address: Address) -> Iterator[Finding]:
    if standing.policy is None:
        yield Finding(
            "warning",
            "policy-hidden",
            f"{standing.host} does not say what it does when its memory is full. With any maxmemory-policy but "
            "noeviction it deletes jobs.",
            "See that it is noeviction, and let the user run INFO: ACL SETUSER … +info.",
        )
    elif standing.policy != "noeviction":
        yield Finding(
            "error",
            "evicting-policy",
            f"{standing.host} deletes keys when its memory is full (maxmemory-policy {standing.policy}), "
            "and the keys are jobs.",
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration.",
        )
    elif standing.evicted:
        yield Finding(
            "warning",
            "keys-were-evicted",
            f"{standing.host} has evicted {standing.evicted:,} keys since it started; jobs may have been among them.",
            "Compare with what was added. CONFIG RESETSTAT makes this finding go.",
        )


def _of_memory(standing: Standing, _address: Address) -> Iterator[Finding]:
    if standing.fill >= FULL:
        yield Finding(
            "warning",
            "memory-nearly-full",
            f"{standing.host} uses {standing.used_bytes:,} of {standing.limit_bytes:,} bytes: nothing is added from "
            f"{FULL:.0%} on, so that there is room to finish what is there.",
            "Raise maxmemory, run more workers, or keep finished jobs for a shorter time.",
        )


def _of_the_disk(standing: Standing, _address: Address) -> Iterator[Finding]:
    if standing.fails_to_save:
        yield Finding(
            "warning",
            "saving-fails",
            f"{standing.host} could not write to its disk the last time it tried.",
            "See its log, and whether the disk is full.",
        )
    if standing.has_aof:
        yield from _of_the_log(standing)
    elif standing.has_aof is None:
        return  # it does not say, as with the policy
    elif standing.has_snapshots is not False:
        yield Finding(
            "warning",
            "snapshots-only",
            f"{standing.host} writes snapshots only: when it dies, everything since the last one is lost, "
            "minutes of acknowledged jobs.",
            "CONFIG SET appendonly yes, and the same in its configuration.",
        )
    else:
        yield Finding(
            "warning",
            "no-persistence",
            f"{standing.host} keeps nothing on disk: when it restarts, every job is lost.",
            "CONFIG SET appendonly yes, and the same in its configuration.",
        )


def _of_the_log(standing: Standing) -> Iterator[Finding]:
    """About its append-only file."""
    if standing.fsync == "everysec":
        yield Finding(
            "warning",
            "fsync-everysec",
            f"A loss of power at {standing.host} loses up to the last second of acknowledged jobs (two at worst).",
            'CONFIG SET appendfsync always; or ask for durability="fsync" where it matters (Redis 7.2, Valkey 8).',
        )
    if standing.fsync == "no":
        yield Finding(
            "warning",
            "fsync-never",
            f"A loss of power at {standing.host} loses what its kernel has not written yet, up to half a minute.",
            "CONFIG SET appendfsync always, or at least everysec.",
        )


def _of_replicas(standing: Standing, address: Address) -> Iterator[Finding]:
    if address.kind is not Kind.SINGLE and standing.replicas and standing.min_replicas == 0:
        yield Finding(
            "warning",
            "no-min-replicas",
            f"{standing.host} goes on taking jobs when it is cut off from its replicas, and loses them when one of "
            "those has become master.",
            "CONFIG SET min-replicas-to-write 1 and min-replicas-max-lag 10, at the replicas too.",
        )


def _of_the_way(standing: Standing, address: Address) -> Iterator[Finding]:
    is_remote = not is_loopback(standing.host.name)
    if is_remote and not address.is_tls:
        yield Finding(
            "warning",
            "no-tls",
            f"Jobs and the password go to {standing.host} in the clear.",
            "Write rediss:// in the URL, and give the server a certificate.",
        )
    if address.password is None and (is_remote or _is_open(standing)):
        yield Finding(
            "warning",
            "no-password",
            f"{standing.host} lets in anybody who reaches it over the network.",
            "Set requirepass, or an ACL user, and bind it to the addresses that need it.",
        )
    if standing.idle_seconds and standing.idle_seconds < SHORTEST_IDLE_SECONDS:
        yield Finding(
            "warning",
            "idle-timeout",
            f"{standing.host} closes connections that were quiet for {standing.idle_seconds} s, and idle workers must "
            "connect again and again.",
            "CONFIG SET timeout 0; dead connections are found by tcp-keepalive.",
        )


def _of_time(standing: Standing, _address: Address) -> Iterator[Finding]:
    if abs(standing.skew_ms) > SKEW_MS:
        way = "ahead of" if standing.skew_ms > 0 else "behind"
        yield Finding(
            "warning",
            "clock-skew",
            f"The clock of {standing.host} is {abs(standing.skew_ms) / 1000:,.1f} s {way} this machine's. The server's "
            "clock decides when jobs are due and leases are over.",
            "Let both machines follow the same time (NTP).",
        )


def is_loopback(name: str) -> bool:
    """Whether a host is this machine, as far as its name says so."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _is_open(standing: Standing) -> bool:
    """Whether the server takes connections from other machines, too."""
    if standing.bind is None or standing.is_protected is not False:
        return False
    addresses = [address.lstrip("-") for address in standing.bind.split()]
    return not addresses or not all(is_loopback(address) for address in addresses)
