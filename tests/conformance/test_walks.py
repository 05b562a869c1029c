"""Random walks beside the oracle, on every store."""

from itertools import count
from secrets import token_hex

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from longshore.backends import open_store
from longshore.testing.conformance.stateful import BRIEF, machine, traces
from servers import running


@pytest.fixture
def stores(tmp_path):
    numbers = count()
    return {
        "memory": lambda: open_store("memory://"),
        "sqlite": lambda: open_store(f"sqlite:///{tmp_path}/{next(numbers)}.db"),
        "redis": lambda: open_store(f"{running.redis().url}?prefix={token_hex(8)}"),
        "cluster": lambda: open_store(f"{running.cluster().url}?prefix={token_hex(8)}"),
    }


@pytest.mark.parametrize(("kind", "walks"), [("memory", 100), ("sqlite", 40), ("redis", 40), ("cluster", 15)])
def test_random_walks_agree_with_the_oracle(stores, kind, walks):
    run_state_machine_as_test(machine(stores[kind]), settings=settings(BRIEF, max_examples=walks))


@pytest.mark.parametrize("kind", ["sqlite", "redis", "cluster"])
def test_all_stores_leave_the_same_traces(stores, kind):
    memory = traces(stores["memory"], seed=11)
    assert sum(map(len, memory)) > 300
    assert traces(stores[kind], seed=11) == memory


def test_another_seed_is_another_walk(stores):
    assert traces(stores["memory"], seed=11) != traces(stores["memory"], seed=12)
