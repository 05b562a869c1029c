"""Random walks beside the oracle on memory and SQLite, and equal traces on every store."""

from itertools import count

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from longshore.backends import open_store
from longshore.testing.conformance.stateful import BRIEF, machine, traces
from longshore.testing.conformance.stateful_edges import EdgeWalk
from servers import running
from tests.conformance import on_servers

SEED = 11


@pytest.fixture
def stores(tmp_path):
    numbers = count()
    servers = {
        "postgres": lambda place: on_servers.postgres_store(running.postgres_majors()[-1], place),
        "redis": lambda place: on_servers.redis_store(running.newest("redis"), place),
        "valkey": lambda place: on_servers.redis_store(running.newest("valkey"), place),
        "oldest redis": lambda place: on_servers.redis_store(running.redis_kinds()[0], place),
        "redis_cluster": on_servers.cluster_store,
        "redis behind a sentinel": on_servers.sentinel_store,
    }
    return {
        "memory": lambda: open_store("memory://"),
        "sqlite": lambda: open_store(f"sqlite:///{tmp_path}/{next(numbers)}.db"),
        **{kind: lambda make=make: make(tmp_path / str(next(numbers))) for kind, make in servers.items()},
    }


@pytest.fixture(scope="module")
def expected():
    """What the walks of the seed leave on memory."""
    left = traces(lambda: open_store("memory://"), seed=SEED)
    assert sum(map(len, left)) > 300
    return left


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "walks"),
    [("memory", 100), ("sqlite", 40), ("postgres", 25), ("redis", 30), ("redis_cluster", 15)],
)
def test_random_walks_agree_with_the_oracle(stores, kind, walks):
    run_state_machine_as_test(
        machine(stores[kind], EdgeWalk), settings=settings(BRIEF, max_examples=walks, derandomize=True)
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        "postgres",
        "redis",
        "valkey",
        "oldest redis",
        "redis_cluster",
        "redis behind a sentinel",
    ],
)
def test_all_stores_leave_the_same_traces(stores, expected, kind):
    assert traces(stores[kind], seed=SEED) == expected


def test_another_seed_is_another_walk(stores, expected):
    assert traces(stores["memory"], seed=SEED + 1) != expected
