"""`longshore dlq`: dead letters, counted by error, requeued or discarded."""

import json

from longshore.core.verdict import BURIED
from tests.doors.cli.conftest import Call, Shop


def test_dead_letters_are_listed_with_their_errors(call: Call, shop: Shop):
    (dead,) = shop.bury("ValueError: no such user")
    (alive,) = shop.add("b")
    shown = call("dlq", "list").stdout
    assert dead in shown
    assert "ValueError: no such user" in shown
    assert alive not in shown
    assert [job["id"] for job in json.loads(call("dlq", "list", "--json").stdout)] == [dead]


def test_they_are_counted_by_error_with_what_varies_left_out(call: Call, shop: Shop):
    shop.bury("ValueError: no user 7", "ValueError: no user 8", "KeyError: 'x'")
    groups = json.loads(call("dlq", "list", "--by-error", "--json").stdout)
    assert [(group["count"], group["error"]) for group in groups] == [
        (2, "ValueError: no user <n>"),
        (1, "KeyError: <text>"),
    ]


def test_letters_are_requeued_by_error_and_others_stay(call: Call, shop: Shop):
    timeout, other = shop.bury("TimeoutError: slow", "ValueError: bad")
    assert call("dlq", "requeue", "--error", "TimeoutError", "--yes").stdout == "1 requeued\n"
    assert shop.states() == {timeout: "pending", other: "failed"}


def test_all_are_requeued_only_when_that_is_said(call: Call, shop: Shop):
    (dead,) = shop.bury("ValueError: bad")
    assert call("dlq", "requeue").exit_code == 2
    assert shop.states() == {dead: "failed"}
    assert call("dlq", "requeue", "--all", "--yes").stdout == "1 requeued\n"
    assert shop.states() == {dead: "pending"}


def test_letters_have_one_state_and_no_other_can_be_asked_for(call: Call, shop: Shop):
    """`dlq discard --state completed` once discarded every letter."""
    (dead,) = shop.bury("ValueError: bad")
    assert call("dlq", "discard", "--state", "completed", "--yes").exit_code == 2
    assert shop.states() == {dead: "failed"}


def test_a_job_that_is_not_dead_is_neither_requeued_nor_discarded(call: Call, shop: Shop):
    (job_id,) = shop.add("a")
    for command in ("requeue", "discard"):
        result = call("dlq", command, job_id)
        assert result.exit_code == 1
        assert f"{job_id} is pending" in result.stderr


def test_discarded_letters_are_forgotten(call: Call, shop: Shop):
    (dead,) = shop.bury("ValueError: bad")
    assert call("dlq", "show", dead).exit_code == 0
    assert call("dlq", "discard", dead).stdout == "1 discarded\n"
    assert shop.states() == {}
    assert call("dlq", "list").stdout == "No dead letters.\n"


def test_requeuing_nothing_says_what_there_is(call: Call, shop: Shop):
    shop.add("a", "b")
    shop.settle(shop.hold(2), BURIED, "ValueError: no")
    for command in ("requeue", "discard"):
        result = call("dlq", command)
        assert result.exit_code == 2
        assert "There are: 2 in emails." in result.stderr
        assert "--all" in result.stderr


def test_requeuing_nothing_where_there_is_nothing_says_so(call: Call, shop: Shop):
    shop.add("a")
    assert "There are no dead letters." in call("dlq", "requeue").stderr
