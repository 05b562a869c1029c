"""The acceptance of schedules in small; `proofs/schedules.py` lives through two years with a hundred of them."""

import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.cron.schedule_records import ScheduleRecords
from longshore.moving.belongings import copy_records
from tests.unit.cron.observatory import Sky, span


@pytest.mark.parametrize("begin", [(2026, 3, 27, 4), (2026, 10, 23, 4), (2026, 4, 3, 3)])
async def test_no_tick_is_missed_and_none_doubled_by_ten_timekeepers_that_die(begin):
    """S3.10, B.13: six zones around the days on which clocks are set."""
    sky = Sky(*span(*begin), schedules=24, deadliness=0.01)
    await sky.turn()
    missed, doubled, made_up, expected = sky.verdict()
    assert (missed, doubled, made_up) == (set(), set(), set())
    assert expected > 250
    assert sky.kills > 20
    assert sky.steps > 5


async def test_no_tick_is_doubled_where_its_job_is_forgotten_at_once():
    """S3.10: an id alone would not do; compare-and-set does."""
    sky = Sky(*span(2026, 3, 28, 2), schedules=24, deadliness=0.0, kept_seconds=0.0)
    await sky.turn()
    assert sky.verdict()[:3] == (set(), set(), set())


async def test_a_move_takes_schedules_and_their_firings_along():
    """S3.10"""
    here, there = Sky(*span(2026, 3, 28, 1), schedules=3, deadliness=0.0), MemoryStore(ManualClock())
    await here.turn()
    await there.open()
    assert await copy_records(here.store, there, here.clock) == 6
    for found in (ScheduleRecords.read, ScheduleRecords.firings):
        assert (
            (await found(ScheduleRecords(there))).keys()
            == (await found(ScheduleRecords(here.store))).keys()
            != set()
        )
