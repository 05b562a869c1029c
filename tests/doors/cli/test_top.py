"""`longshore top`: one look where there is no terminal; speeds from what ended between two looks."""

import msgspec

from longshore.cli.top import Picture, speeds
from longshore.core.verdict import COMPLETED
from longshore.store.replies import Minute, QueueCounts
from tests.doors.cli.conftest import Call, Shop


def test_without_a_terminal_it_looks_once_and_ends(call: Call, shop: Shop):
    shop.add("a", "b")
    shop.settle(shop.hold(1), COMPLETED)
    shown = call("top").stdout
    assert "emails" in shown
    assert "No worker is alive." in shown


def test_speed_is_what_ended_between_two_looks_over_the_turn_of_a_minute():
    queue = QueueCounts(queue="emails", states={}, oldest_pending_ms=None, next_due_ms=None)
    before = Picture(at_ms=0, queues=[_with(queue, (1, 50))], paused=frozenset(), workers=[])
    after = Picture(at_ms=2000, queues=[_with(queue, (1, 60), (2, 30))], paused=frozenset(), workers=[])
    assert speeds(before, after) == {"emails": 20.0}
    assert speeds(before, before) == {}


def _with(queue: QueueCounts, *minutes: tuple[int, int]) -> QueueCounts:
    made = tuple(Minute(minute=minute, completed=completed) for minute, completed in minutes)
    return msgspec.structs.replace(queue, minutes=made)
