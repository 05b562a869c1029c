"""Retry curves: how long to wait, how often, and for which errors."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.retry import Retry

RANDOM = Random(7)


def delays(retry: Retry, failures: int = 5) -> list[float]:
    return [retry.delay(n, RANDOM) for n in range(1, failures + 1)]


def test_exponential_delays_double_up_to_the_maximum() -> None:
    """S0.4, S3.4."""
    assert delays(Retry(initial=1, factor=2, maximum=6, jitter=False)) == [1, 2, 4, 6, 6]


def test_linear_and_constant_curves() -> None:
    assert delays(Retry(initial=2, curve="linear", jitter=False)) == [2, 4, 6, 8, 10]
    assert delays(Retry(initial=2, curve="constant", jitter=False)) == [2, 2, 2, 2, 2]


def test_the_last_of_the_listed_delays_repeats() -> None:
    assert delays(Retry(delays=[1, timedelta(minutes=1)], jitter=False), 3) == [1, 60, 60]


def test_a_function_sees_the_failures_and_the_type_of_the_error() -> None:
    retry = Retry(backoff=lambda n, error: n * (100 if error == "TimeoutError" else 1), jitter=False)
    assert retry.delay(3, RANDOM) == 3
    assert retry.delay(3, RANDOM, error_type="TimeoutError") == 300


@given(failures=st.integers(1, 2000), seed=st.integers())
def test_jitter_stays_between_half_and_all_of_the_delay(failures: int, seed: int) -> None:
    plain = Retry(initial=1, maximum=600, jitter=False).delay(failures, Random(seed))
    assert plain / 2 <= Retry(initial=1, maximum=600).delay(failures, Random(seed)) <= plain


def test_attempts_are_counted_with_the_first_one_and_zero_means_no_limit() -> None:
    assert Retry(3).allows(2)
    assert not Retry(3).allows(3)
    assert Retry(0).allows(10_000)
    assert Retry(3).allows(7, max_attempts=8)
    assert not Retry(3).allows(1, max_attempts=1)


def test_retry_if_is_a_class_several_or_a_function() -> None:
    assert Retry(retry_if=OSError).wants(ConnectionError())
    assert not Retry(retry_if=(OSError, KeyError)).wants(ValueError())
    assert Retry(retry_if=lambda error: "again" in str(error)).wants(ValueError("again"))


def test_a_policy_travels_with_a_job_as_plain_values() -> None:
    retry = Retry(7, initial=2, factor=3, maximum=50, jitter=False, curve="linear")
    assert Retry.from_dict(retry.to_dict()).to_dict() == retry.to_dict()
    listed = Retry(2, delays=[1, 2])
    assert Retry.from_dict(listed.to_dict()).delays == (1.0, 2.0)


def test_the_words_of_the_seeds_are_understood() -> None:
    """S0.4, S3.4, S4.4: their times are milliseconds and their retries do not count the first attempt."""
    of_bullmq = Retry.from_dict({"attempts": 4, "type": "fixed", "delay": 2000})
    assert (of_bullmq.max_attempts, of_bullmq.curve, of_bullmq.initial) == (4, "constant", 2.0)
    of_batches = Retry.from_dict({"maxRetries": 3, "initialDelay": 1000, "multiplier": 2, "maxDelay": 30000})
    assert (of_batches.max_attempts, of_batches.initial, of_batches.maximum) == (4, 1.0, 30.0)


def test_a_policy_with_functions_cannot_travel_with_a_job() -> None:
    with pytest.raises(InvalidOption, match="functions on the task"):
        Retry(retry_if=OSError).to_dict()


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": -1},
        {"initial": float("inf")},
        {"maximum": "1s"},
        {"factor": 0.5},
        {"curve": "cubic"},
        {"delays": []},
    ],
)
def test_values_that_make_no_sense_are_refused_when_the_policy_is_made(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(wrong))):
        Retry(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("attempts", [-1, 1.5, True, "3"])
def test_attempts_are_whole_numbers(attempts: object) -> None:
    with pytest.raises(InvalidOption, match="max_attempts"):
        Retry(attempts)  # type: ignore[arg-type]


def test_an_unknown_word_of_a_policy_names_the_near_match() -> None:
    with pytest.raises(UnknownOption, match="'max_attempts'"):
        Retry.from_dict({"max_atempts": 3})
