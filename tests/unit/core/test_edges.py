"""What a job's edges decide."""

import pytest

from longshore.core.edges import Edge, Edges, Join, Missed, When, becomes, is_met, pack, unpack
from longshore.core.ids import new_id
from longshore.core.states import State

COMPLETED, FAILED, CANCELLED, SKIPPED = State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED


@pytest.mark.parametrize(
    ("on", "by_state"),
    [
        (When.SUCCESS, {COMPLETED: None, FAILED: CANCELLED, CANCELLED: CANCELLED, SKIPPED: SKIPPED}),
        (When.FAILURE, {COMPLETED: SKIPPED, FAILED: None, CANCELLED: SKIPPED, SKIPPED: SKIPPED}),
        (When.ALWAYS, {COMPLETED: None, FAILED: None, CANCELLED: None, SKIPPED: SKIPPED}),
        (When.OVER, {COMPLETED: None, FAILED: None, CANCELLED: None, SKIPPED: None}),
    ],
)
def test_an_edge_is_met_or_ends_its_job_by_how_the_parent_ended(
    on: When, by_state: dict[State, State | None]
) -> None:
    """S3.8: None is met."""
    edge = Edge(new_id(), "q", on)
    for ended, end in by_state.items():
        assert is_met(on, ended) is (end is None)
        if end is not None:
            assert becomes(edge, ended) is end


def test_an_edge_may_say_that_a_failed_dependency_skips() -> None:
    """S3.8"""
    edge = Edge(new_id(), "q", When.SUCCESS, Missed.SKIP)
    assert {becomes(edge, ended) for ended in (FAILED, CANCELLED, SKIPPED)} == {SKIPPED}


def test_edges_come_back_from_their_bytes() -> None:
    edges = Edges((Edge(new_id(), "a"), Edge(new_id(), "b", When.FAILURE, Missed.SKIP)), Join.ANY)
    packed = pack(edges)
    assert packed is not None
    assert unpack(packed) == edges
    assert pack(None) is None
    assert unpack(None) is None
