"""A misspelt keyword is answered with the nearest one."""

import inspect

import pytest

from longshore import QueueManager, Retry, UnknownOption


def test_a_misspelt_word_of_a_retry_is_named_with_the_right_one():
    with pytest.raises(UnknownOption, match="No option 'max_attempt' of Retry"):
        Retry(max_attempt=3)


def test_a_misspelt_word_of_a_search_is_named_with_the_right_one():
    with QueueManager("memory://") as manager:
        with pytest.raises(UnknownOption, match="Did you mean 'name'"):
            manager.get_jobs_sync(nam="render")
        with pytest.raises(UnknownOption, match="Did you mean 'queues'"):
            manager.start_workers_sync(queue=["a"])


def test_the_signature_stays_what_it_was():
    assert "max_attempts" in inspect.signature(Retry).parameters
    assert Retry(max_attempts=4).max_attempts == 4
    assert inspect.signature(QueueManager.get_jobs).parameters["limit"].default == 100
