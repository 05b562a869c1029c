"""This module starts a Redis Cluster: masters that share the slots, without replicas."""

import time
from collections.abc import Mapping
from pathlib import Path

from servers.ports import CLUSTER_BUS, free_port
from servers.redis import FAST, prepare, redis_versions, says
from servers.server import START_SECONDS, CannotStart, Group, Server

SLOTS = 16_384


def start_cluster(
    folder: Path, masters: int = 3, *, version: str | None = None, settings: Mapping[str, str] | None = None
) -> Group:
    """A cluster in which every node says `cluster_state:ok`; of the newest version unless told. Raises CannotStart."""
    chosen = version or redis_versions()[-1]
    cluster = {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-node-timeout": "2000"}
    stated = {**FAST, **cluster, **(settings or {})}
    members = [prepare(chosen, folder, free_port(), stated) for _ in range(masters)]
    hosts = ",".join(f"127.0.0.1:{member.port}" for member in members)
    group = Cluster(members, url=f"redis+cluster://{hosts}/", version=f"{chosen} cluster")
    try:
        for number, member in enumerate(members):
            member.start()
            share = range(SLOTS * number // masters, SLOTS * (number + 1) // masters)
            _ask(member, f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
            _ask(member, "CLUSTER ADDSLOTS " + " ".join(map(str, share)))
            _ask(member, f"CLUSTER MEET 127.0.0.1 {members[0].port} {members[0].port + CLUSTER_BUS}")
        _wait_until_whole(members)
    except BaseException:
        group.close()
        raise
    return group


class Cluster(Group):
    """The nodes of a cluster; started again, it is whole before `start` returns."""

    def start(self) -> None:
        super().start()
        _wait_until_whole(self.members)


def _ask(member: Server, command: str) -> None:
    answer = says(member.port, command)
    if not answer.startswith("+OK"):
        message = f"{member} answered {answer!r} to {command[:40]}"
        raise CannotStart(message)


def _wait_until_whole(members: list[Server]) -> None:
    deadline = time.monotonic() + START_SECONDS
    wanted = (f"cluster_known_nodes:{len(members)}\r", "cluster_state:ok\r", f"cluster_slots_ok:{SLOTS}\r")
    while not all(word in says(member.port, "CLUSTER INFO") for member in members for word in wanted):
        if time.monotonic() > deadline:
            raise CannotStart(f"The cluster is not whole: {says(members[0].port, 'CLUSTER INFO')}")
        time.sleep(0.02)
