"""The small words: ids, names, priorities, states, errors."""

import inspect
from enum import StrEnum
from uuid import UUID

import pytest

from longshore.core import errors
from longshore.core.errors import InvalidId, InvalidName, InvalidOption, LongshoreError
from longshore.core.ids import format_id, new_id, parse_id
from longshore.core.names import check_name
from longshore.core.priority import Priority, check_priority
from longshore.core.states import CODES, LIVE, MOVES, ORDER, TERMINAL, State, is_legal


def test_ids_are_uuid7_and_later_ones_sort_later() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert UUID(bytes=ids[0]).version == 7


def test_an_id_survives_its_text() -> None:
    job_id = new_id()
    assert parse_id(format_id(job_id)) == job_id
    assert format_id(job_id) == str(UUID(bytes=job_id))
    assert parse_id(UUID(bytes=job_id)) == job_id == parse_id(job_id)


@pytest.mark.parametrize("wrong", ["order-42", "", None, 7, b"short"])
def test_what_is_no_id_is_refused_with_the_way_out(wrong: object) -> None:
    with pytest.raises(InvalidId, match="reference="):
        parse_id(wrong)  # type: ignore[arg-type]


def test_a_str_enum_member_names_a_queue() -> None:
    """S1.2."""

    class QueueName(StrEnum):
        EMAILS = "emails"

    assert check_name("queue", QueueName.EMAILS) == "emails"
    assert type(check_name("queue", QueueName.EMAILS)) is str


@pytest.mark.parametrize("wrong", ["", "a b", "{q}", "x\n", "a" * 129, "-x", None, 3, "q\x00"])
def test_names_that_could_break_a_key_or_a_log_line_are_refused(wrong: object) -> None:
    with pytest.raises(InvalidName, match="cannot name a queue"):
        check_name("queue", wrong)


def test_a_message_reads_as_a_sentence() -> None:
    with pytest.raises(InvalidName, match="'' cannot name an event"):
        check_name("event", "")
    assert str(InvalidOption("when", 1, "a cron expression")).endswith("a cron expression.")
    assert str(InvalidOption("catch_up", "al", "all. Did you mean 'all'?")).endswith("mean 'all'?")


def test_a_wrong_value_of_a_megabyte_makes_no_message_of_a_megabyte() -> None:
    large = "x" * 1_000_000
    assert all(
        len(str(error)) < 600 for error in (InvalidName("lock", large, 128), InvalidOption("a", large, "b"))
    )


def test_priorities_have_the_seeds_names_and_numbers() -> None:
    """S3.2."""
    assert [(p.name, p.value) for p in Priority] == [
        ("CRITICAL", 1),
        ("HIGH", 2),
        ("NORMAL", 3),
        ("LOW", 4),
        ("BACKGROUND", 5),
    ]
    assert check_priority(Priority.HIGH) == 2
    for wrong in (-1, 10, 1.5, True, "high"):
        with pytest.raises(InvalidOption, match="priority"):
            check_priority(wrong)  # type: ignore[arg-type]


def test_every_state_has_a_code_a_row_of_moves_and_is_live_or_over() -> None:
    assert set(ORDER) == set(State) == set(MOVES) - {None}
    assert set(State) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
    assert all(code >= 6 for state, code in CODES.items() if state.is_terminal)


def test_a_terminal_state_is_left_only_by_a_retry_that_was_asked_for() -> None:
    assert {s for s in TERMINAL if MOVES[s]} == {State.FAILED, State.CANCELLED, State.SKIPPED}
    assert is_legal(State.FAILED, State.PENDING)
    assert not is_legal(State.COMPLETED, State.RUNNING)
    assert not is_legal(None, State.RUNNING)


def test_every_state_can_be_reached_and_every_live_one_can_end() -> None:
    reached = {None}
    while grown := {after for before in reached for after in MOVES[before]} - reached:
        reached |= grown
    assert reached == {None, *State}


def test_every_error_has_a_code_of_its_own_and_stands_in_the_tree() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, LongshoreError)]
    codes = [c.code for c in classes]
    assert len(set(codes)) == len(codes)
    assert all(c.__name__ in (errors.__doc__ or "") for c in classes)
