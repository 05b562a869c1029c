"""This module says where a proof's jobs are kept: a SQLite file, or a server of its own with durable settings."""

import argparse
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from servers import (
    CannotStart,
    ServerLike,
    postgres_versions,
    redis_versions,
    start_cluster,
    start_postgres,
    start_redis,
    start_sentinel,
)
from servers.postgres import DURABLE as DURABLE_POSTGRES
from servers.redis import DURABLE as DURABLE_REDIS

SERVERS = ("postgres", "redis", "valkey", "redis-cluster", "redis-sentinel")
STORES = ("sqlite", *SERVERS)


class Place(NamedTuple):
    """A store's URL, and its server where it has one."""

    url: str
    server: ServerLike | None = None

    def start(self) -> None:
        """Starts the server again, if there is one."""
        if self.server:
            self.server.start()

    def freeze(self) -> None:
        """Stops the server in whatever it does, if there is one."""
        if self.server:
            self.server.freeze()

    def kill(self) -> None:
        """Kills the server, if there is one."""
        if self.server:
            self.server.kill()

    @property
    def running(self) -> ServerLike:
        """The server. Raises CannotStart for a store that has none."""
        if self.server is None:
            message = (
                f"{self.url} has no server that this proof could disturb: choose one of {', '.join(SERVERS)}."
            )
            raise CannotStart(message)
        return self.server


def add_store(parser: argparse.ArgumentParser, *, stores: tuple[str, ...] = STORES) -> None:
    """The option --store; a version may follow, as in postgres-15 or redis-6."""
    known = ", ".join(stores)
    parser.add_argument(
        "--store", default=stores[0], help=f"one of {known}; or with a version, such as postgres-15"
    )


@contextlib.contextmanager
def place(store: str, folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Place]:
    """The place of this kind, empty, until the block ends; `settings` take the place of durable ones.

    PROOF_URL names another place, which is not ours to end.
    """
    if url := os.environ.get("PROOF_URL"):
        yield Place(url)
    elif store == "sqlite":
        yield Place(f"sqlite:///{folder / 'proof.db'}{'?' if settings else ''}{urlencode(settings or {})}")
    else:
        with contextlib.closing(_start(store, folder, settings or {})) as server:
            yield Place(server.url, server)


def _start(store: str, folder: Path, settings: Mapping[str, str]) -> ServerLike:
    kind, _, version = store.partition("-")
    if store == "redis-cluster":
        return start_cluster(folder, settings={**DURABLE_REDIS, **settings})
    if store == "redis-sentinel":
        return start_sentinel(folder, settings={**DURABLE_REDIS, **settings})
    if kind == "postgres":
        return start_postgres(
            version or postgres_versions()[-1], folder, settings={**DURABLE_POSTGRES, **settings}
        )
    chosen = store if version else next(each for each in reversed(redis_versions()) if each.startswith(kind))
    return start_redis(chosen, folder, settings={**DURABLE_REDIS, **settings})
