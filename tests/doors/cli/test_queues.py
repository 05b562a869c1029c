"""`longshore queues`: how they stand, pausing, cleaning."""

import json

from longshore.core.verdict import COMPLETED
from tests.doors.cli.conftest import Call, Shop


def test_queues_are_listed_with_their_jobs_by_state(call: Call, shop: Shop):
    shop.add("a", "b")
    shop.settle(shop.hold(1), COMPLETED)
    (queue,) = json.loads(call("queues", "list", "--json").stdout)
    assert (queue["queue"], queue["paused"]) == ("emails", False)
    assert queue["states"]["pending"] == queue["states"]["completed"] == 1
    assert call("queues", "list").stdout.splitlines()[1].split()[:2] == ["emails", "1"]


def test_a_paused_queue_gives_no_jobs_until_it_is_resumed(call: Call, shop: Shop):
    """S3.14"""
    shop.add("a")
    assert call("queues", "pause", "emails").stdout == "paused: emails\n"
    assert shop.hold(1) == []
    assert call("queues", "list").stdout.splitlines()[1].endswith("paused")
    assert call("queues", "resume", "emails").exit_code == 0
    assert len(shop.hold(1)) == 1


def test_a_misspelt_queue_is_refused_with_the_near_match(call: Call, shop: Shop):
    shop.add("a")
    for command in ("pause", "resume", "clean"):
        result = call("queues", command, "emial")
        assert result.exit_code == 2
        assert "Did you mean 'emails'?" in result.stderr


def test_cleaning_forgets_jobs_that_ended_long_enough_ago(call: Call, shop: Shop):
    shop.add("a")
    shop.settle(shop.hold(1), COMPLETED)
    assert call("queues", "clean", "emails").stdout.startswith("0 completed")
    assert call("queues", "clean", "emails", "--older-than", "0").stdout.startswith("1 completed")
    assert shop.states() == {}


def test_an_empty_store_says_so(call: Call, shop: Shop):
    assert call("queues", "list").stdout == "No queue has ever had a job here.\n"
    assert call("queues", "list", "--json").stdout.strip() == "[]"
