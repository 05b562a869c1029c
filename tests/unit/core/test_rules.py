"""Rules: what is packed comes back, and costs little."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules, UniqueKey, pack, unpack
from longshore.core.states import State

words = st.text(max_size=20)
flow_keys = st.builds(
    FlowKey,
    words,
    words,
    st.sampled_from(LimitKind),
    st.integers(0, 10**9),
    st.integers(0, 10**10),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
)
unique_keys = st.builds(
    UniqueKey,
    st.binary(max_size=40),
    st.lists(st.sampled_from(State)).map(tuple),
    st.none() | st.integers(0, 10**12),
)
rules = st.builds(
    Rules,
    st.lists(flow_keys, max_size=3).map(tuple),
    st.none() | st.builds(FairKey, words, st.floats(1e-3, 1e6)),
    st.none() | unique_keys,
    st.none() | st.integers(0, 10**9),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rules)
def test_what_is_packed_comes_back(given_rules):
    assert unpack(pack(given_rules)) == given_rules


def test_no_rules_are_no_bytes():
    assert pack(None) is None
    assert unpack(None) is None


def test_packed_rules_are_arrays_that_a_script_can_read():
    told = Rules(flow=(FlowKey("slots", "acme", LimitKind.CONCURRENCY, 2),), room=9)
    assert msgspec.msgpack.decode(pack(told)) == [[["slots", "acme", 0, 2, 0, 0, 1]], None, None, 9]


def test_a_meter_is_named_by_rule_and_key():
    assert FlowKey("slots", "a:b", LimitKind.CONCURRENCY, 2).meter == "slots:a:b"


def test_the_most_that_a_limit_gives_is_the_burst_of_a_bucket():
    assert FlowKey("r", "", LimitKind.BUCKET, 100, 1000, 5).most == 5
    assert FlowKey("r", "", LimitKind.SLIDING, 100, 1000, 5).most == 100
