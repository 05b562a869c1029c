"""What is kept of an attempt that went wrong, whatever the exception does."""

import msgspec
import pytest

from longshore.core.attempt_errors import TaskRaised
from longshore.core.ids import format_id, new_id
from longshore.core.job import AttemptFailure, JobRecord
from longshore.core.states import State
from longshore.dlq.burial import LINE_LIMIT, TRACEBACK_LIMIT, describe, letter

JOB = JobRecord(
    id=new_id(), queue="q", name="t", payload=b'{"n":1}', state=State.RUNNING, priority=3, fence=3, releases=1
)


def buried(error):
    encoded, line = describe(error, JOB, "host:1", 5)
    return msgspec.json.decode(encoded, type=AttemptFailure), line


def raised(error):
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001
        return caught


def test_type_message_traceback_time_attempt_and_worker_are_kept():
    failure, line = buried(raised(ValueError("not a number\nsecond line")))
    assert (failure.type, failure.message) == ("ValueError", "not a number\nsecond line")
    assert (failure.at_ms, failure.attempt, failure.worker) == (5, 2, "host:1")
    assert "in raised" in failure.traceback
    assert line == "ValueError: not a number"


class Hostile(Exception):
    def __str__(self):
        raise SystemExit("from __str__")

    __repr__ = __str__


class HostileNotes(Exception):
    @property
    def __notes__(self):
        raise KeyboardInterrupt


class Surrogate(Exception):
    def __str__(self):
        return "\ud800\x00" * 3


@pytest.mark.parametrize("kind", [Hostile, HostileNotes, Surrogate])
def test_a_hostile_exception_is_kept_as_well_as_it_can_be(kind):
    failure, line = buried(raised(kind()))
    assert failure.type == kind.__name__
    assert line.startswith(kind.__name__)
    assert "\x00" not in failure.message


def test_huge_texts_and_deep_recursions_are_cut():
    def recurse():
        recurse()

    with pytest.raises(RecursionError) as caught:
        recurse()
    failure, _ = buried(caught.value)
    assert len(failure.traceback) < TRACEBACK_LIMIT + 200
    failure, line = buried(raised(ValueError("x" * 1_000_000)))
    assert len(failure.message) <= 2_000
    assert len(line) == LINE_LIMIT


def test_groups_and_causes_are_kept():
    failure, _ = buried(raised(ExceptionGroup("two", [ValueError("first"), TypeError("second")])))
    assert "first" in failure.traceback
    assert "second" in failure.traceback


def test_an_error_from_another_process_keeps_its_text_and_gets_our_names():
    failure, line = buried(TaskRaised("Boom", "there", "tb"))
    assert (failure.type, failure.traceback, failure.attempt, failure.worker) == ("Boom", "tb", 2, "host:1")
    assert line == "Boom: there"


def test_a_notice_has_the_fields_of_the_seed():
    """S3.5"""
    notice = letter(JOB, "ValueError: no", 9, "graveyard")
    assert (notice.queue, notice.name) == ("graveyard", "dead-letter")
    assert msgspec.json.decode(notice.payload) == {
        "originalQueue": "q",
        "originalName": "t",
        "originalId": format_id(JOB.id),
        "originalData": {"n": 1},
        "failureReason": "ValueError: no",
        "failedAt": 9,
    }


def test_a_notice_of_a_payload_that_is_no_json_carries_it_as_text():
    broken = msgspec.structs.replace(JOB, payload=b"\xff{")
    assert msgspec.json.decode(letter(broken, "x", 9, "g").payload)["originalData"] == "\\xff{"
