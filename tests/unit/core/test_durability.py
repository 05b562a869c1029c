"""Levels of durability: each includes those before it."""

import pytest

from longshore.core.durability import Durability, check_durability, check_reachable, strongest
from longshore.core.errors import InvalidOption


@pytest.mark.parametrize("level", Durability)
def test_a_level_reaches_itself_and_all_before_it(level: Durability):
    order = list(Durability)
    assert [asked for asked in order if level.reaches(asked)] == order[: order.index(level) + 1]


def test_the_weakest_is_memory_and_the_strongest_a_second_server():
    assert list(Durability) == ["memory", "os", "fsync", "replicated"]


def test_a_level_is_read_by_its_name():
    assert check_durability("fsync") is Durability.FSYNC
    with pytest.raises(InvalidOption, match="'memory' or 'os' or 'fsync' or 'replicated'"):
        check_durability("disk")


def test_the_strongest_of_several_is_what_all_of_them_need():
    assert strongest({Durability.OS, Durability.REPLICATED, Durability.FSYNC}) is Durability.REPLICATED
    assert strongest([]) is None


def test_a_level_over_the_best_is_refused_with_those_that_can_be_had():
    check_reachable(None, best=Durability.MEMORY, url="memory://")
    check_reachable(Durability.OS, best=Durability.FSYNC, url="sqlite:///jobs.db")
    with pytest.raises(InvalidOption, match="which is all that"):
        check_reachable(Durability.FSYNC, best=Durability.OS, url="sqlite:///jobs.db")
