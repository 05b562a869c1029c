"""`longshore cron`: schedules by hand."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

from longshore import QueueManager
from tests.doors.cli.conftest import Call, Shop


def make(shop: Shop):
    with QueueManager(shop.url) as manager:
        manager.schedules.create_sync(
            "0 9 * * mon", "mail", {"to": "ann"}, queue="emails", id="weekly", tz="Asia/Tokyo"
        )
        manager.schedules.create_sync(300, "ping", {}, id="often")


def test_schedules_are_listed_with_their_next_ticks(call: Call, shop: Shop):
    """S3.10, B.13"""
    make(shop)
    often, weekly = json.loads(call("cron", "list", "--json").stdout)
    assert (often["id"], often["when"], weekly["tz"], weekly["data"]) == (
        "often",
        "every 300 s",
        "Asia/Tokyo",
        {"to": "ann"},
    )
    assert [tick[11:] for tick in weekly["next"]] == ["09:00:00+09:00"] * 3
    shown = call("cron", "list").stdout.splitlines()[2]
    assert shown.startswith("weekly")
    assert shown.endswith("no worker")


def test_a_schedule_is_paused_shown_run_resumed_and_deleted(call: Call, shop: Shop):
    """S3.10"""
    make(shop)
    assert call("cron", "pause", "weekly").stdout == "paused: weekly\n"
    job = call("cron", "run", "weekly").stdout.strip()
    shown = call("cron", "show", "weekly").stdout
    assert "paused" in shown
    assert f"{job} by hand" in shown
    fired = json.loads(call("cron", "show", "weekly", "--json").stdout)["last"]
    in_tokyo = datetime.fromisoformat(fired).astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"{in_tokyo:%Y-%m-%d %H:%M:%S}" in shown
    assert "Schedule 'weekly' added it" in call("jobs", "explain", job).stdout
    assert call("cron", "resume", "weekly").exit_code == 0
    assert json.loads(call("cron", "show", "weekly", "--json").stdout)["is_paused"] is False
    assert call("cron", "delete", "weekly", "often").stdout == "deleted: weekly, often\n"
    assert call("cron", "list").stdout == "No schedules here.\n"


def test_a_misspelt_schedule_is_refused_with_the_near_one(call: Call, shop: Shop):
    make(shop)
    for command in ("pause", "resume", "run", "delete", "show"):
        result = call("cron", command, "wekly")
        assert result.exit_code == 2
        assert "Did you mean 'weekly'?" in result.stderr
