"""`longshore workflows`: list, show, cancel, retry."""

import asyncio
import json

import pytest

from longshore import QueueManager, Step, Workflow, chain
from longshore.cli.workflows import _known_ids
from tests.doors.cli.conftest import Call, Shop


@pytest.fixture
def order(shop: Shop) -> str:
    """A workflow that waits for its time."""

    async def start() -> str:
        async with QueueManager(shop.url) as manager:
            parts = chain(
                Step("mail", "charge", {"n": 1}, delay=900, on_failure=Step("mail", "alert")),
                Step("mail", "ship", when="previous > 1"),
            )
            run = await manager.execute_workflow(
                Workflow("order-7", "Order", parts, metadata={"by": "me"}, tags=["t"])
            )
            return run.id

    return asyncio.run(start())


def test_workflows_are_listed_with_how_they_stand(call: Call, order: str):
    """S3.8"""
    (listed,) = json.loads(call("workflows", "list", "--json").stdout)
    assert (listed["id"], listed["name"], listed["status"]) == (order, "Order", "running")
    assert call("workflows", "list", "--status", "running").stdout.splitlines()[1].split()[:4] == [
        "order-7",
        "Order",
        "running",
        "3",
    ]
    assert call("workflows", "list", "--status", "failed").stdout == "No workflow here is failed.\n"


def test_a_workflow_is_shown_with_each_step_below_what_it_waits_for(call: Call, order: str):
    """S3.8"""
    shown = call("workflows", "show", order).stdout
    assert "Order" in shown
    steps = [line.split() for line in shown.splitlines()[-3:]]
    assert steps[0][:3] == ["charge", "scheduled", "mail"]
    assert [line[1] for line in steps[1:]] == ["alert", "ship"] or [line[1] for line in steps[1:]] == [
        "ship",
        "alert",
    ]
    assert "charge (failure)" in shown
    assert "when previous > 1" in shown
    plain = json.loads(call("workflows", "show", order, "--json").stdout)
    assert {step["id"]: step["after"] for step in plain["steps"]} == {
        "charge": {},
        "ship": {"charge": "success"},
        "alert": {"charge": "failure"},
    }
    assert call("workflows", "show", order, "--mermaid").stdout.startswith("flowchart TD\n")


def test_a_workflow_is_cancelled_and_given_another_life(call: Call, order: str):
    """S3.8"""
    assert call("workflows", "cancel", order).stdout == "cancelled 3 steps of order-7\n"
    assert call("workflows", "cancel", order).stdout == "cancelled 0 steps of order-7: all are over\n"
    assert json.loads(call("workflows", "show", order, "--json").stdout)["status"] == "cancelled"
    assert call("workflows", "retry", order, "--mode", "failed").exit_code == 1
    assert call("workflows", "retry", order, "--mode", "all").stdout == "retried 3 steps of order-7\n"
    again = json.loads(call("workflows", "show", order, "--json").stdout)
    assert (again["status"], again["run"]) == ("running", 2)


def test_a_workflow_that_is_not_there_is_said_to_be(call: Call, order: str):
    for command in ("show", "cancel", "retry"):
        result = call("workflows", command, "order-8")
        assert result.exit_code == 1
        assert "No workflow 'order-8'" in result.stderr


def test_the_shell_completes_ids(call: Call, order: str, shop: Shop):
    import click

    context = click.Context(click.Command("show"))
    context.params["url"] = shop.url
    (found,) = _known_ids(context, click.Argument(["x"]), "ord")
    assert (found.value, found.help) == (order, "Order running")
    context.params["url"] = "sqlite:///nowhere/at/all.db"
    assert _known_ids(context, click.Argument(["x"]), "") == []
