"""This module starts Redis under Sentinel: a master, a replica, and one to three sentinels that watch them."""

import time
from collections.abc import Mapping
from pathlib import Path

from servers.ports import free_port
from servers.redis import FAST, prepare, redis_versions, says
from servers.server import START_SECONDS, CannotStart, Group, Server

MASTER_NAME = "longshore"
DOWN_AFTER_MS = 1000


class Sentinel(Group):
    """`master` and `replica` as they were in the beginning, and the `sentinels`."""

    def __init__(
        self, master: Server, replica: Server, sentinels: list[Server], *, url: str, version: str
    ) -> None:
        super().__init__([master, replica, *sentinels], url=url, version=version)
        self.master, self.replica, self.sentinels = master, replica, sentinels

    def master_port(self) -> int:
        """Where the sentinels say that the master is; 0 while they do not say."""
        answer = says(self.sentinels[0].port, f"SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER_NAME}").split("\r\n")
        return int(answer[4]) if len(answer) > 4 else 0


def start_sentinel(
    folder: Path, sentinels: int = 1, *, version: str | None = None, settings: Mapping[str, str] | None = None
) -> Sentinel:
    """A master with a replica in step, and sentinels that know both; most must agree. Raises CannotStart."""
    chosen = version or redis_versions()[-1]
    stated = {**FAST, "repl-diskless-sync-delay": "0", **(settings or {})}
    master = prepare(chosen, folder, free_port(), stated)
    replica = prepare(chosen, folder, free_port(), {**stated, "replicaof": f"127.0.0.1 {master.port}"})
    watch = {
        "sentinel monitor": f"{MASTER_NAME} 127.0.0.1 {master.port} {sentinels // 2 + 1}",
        "sentinel down-after-milliseconds": f"{MASTER_NAME} {DOWN_AFTER_MS}",
        "sentinel failover-timeout": f"{MASTER_NAME} 5000",
    }
    watchers = [prepare(chosen, folder, free_port(), watch, "--sentinel") for _ in range(sentinels)]
    hosts = ",".join(f"127.0.0.1:{each.port}" for each in watchers)
    group = Sentinel(
        master,
        replica,
        watchers,
        url=f"redis+sentinel://{hosts}/{MASTER_NAME}/0",
        version=f"{chosen} sentinel",
    )
    try:
        group.start()
        _wait_until_watched(group)
    except BaseException:
        group.close()
        raise
    return group


def _wait_until_watched(group: Sentinel) -> None:
    """Until the replica has the master's data, and each sentinel knows of the replica and of the others."""
    others = len(group.sentinels) - 1
    deadline = time.monotonic() + START_SECONDS
    while True:
        in_step = "master_link_status:up" in says(group.replica.port, "INFO replication")
        states = [says(each.port, "INFO sentinel") for each in group.sentinels]
        if in_step and all(f"slaves=1,sentinels={others + 1}" in state for state in states):
            return
        if time.monotonic() > deadline:
            raise CannotStart(f"Sentinel does not see its servers: {states}")
        time.sleep(0.02)
