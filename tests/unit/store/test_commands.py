"""Commands that are made for many jobs."""

from longshore.core.ids import new_id
from longshore.core.states import State
from longshore.store.commands import SCAN_LIMIT, by_ids


def test_many_ids_are_asked_for_in_queries_within_the_limit():
    ids = [new_id() for _ in range(2 * SCAN_LIMIT + 1)]
    queries = by_ids(iter(ids), states=(State.FAILED,), full=True)
    assert [len(query.ids or ()) for query in queries] == [SCAN_LIMIT, SCAN_LIMIT, 1]
    assert [job_id for query in queries for job_id in query.ids or ()] == ids
    assert all(
        query.states == (State.FAILED,) and query.full and query.limit == SCAN_LIMIT for query in queries
    )


def test_no_ids_ask_for_nothing():
    assert by_ids(()) == []
