"""From which place on a claim looks, while dead rows pile up."""

import pytest

from longshore.backends.postgres.watermarks import FEW_JOBS, LOOK_SECONDS, MANY_DEAD_ROWS, MARGIN, Watermarks
from longshore.core.clock import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def watermarks(clock):
    return Watermarks(clock)


def test_who_claims_little_never_asks_for_the_statistics(watermarks):
    watermarks.gave(FEW_JOBS - 1)
    assert not watermarks.is_look_due()


def test_who_claims_much_asks_once_in_a_while(watermarks, clock):
    watermarks.gave(FEW_JOBS)
    assert watermarks.is_look_due()
    watermarks.gave(FEW_JOBS)
    assert not watermarks.is_look_due()
    clock.advance(LOOK_SECONDS)
    assert watermarks.is_look_due()


def test_where_they_are_needed_time_alone_decides(watermarks, clock):
    watermarks.set_dead_rows(MANY_DEAD_ROWS + 1)
    assert watermarks.is_look_due()
    assert not watermarks.is_look_due()
    clock.advance(LOOK_SECONDS)
    assert watermarks.is_look_due()


def test_few_dead_rows_need_none(watermarks):
    watermarks.set_dead_rows(MANY_DEAD_ROWS)
    assert not watermarks.are_needed


def test_a_claim_begins_a_little_before_the_last_one(watermarks):
    watermarks.claimed("mail", 3, MARGIN + 700)
    watermarks.claimed("mail", 4, 5)
    assert watermarks.lows(["film", "mail"]) == [0] * 10 + [0, 0, 0, 700, 0, 0, 0, 0, 0, 0]


def test_what_went_back_to_an_old_place_is_looked_for_from_the_head(watermarks):
    watermarks.claimed("mail", 3, MARGIN + 700)
    watermarks.forget(["mail", "film"])
    assert watermarks.lows(["mail"]) == [0] * 10


def test_every_look_at_the_statistics_begins_anew(watermarks):
    watermarks.claimed("mail", 3, MARGIN + 700)
    watermarks.set_dead_rows(MANY_DEAD_ROWS + 1)
    assert watermarks.lows(["mail"]) == [0] * 10
