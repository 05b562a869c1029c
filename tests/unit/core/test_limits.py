from datetime import timedelta

import pytest

from longshore import Concurrency, InvalidOption, Rate, UnknownOption
from longshore.core.fairness import Turns
from longshore.core.limits import limits_from, rate_from
from longshore.core.picking import KEY_LIMIT, Pick, key_text
from longshore.core.rules import FairKey, FlowKey, LimitKind


def test_a_rate_is_carried_as_what_stores_count_with():
    """B.6, S3.6"""
    assert Rate(100, per=60).flow_key("r", "k", 2) == FlowKey("r", "k", LimitKind.BUCKET, 100, 60_000, 100, 2)
    assert Rate(9, per=timedelta(seconds=2), burst=3).flow_key("r", "", 1).burst == 3
    assert Rate(9, per="minute", kind="sliding").flow_key("r", "", 1) == FlowKey(
        "r", "", LimitKind.SLIDING, 9, 60_000
    )
    assert Rate(9, per=0.5, kind="fixed").flow_key("r", "", 1) == FlowKey("r", "", LimitKind.FIXED, 9, 500)
    assert Concurrency(4).flow_key("c", "k", 1) == FlowKey("c", "k", LimitKind.CONCURRENCY, 4)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Rate(0, per=1), "pause it"),
        (lambda: Rate(0.5, per=1), "one per more seconds"),
        (lambda: Rate(True, per=1), "'limit' cannot be True"),
        (lambda: Rate(5), r"Rate\(100, per=60\)"),
        (lambda: Rate(5, per=0), "at least a millisecond"),
        (lambda: Rate(5, per="fortnight"), "'minute'"),
        (lambda: Rate(5, per=1, kind="leaky"), "'bucket', 'sliding' or 'fixed'"),
        (lambda: Rate(5, per=1, kind="fixed", burst=2), "only a bucket saves up"),
        (lambda: Rate(5, per=1, burst=2, cost=3), "at most 2"),
        (lambda: Rate(5, per=1, cost=0), "'cost' cannot be 0"),
        (lambda: Rate(5, per=1, by=3), "an argument's name"),
        (lambda: Rate(5, per=1, by="a..b"), "an argument's name"),
        (lambda: Rate(5, per=1, name="a:b"), "without : and /|cannot name"),
        (lambda: Concurrency(3, cost=4), "at most 3"),
        (lambda: limits_from("limit", 3), r"Concurrency\(3\)\?"),
        (
            lambda: limits_from("limit", [Concurrency(1, name="x"), Concurrency(2, name="x")]),
            "names of their own",
        ),
        (lambda: rate_from("many/m"), '"100/minute"'),
        (lambda: rate_from({"max": 5}), '"duration": milliseconds'),
        (lambda: Turns("tenant", {"a": 0}), "a weight from"),
        (lambda: Turns("tenant", 3), "a dict of weights"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_where_it_is_written(wrong, says):
    with pytest.raises(InvalidOption, match=says):
        wrong()


def test_a_misspelt_option_of_a_limit_is_answered_with_the_nearest_one():
    with pytest.raises(UnknownOption, match="Did you mean 'burst'"):
        Rate(5, per=1, brust=3)
    with pytest.raises(UnknownOption, match="Did you mean 'cost'"):
        Concurrency(5, costs=3)
    with pytest.raises(UnknownOption, match="Did you mean 'duration'"):
        rate_from({"max": 1, "durations": 1})


def test_a_rate_can_be_said_in_the_words_of_the_seeds_and_in_short():
    """S3.6"""
    for told in ({"max": 100, "duration": 60_000}, "100/minute", "100/m", Rate(100, per=60)):
        assert rate_from(told).flow_key("r", "", 1) == Rate(100, per=60).flow_key("r", "", 1)


def test_limits_show_what_they_were_told():
    assert repr(Rate(5, per=1, burst=2, by="tenant", cost="tokens")) == (
        "Rate(5, per=1, burst=2, by='tenant', cost='tokens')"
    )
    assert repr(Rate(5, per=1, kind="fixed")) == "Rate(5, per=1, kind='fixed')"
    assert repr(Concurrency(2, name="gpu")) == "Concurrency(2, name='gpu')"


def test_a_value_is_picked_by_name_path_or_function():
    data = {"user": {"id": 7}, "items": ["a", "b"]}
    assert Pick("by", "user")(data) == {"id": 7}
    assert Pick("by", "user.id")(data) == 7
    assert Pick("by", "items.1")(data) == "b"
    assert Pick("by", lambda data: len(data["items"]))(data) == 2
    for nowhere in ("nobody", "user.name", "items.7", "items.first", "user.id.more"):
        assert Pick("by", nowhere)(data) is None
    assert Pick("by", "user")([1]) is None


def test_a_key_is_the_same_text_for_the_same_value():
    assert key_text(None) == ""
    assert key_text("acme") == "acme"
    assert key_text(7) == "7"
    assert key_text({"b": 1, "a": 2}) == key_text({"a": 2, "b": 1})
    assert key_text("a\x00b") == "a\\x00b"
    long = key_text("x" * 1000)
    assert len(long) == KEY_LIMIT
    assert long != key_text("x" * 1001)
    with pytest.raises(InvalidOption, match="plain data"):
        key_text(object())


def test_a_cost_that_is_no_number_above_0_is_refused_and_a_part_counts_as_one():
    rate = Rate(100, per=1, cost="tokens")
    assert rate.cost_of({"tokens": 2.1}) == 3
    for wrong in ("7", None, 0, -1, True):
        with pytest.raises(InvalidOption, match="cost='tokens' picks it"):
            rate.cost_of({"tokens": wrong})


def test_turns_weigh_by_a_dict_or_a_function():
    """B.7"""
    assert Turns("tenant", {"acme": 3}).key_of({"tenant": "acme"}) == FairKey("acme", 3.0)
    assert Turns("tenant", {"acme": 3}).key_of({"tenant": "bob"}) == FairKey("bob", 1.0)
    assert Turns("tenant", len).key_of({"tenant": "bob"}) == FairKey("bob", 3.0)
    assert Turns("tenant").key_of({}) is None
