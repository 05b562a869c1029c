"""The store contract, on every version of Redis and Valkey that is here, and on a Cluster."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from longshore.backends import open_store
from longshore.testing.conformance import conform
from servers import running


def conformance(url: Callable[[], str]) -> type:
    """All tests of the contract on one server, each under a prefix of its own."""

    def make(place: Path) -> object:
        prefix = sha256(str(place).encode()).hexdigest()[:16]
        return open_store(f"{url()}?prefix={prefix}")

    return conform(make, round_trips=lambda store: store.round_trips)


globals().update(
    {
        f"Test{kind.title().replace('-', '')}": conformance(lambda kind=kind: running.redis(kind).url)
        for kind in running.redis_kinds()
    }
)
TestCluster = conformance(lambda: running.cluster().url)
