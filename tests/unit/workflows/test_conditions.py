"""Conditions of steps that are written as text."""

import pytest

from longshore.core.errors import InvalidOption
from longshore.workflows import conditions

NAMES = {
    "previous": {"total": 120, "rows": [1, 2], "state": "ok", "none": None},
    "results": {"fetch": {"n": 3}},
    "data": {"dry_run": False},
    "metadata": {},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("previous.total > 100", True),
        ("100 < previous.total <= 119", False),
        ("previous.state == 'ok' and not data.dry_run", True),
        ("previous.state in ['bad', 'worse'] or results.fetch.n == 3", True),
        ("len(previous.rows) == 2", True),
        ("previous['rows'][0] == 1", True),
        ("previous.rows[9]", False),
        ("previous.missing > 1", False),
        ("previous.none is None", True),
        ("metadata.a.b.c", False),
        ("-previous.total < 0", True),
        ("'x' in previous.missing", False),
    ],
)
def test_a_condition_is_true_or_not(text, holds):
    """S3.8"""
    assert conditions.holds(text, NAMES) is holds


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "previous.total +",
        "os.system",
        "previous.f()",
        "[x for x in previous]",
        "previous if data else 1",
        "lambda: 1",
        "b'x' == previous",
        "previous == " + "1" * 2000,
    ],
)
def test_what_is_more_than_a_condition_is_refused(text):
    """S3.8: a text from the store never becomes code."""
    with pytest.raises(InvalidOption, match="when"):
        conditions.check(text)


def test_a_name_alone_is_a_predicate():
    assert conditions.is_name("big_enough")
    assert not conditions.is_name("previous")
    assert not conditions.is_name("previous > 1")
    assert conditions.names_in("previous.a > data.b") == {"previous", "data"}


def test_a_condition_tells_at_which_steps_it_looks():
    text = 'results.fetch.n > 1 and (results["a-b"] or data.results.no) and previous.results'
    assert sorted(conditions.results_in(text)) == ["a-b", "fetch"]
