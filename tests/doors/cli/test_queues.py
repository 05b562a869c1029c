"""`longshore queues`: how they stand, pausing, cleaning."""

import json

from longshore.core.limits import Concurrency
from longshore.core.rules import Rules
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


def test_limits_are_listed_changed_and_reset(call: Call, shop: Shop):
    """B.6"""
    rules = Rules(flow=(Concurrency(1, by="to").flow_key("concurrency", "acme", 1),))
    shop.add("a", "b", rules=rules)
    (limit,) = json.loads(call("queues", "limits", "emails", "--json").stdout)
    assert (limit["name"], limit["key"], limit["used"], limit["held"]) == ("concurrency", "acme", 1, 1)
    assert call("queues", "set-limit", "emails", "5").stdout == (
        "limit 'concurrency' of 'emails' is 5 now; 1 in use were changed at once\n"
    )
    assert call("queues", "limits", "emails").stdout.splitlines()[1].split()[2:] == [
        "5",
        "at",
        "once",
        "2",
        "3",
        "0",
    ]
    assert call("queues", "reset-limit", "emails", "concurrency").exit_code == 0
    wrong = call("queues", "set-limit", "emails", "often")
    assert wrong.exit_code == 2
    assert '"100/minute"' in wrong.stderr
    for nonsense in ("1.5", "abc"):
        wrong = call("queues", "set-limit", "emails", nonsense)
        assert wrong.exit_code == 2
        assert "a whole number, such as 4, for so many jobs at once" in wrong.stderr


def test_a_misspelt_limit_is_refused_with_the_near_match(call: Call, shop: Shop):
    shop.add("a", rules=Rules(flow=(Concurrency(1, by="to").flow_key("concurrency", "acme", 1),)))
    for command in (
        ("set-limit", "emails", "5", "--name", "concurency"),
        ("reset-limit", "emails", "concurency"),
    ):
        wrong = call("queues", *command)
        assert wrong.exit_code == 2
        assert "Did you mean 'concurrency'?" in wrong.stderr
        assert len(wrong.stderr.splitlines()) == 1
