"""What makes two jobs the same, and which sets of states have no gap."""

import subprocess
import sys

import pytest

from longshore import InvalidOption, Unique, UnknownOption
from longshore.core.rules import LimitKind
from longshore.core.states import LIVE, State
from longshore.core.unique import digest


def key(data, **options):
    return Unique(**options).key_of("send", data).key


def test_the_digest_of_a_value_never_changes():
    """B.5: processes of other versions, and what stores keep, rely on it."""
    value = {"b": [1, 2.5, True, None], "a": {"ü": "x\ud800"}}
    assert digest(value).hex() == "03284a6758d91f65826f46a11bb5a063"
    assert digest("").hex() == digest("").hex() != digest(None).hex()


def test_other_processes_make_the_same_digest():
    """B.5: nothing in it depends on the hashes of this process."""
    program = (
        "from longshore.core.unique import digest; print(digest({'b': {'d': 1, 'c': [2.0]}, 'a': 'x'}).hex())"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert set(told) == {digest({"a": "x", "b": {"c": [2], "d": 1}}).hex() + "\n"}


def test_the_order_of_keys_and_the_kind_of_a_number_make_no_difference():
    """B.5"""
    assert key({"a": 1, "b": 2}) == key({"b": 2.0, "a": 1.0})
    assert key({"a": [1, 2]}) != key({"a": [2, 1]})
    assert key({"a": 1}) != key({"a": "1"})
    assert key({"a": 1}) != key({"a": True})


def test_large_whole_numbers_stay_apart():
    """B.5: floats beyond 2**53 are not made whole."""
    assert key({"a": 2**60}) != key({"a": 2**60 + 1})


def test_tasks_with_the_same_data_are_different_jobs():
    """B.5"""
    assert Unique().key_of("a", {}).key != Unique().key_of("b", {}).key


def test_chosen_keys_and_paths_are_all_that_counts():
    """B.5"""
    data = {"to": "ann", "order": {"id": 7, "note": "x"}, "text": "hello"}
    other = {"to": "ann", "order": {"id": 7, "note": "y"}, "text": "bye"}
    assert key(data, keys=["to", "order.id"]) == key(other, keys=["order.id", "to"])
    assert key(data, by="order.id") == key(other, keys=["order.id"])
    assert key(data, by="order") != key(other, by="order")
    assert key(data, keys=[]) == key({"anything": "else"}, keys=[])
    assert key({"a": 1, "b": 2}, keys=["a"]) != key({"a": 1, "b": 1}, keys=["b"])


def test_a_function_of_the_data_says_what_counts():
    """B.5"""
    assert key({"to": "Ann"}, by=lambda data: data["to"].lower()) == key(
        {"to": "ANN"}, by=lambda data: data["to"].lower()
    )
    with pytest.raises(InvalidOption, match="plain data"):
        key({}, by=lambda _: object())
    with pytest.raises(InvalidOption, match="plain data"):
        key({}, by=lambda _: {1: 2})


def test_without_words_a_key_holds_until_the_job_has_ended_and_within_also_after_it():
    """B.5: a period and states compose."""
    assert set(Unique().states) == LIVE
    plain = Unique(within=60).key_of("send", {})
    assert (set(plain.states), plain.within_ms) == (LIVE | {State.COMPLETED}, 60_000)
    both = Unique(within=60, while_=["scheduled", "held", "pending"]).key_of("send", {})
    assert (both.states, both.within_ms) == ((State.SCHEDULED, State.HELD, State.PENDING), 60_000)


@pytest.mark.parametrize(
    "states",
    [
        ["scheduled"],
        ["pending"],
        ["running"],
        ["scheduled", "held", "pending"],
        ["blocked", "scheduled", "held", "pending"],
        ["scheduled", "held", "pending", "running", "retrying"],
        ["blocked", "scheduled", "held", "pending", "running", "retrying", "completed", "failed"],
        ["completed"],
        ["completed", "failed", "cancelled"],
    ],
)
def test_states_without_a_gap_are_taken(states):
    """B.5"""
    assert {*Unique(while_=states).states} == {*map(State, states)}


@pytest.mark.parametrize(
    ("states", "gap"),
    [
        (["scheduled", "pending"], "held"),
        (["pending", "completed"], "running"),
        (["pending", "retrying"], "running"),
        (["scheduled", "held", "pending", "running"], "retrying"),
        (["held", "pending", "running", "retrying"], "scheduled"),
        (["pending", "running"], "scheduled"),
        (["running", "completed"], "scheduled"),
        (["retrying", "completed"], "scheduled"),
        (["blocked", "pending"], "scheduled"),
        (["running", "cancelled"], "retrying"),
    ],
)
def test_states_with_a_gap_are_refused_and_the_gap_is_named(states, gap):
    """B.5: through the gap the older job is out of sight for a while."""
    with pytest.raises(InvalidOption, match=f"leaves out '{gap}'"):
        Unique(while_=states)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"wihtin": 3}, UnknownOption, "within"),
        ({"within": 0}, InvalidOption, "within"),
        ({"within": -1}, InvalidOption, "within"),
        ({"while_": "pending"}, InvalidOption, "list of states"),
        ({"while_": ["done"]}, InvalidOption, "completed"),
        ({"while_": []}, InvalidOption, "at least one"),
        ({"on_conflict": "ignore"}, InvalidOption, "'return' or 'raise'"),
        ({"keys": "to"}, InvalidOption, "list of names"),
        ({"keys": [7]}, InvalidOption, "list of names"),
        ({"by": "to", "keys": ["to"]}, InvalidOption, "beside by="),
        ({"by": 7}, InvalidOption, "dotted path"),
        ({"by": "a..b"}, InvalidOption, "dotted path"),
        ({"on_conflict": "follow_up", "within": 3}, InvalidOption, "follow_up"),
        ({"on_conflict": "follow_up", "while_": ["pending"]}, InvalidOption, "follow_up"),
    ],
)
def test_wrong_options_are_one_clear_error(words, error, said):
    """B.5"""
    with pytest.raises(error, match=said):
        Unique(**words)


def test_a_follow_up_looks_at_what_waits_and_never_runs_beside_the_job_it_follows():
    """B.5"""
    unique = Unique(on_conflict="follow_up")
    made = unique.key_of("send", {"a": 1})
    assert State.RUNNING not in made.states
    limit = unique.limit_of(made)
    assert (limit.kind, limit.limit, limit.key) == (LimitKind.CONCURRENCY, 1, made.key.hex())
    assert Unique().limit_of(made) is None


def test_two_uniques_with_the_same_words_are_equal():
    """B.5: so that one that was bound twice is one."""
    assert Unique(within=60) == Unique(within=60.0)
    assert hash(Unique(keys=["b", "a"])) == hash(Unique(keys=["a", "b"]))
    assert Unique() != Unique(within=60)
    assert repr(Unique(by="to", within=60, on_conflict="raise")) == (
        "Unique(by='to', within=60, on_conflict='raise')"
    )


@pytest.mark.parametrize("conflict", ["merge", "replace", "reschedule"])
def test_what_changes_jobs_that_wait_is_refused_where_only_running_ones_count(conflict):
    with pytest.raises(InvalidOption, match="at least one state before 'running'"):
        Unique(on_conflict=conflict, while_=["running"])
    assert Unique(on_conflict=conflict, while_=["pending"]).states == (State.PENDING,)


def test_a_misspelt_state_is_refused_with_the_nearest_one():
    with pytest.raises(InvalidOption, match="Did you mean 'pending'"):
        Unique(while_=["pendin"])
