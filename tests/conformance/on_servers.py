"""This module opens stores on the servers of the tests, each test in a schema or under a prefix of its own."""

from pathlib import Path
from urllib.parse import quote

from longshore.backends import open_store
from longshore.store.contract import Store
from longshore.testing.conformance import conform
from servers import running


def postgres_store(version: str, place: Path) -> Store:
    """A store on PostgreSQL of this version."""
    return open_store(f"{running.postgres(version).url}?schema={running.name_for(place)}")


def pooled_store(place: Path) -> Store:
    """A store behind PgBouncer in transaction mode, with a direct way to listen."""
    direct = quote(running.postgres().url, safe="")
    return open_store(f"{running.pgbouncer().url}?schema={running.name_for(place)}&notify={direct}")


def redis_store(version: str, place: Path) -> Store:
    """A store on Redis or Valkey of this version."""
    return open_store(f"{running.redis(version).url}?prefix={running.name_for(place)}")


def cluster_store(place: Path) -> Store:
    """A store on a cluster of three masters."""
    return open_store(f"{running.cluster().url}?prefix={running.name_for(place)}")


def sentinel_store(place: Path) -> Store:
    """A store on a master that is found through its sentinel."""
    return open_store(f"{running.sentinel().url}?prefix={running.name_for(place)}")


def conform_postgres(version: str) -> type:
    """All tests of the contract on this version of PostgreSQL."""
    return conform(lambda place: postgres_store(version, place), round_trips=_round_trips)


def conform_pooled() -> type:
    """All tests of the contract through a pool of transactions."""
    return conform(pooled_store, round_trips=_round_trips)


def conform_redis(version: str) -> type:
    """All tests of the contract on this version of Redis or Valkey."""
    return conform(lambda place: redis_store(version, place), round_trips=_round_trips)


def conform_cluster() -> type:
    """All tests of the contract on a cluster."""
    return conform(cluster_store, round_trips=_round_trips)


def _round_trips(store: Store) -> int:
    counted: int = store.round_trips  # type: ignore[attr-defined]  # not in the contract: what a test may count
    return counted
