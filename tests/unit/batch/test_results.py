"""Results: what a processor may answer, and what becomes of each item."""

from random import Random

import pytest

from longshore.batch.entry import Entry
from longshore.batch.results import ItemResult, judge, read_answer, read_answers
from longshore.core.batch_errors import InvalidAnswer, ItemFailed
from longshore.core.retry import Retry
from longshore.core.task_signals import Discard


def test_the_shorthands_are_read_as_results():
    """S0.2."""
    error = ValueError("bad")
    assert [read_answer(answer).success for answer in (True, None, False, error, Discard("never"))] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert read_answer(error).error is error
    assert not read_answer(Discard("never")).retryable
    result = ItemResult(success=False, error="no", retryable=False)
    assert read_answer(result) is result


def test_what_is_no_answer_fails_its_item_and_says_so():
    result = read_answer({"success": True})
    assert (result.success, result.retryable) == (False, True)
    assert "type dict" in str(result.error)


@pytest.mark.parametrize("answers", [None, "ab", 2, {"a": 1, "b": 2}, [True], [True] * 3, iter([True, True])])
def test_anything_but_one_result_for_each_item_is_refused(answers):
    """S0.2, A28."""
    with pytest.raises(InvalidAnswer, match="for a batch of 2"):
        read_answers(answers, 2)


def test_an_error_is_an_exception_for_retry_if_also_where_it_was_a_text():
    assert isinstance(ItemResult(success=False, error="no").exception(), ItemFailed)
    assert str(ItemResult(success=False).exception()) == "no reason given"


def test_each_item_is_settled_by_itself_and_those_that_failed_alike_come_back_together():
    """S0.2, S0.4."""
    items = [Entry(name, 0, due=0.0) for name in "abcd"]
    results = [
        ItemResult(success=True),
        ItemResult(success=False),
        ItemResult(False, "x", False),
        ItemResult(False),
    ]
    judged = judge(items, results, Retry(2, initial=3, jitter=False), Random(1))
    assert [(entry.item, result.success) for entry, result in judged.settled] == [("a", True), ("c", False)]
    assert [(delay, [entry.item for entry in group]) for delay, group in judged.delayed] == [(3, ["b", "d"])]
    again = judge(judged.delayed[0][1], [ItemResult(False)] * 2, Retry(2), Random(1))
    assert [entry.item for entry, _ in again.settled] == ["b", "d"]


def test_a_policy_whose_functions_raise_loses_no_item():
    """S0.4."""

    def broken(*_: object) -> float:
        raise RuntimeError("broken")

    entry = Entry("a", 0, due=0.0)
    judged = judge([entry], [ItemResult(False)], Retry(2, retry_if=broken, backoff=broken), Random(1))
    assert judged.delayed == [(1.0, [entry])]
    assert [str(fault) for fault in judged.faults] == ["broken", "broken"]
