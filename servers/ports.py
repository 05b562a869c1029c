"""This module finds ports that are free, and stay so while a server that has one is restarted."""

import socket
from random import SystemRandom

FIRST, LAST = (
    15_000,
    22_000,
)  # below those that systems give to connections; with Redis Cluster's 10,000 on top too
CLUSTER_BUS = 10_000

_chance = (
    SystemRandom()
)  # Hypothesis seeds the common one: two runs would choose the same ports at the same time


def free_port() -> int:
    """A port of the loopback that nobody listens on, and that no outgoing connection will take by chance."""
    while True:
        port = _chance.randrange(FIRST, LAST)
        if _is_free(port) and _is_free(port + CLUSTER_BUS):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
