"""Jobs as columns: what few jobs have costs the others nothing."""

from longshore.backends.postgres.dialect import sparse
from longshore.backends.postgres.rows import bodies_of, extras_of, scanned_job
from longshore.core.ids import JobId
from longshore.core.job import NewJob
from longshore.core.states import State

FIRST = NewJob(id=JobId(bytes(16)), queue="mail", name="send", payload=b"1")
SECOND = NewJob(id=JobId(bytes(15) + b"\x0a"), queue="film", name="cut", payload=b"2", tags=("a", "b"))


def test_what_every_job_has_is_a_list_each():
    ids, queues, names, payloads, priorities = bodies_of([FIRST, SECOND])
    assert ids == ["0" * 32, "0" * 31 + "a"]
    assert (queues, names, payloads) == (["mail", "film"], ["send", "cut"], [b"1", b"2"])
    assert priorities == [3, 3]


def test_what_no_job_has_is_an_empty_list():
    assert extras_of([FIRST, FIRST]) == ([], [], [], [], [])


def test_what_one_job_has_is_a_list_with_gaps():
    assert extras_of([FIRST, SECOND])[2] == [None, "a\nb"]


def test_a_false_value_is_a_value():
    assert sparse([None, b"", 0]) == [None, b"", 0]


def test_a_state_that_there_is_not_is_shown_as_failed_with_the_reason():
    row = [b"0" * 16, "q", "t", b"", 42, 3, None, 0, 0, 0, 0, None, 0, None]
    row += [None, None, None, 0, None, None, None, None, False, None, None, 1, None, None, None, None]
    shown = scanned_job(tuple(row))
    assert (shown.state, shown.error_text) == (
        State.FAILED,
        "Unknown state 42; the row was not written by this Longshore",
    )
