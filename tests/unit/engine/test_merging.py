"""What a new job changes in an older one that is the same."""

import pytest
from msgspec import UNSET

from longshore.core.errors import PayloadTooLarge
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.engine.merging import AT_ONCE_MS, merged, overwriting

LIMIT = 1000


def new_job(**fields):
    return NewJob(id=new_id(), queue="q", name="t", payload=b"2", **fields)


def older_job(state):
    return JobRecord(id=new_id(), queue="q", name="t", payload=b"1", state=state, priority=0)


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        (b'{"a":1}', b'{"b":2}', b'{"a":1,"b":2}'),
        (b'{"a":1}', b'{"a":2}', b'{"a":2}'),
        (b'{"ids":[1]}', b'{"ids":[2,1]}', b'{"ids":[1,2,1]}'),
        (b'{"a":{"x":1,"y":1}}', b'{"a":{"y":2}}', b'{"a":{"x":1,"y":2}}'),
        (b'{"a":[1]}', b'{"a":null}', b'{"a":null}'),
        (b"[1]", b"[2]", b"[1,2]"),
        (b"1", b"2", b"2"),
    ],
)
def test_objects_are_merged_key_by_key_and_lists_behind_one_another(old, new, both):
    """B.5"""
    assert merged(old, new, what="t", limit_bytes=LIMIT) == both


def test_what_grows_beyond_the_limit_is_refused():
    """B.5"""
    with pytest.raises(PayloadTooLarge):
        merged(b"[" + b"1," * 300 + b"1]", b"[" + b"1," * 300 + b"1]", what="t", limit_bytes=LIMIT)


@pytest.mark.parametrize(
    ("state", "fields", "run_ms"),
    [
        (State.SCHEDULED, {"delay_ms": 5}, 105),
        (State.SCHEDULED, {"run_ms": 70}, 70),
        (State.SCHEDULED, {}, AT_ONCE_MS),
        (State.RETRYING, {}, AT_ONCE_MS),
        (State.PENDING, {}, UNSET),
        (State.HELD, {}, UNSET),
        (State.PENDING, {"delay_ms": 5}, 105),
        (State.BLOCKED, {"delay_ms": 5}, UNSET),
    ],
)
def test_the_new_time_is_the_older_jobs_from_now_on(state, fields, run_ms):
    """B.5: one that is pending already does not lose its place to a new one without a time."""
    changes = overwriting(new_job(**fields), older_job(state), "reschedule", 100)
    assert changes.run_ms == run_ms
    assert changes.payload is UNSET


def test_a_replaced_job_has_nothing_left_of_its_old_self():
    """B.5"""
    job = new_job(priority=3, max_attempts=4, details=b"{}", tags=("a",), reference="r", correlation_id="c")
    changes = overwriting(job, older_job(State.PENDING), "replace", 100)
    assert (changes.payload, changes.priority, changes.max_attempts) == (b"2", 3, 4)
    assert (changes.details, changes.tags, changes.reference, changes.correlation_id) == (
        b"{}",
        ("a",),
        "r",
        "c",
    )
