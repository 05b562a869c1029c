"""What may happen to dead letters by itself, and which errors say the same. Pure."""

from datetime import timedelta

import pytest

from longshore import DeadLetterPolicy, InvalidOption
from longshore.dlq.patterns import group, pattern_of
from longshore.dlq.policy import Fate

SEED = DeadLetterPolicy(requeue_after=60, max_requeues=2, discard_after=timedelta(hours=4))


@pytest.mark.parametrize(
    ("policy", "age", "requeues", "fate"),
    [
        (DeadLetterPolicy(), 1e9, 0, Fate.STAY),
        (SEED, 59, 0, Fate.STAY),
        (SEED, 60, 0, Fate.REQUEUE),
        (SEED, 60, 2, Fate.STAY),
        (SEED, 4 * 3600, 0, Fate.DISCARD),
        (DeadLetterPolicy(requeue_after=0), 0, 0, Fate.REQUEUE),
    ],
)
def test_a_letters_fate_follows_from_its_age_and_its_lives(policy, age, requeues, fate):
    """S1.9"""
    assert policy.fate(age_seconds=age, requeues=requeues) is fate


@pytest.mark.parametrize("wrong", [{"requeue_after": -1}, {"discard_after": "4h"}, {"max_requeues": -1}])
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InvalidOption):
        DeadLetterPolicy(**wrong)


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("Timeout after 30.5 s on attempt 3", "Timeout after <n> s on attempt <n>"),
        ("No user 'a@b.c' in \"main\"", "No user <text> in <text>"),
        ("can't find user's file", "can't find user's file"),
        ("job 0192f0c1-0000-7000-8000-000000000001 gone", "job <uuid> gone"),
        ("<object at 0x7f3a> and deadbeef01", "<object at <hex>> and <hex>"),
        ("utf8 codec, v2 api, deadbeef", "utf8 codec, v2 api, deadbeef"),
        ("first line 1\nsecond", "first line <n>"),
    ],
)
def test_what_varies_becomes_a_placeholder(message, pattern):
    """S2.4"""
    assert pattern_of(message) == pattern


def test_errors_that_say_the_same_are_counted_together():
    """S2.4"""
    assert group(["no 1", "no 2", "other"]) == {"no <n>": 2, "other": 1}
