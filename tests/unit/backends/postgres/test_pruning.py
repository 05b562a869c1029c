"""Which deletions need no look at their jobs."""

import pytest

from longshore.backends.postgres.pruning import prunes
from longshore.core.states import State
from longshore.store.commands import Cancel, Delete, JobQuery, Order

RETENTION = {"queues": ("mail",), "states": (State.COMPLETED, State.SKIPPED), "order": Order.FINISHED}


@pytest.mark.parametrize("more", [{}, {"finished_before_ms": 5}, {"spare": 1000, "limit": 7}])
def test_what_retention_asks_for_is_pruned(more):
    assert prunes(Delete(where=JobQuery(**RETENTION, **more)))


@pytest.mark.parametrize(
    "more",
    [
        {"names": ("send",)},
        {"tags": ("red",)},
        {"text": "needle"},
        {"cursor": "0~1.0"},
        {"order": Order.OLDEST},
        {"queues": None},
        {"states": None},
        {"states": (State.COMPLETED, State.PENDING)},
    ],
)
def test_whatever_else_is_asked_for_is_looked_at(more):
    assert not prunes(Delete(where=JobQuery(**{**RETENTION, **more})))


def test_nothing_but_a_deletion_prunes():
    assert not prunes(Cancel(where=JobQuery(**RETENTION)))
