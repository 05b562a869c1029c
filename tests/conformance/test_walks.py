"""Random walks beside the oracle, on every store."""

from itertools import count

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from longshore.backends import open_store
from longshore.testing.conformance.stateful import BRIEF, machine, traces


@pytest.fixture
def stores(tmp_path):
    numbers = count()
    return {
        "memory": lambda: open_store("memory://"),
        "sqlite": lambda: open_store(f"sqlite:///{tmp_path}/{next(numbers)}.db"),
    }


@pytest.mark.parametrize(("kind", "walks"), [("memory", 100), ("sqlite", 40)])
def test_random_walks_agree_with_the_oracle(stores, kind, walks):
    run_state_machine_as_test(machine(stores[kind]), settings=settings(BRIEF, max_examples=walks))


def test_all_stores_leave_the_same_traces(stores):
    memory = traces(stores["memory"], seed=11)
    assert sum(map(len, memory)) > 300
    assert traces(stores["sqlite"], seed=11) == memory


def test_another_seed_is_another_walk(stores):
    assert traces(stores["memory"], seed=11) != traces(stores["memory"], seed=12)
