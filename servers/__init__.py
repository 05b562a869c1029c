"""This package starts the real servers that tests and proofs run against: PostgreSQL, Redis and Valkey.

For the development of Longshore only; nothing of it is installed. Where the binaries come from: docs/adr/0006.

    with start_postgres("18", folder) as server:    # or start_redis, start_cluster, start_sentinel
        server.url                                  # for longshore
        server.kill(); server.start()               # the same port, the same data

Tests do not start servers one by one: `servers.running` keeps one of each kind for the whole run.
"""

from servers.cluster import start_cluster
from servers.postgres import postgres_versions, start_postgres, start_standby
from servers.redis import redis_versions, start_redis, usual_redis
from servers.sentinel import Sentinel, start_sentinel
from servers.server import CannotStart, Group, Server, ServerLike

__all__ = [
    "CannotStart",
    "Group",
    "Sentinel",
    "Server",
    "ServerLike",
    "postgres_versions",
    "redis_versions",
    "start_cluster",
    "start_postgres",
    "start_redis",
    "start_sentinel",
    "start_standby",
    "usual_redis",
]
