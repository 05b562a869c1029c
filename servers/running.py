"""This module keeps one server of each kind for a whole run of tests or a benchmark: started when first asked for.

With LONGSHORE_TEST_POSTGRES_URL or LONGSHORE_TEST_REDIS_URL set, that server is the only one of its kind.
"""

import atexit
import os
import secrets
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from servers.cluster import start_cluster
from servers.pgbouncer import start_pgbouncer
from servers.postgres import postgres_versions, start_postgres
from servers.redis import redis_versions, start_redis
from servers.sentinel import Sentinel, start_sentinel
from servers.server import Group, Server, ServerLike
from servers.transaction_pool import TransactionPool

POSTGRES_URL = "LONGSHORE_TEST_POSTGRES_URL"
REDIS_URL = "LONGSHORE_TEST_REDIS_URL"


class Elsewhere:
    """A server that somebody else runs, named by a variable of the environment."""

    def __init__(self, variable: str) -> None:
        self.url, self.version = os.environ[variable], variable

    def _refuse(self) -> None:
        message = f"{self.version} names a server that is not ours to start and stop. Unset it for this test."
        raise PermissionError(message)

    start = stop = kill = freeze = thaw = close = _refuse


def name_for(place: Path) -> str:
    """A name for a schema or prefix that is the same for the same place, and nobody else's, in no other run either."""
    unlike = sha256(f"{place}{_RUN}".encode()).hexdigest()[:12]
    return f"t_{place.name[:20]}_{unlike}".lower()


_RUN = secrets.token_hex(8)


@cache
def folder() -> Path:
    """Where the logs of this process's servers are; gone when it ends in order."""
    place = tempfile.TemporaryDirectory(prefix="longshore-servers-", ignore_cleanup_errors=True)
    atexit.register(place.cleanup)
    return Path(place.name)


def postgres_majors() -> list[str]:
    """The versions to test, the oldest and the newest; only the environment's if it names one."""
    if POSTGRES_URL in os.environ:
        return [POSTGRES_URL]
    versions = postgres_versions()
    return [versions[0], versions[-1]]


def redis_kinds() -> list[str]:
    """The versions to test; only the environment's if it names one."""
    return [REDIS_URL] if REDIS_URL in os.environ else redis_versions()


def newest(kind: str) -> str:
    """The newest version of "redis" or "valkey"; of the other one where there is none."""
    kinds = redis_kinds()
    return next((each for each in reversed(kinds) if each.startswith(kind)), kinds[-1])


@cache
def postgres(version: str | None = None) -> ServerLike:
    """The running PostgreSQL of this version; the newest unless told."""
    chosen = version or postgres_majors()[-1]
    return Elsewhere(chosen) if chosen == POSTGRES_URL else _kept(start_postgres(chosen, folder()))


@cache
def pgbouncer() -> Server | TransactionPool:
    """PgBouncer in transaction mode before the newest PostgreSQL, or what treats its clients alike."""
    started = start_pgbouncer(postgres().url, folder())
    atexit.register(started.close)
    return started


@cache
def redis(version: str | None = None) -> ServerLike:
    """The running Redis or Valkey of this version; the newest unless told."""
    chosen = version or redis_kinds()[-1]
    return Elsewhere(chosen) if chosen == REDIS_URL else _kept(start_redis(chosen, folder()))


@cache
def cluster() -> Group:
    """The running cluster of three masters."""
    started = start_cluster(folder())
    atexit.register(started.close)
    return started


@cache
def sentinel() -> Sentinel:
    """The running master and replica, with their sentinel."""
    started = start_sentinel(folder())
    atexit.register(started.close)
    return started


def _kept(server: Server) -> Server:
    atexit.register(server.close)
    return server
