"""Levels of durability: each includes those before it."""

import pytest

from longshore.core.durability import Durability


@pytest.mark.parametrize("level", Durability)
def test_a_level_reaches_itself_and_all_before_it(level: Durability):
    order = list(Durability)
    assert [asked for asked in order if level.reaches(asked)] == order[: order.index(level) + 1]


def test_the_weakest_is_memory_and_the_strongest_a_second_server():
    assert list(Durability) == ["memory", "os", "fsync", "replicated"]
