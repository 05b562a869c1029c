"""Workflows shown, and which of their steps begin anew."""

from datetime import UTC, datetime, timedelta

import pytest

from longshore.core.errors import InvalidOption
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.workflows.drawing import Shown, as_plain, mermaid
from longshore.workflows.graph import last
from longshore.workflows.laying import lay
from longshore.workflows.reading import read_workflow
from longshore.workflows.record import Status, status_of
from longshore.workflows.restarting import restart
from longshore.workflows.spec import Step, Workflow, chain

C, D, X, P, K = State.COMPLETED, State.FAILED, State.CANCELLED, State.PENDING, State.SKIPPED


def waits(workflow):
    return [laid.waits for laid in lay(workflow)]


def test_a_diagram_names_steps_links_and_states():
    """S3.8"""
    workflow = chain(Step("q", "a"), Step("q", "b"))
    drawn = mermaid(
        Shown(each.name, "q", each.name, each.links, state=C if each.name == "a" else None)
        for each in waits(workflow)
    )
    assert drawn.splitlines()[:4] == [
        "flowchart TD",
        '    s0["a<br><small>q</small>"]',
        '    s1["b<br><small>q</small>"]',
        "    s0 --> s1",
    ]
    assert "class s0 completed" in drawn


def test_what_a_diagram_shows_cannot_break_it():
    drawn = mermaid([Shown("a", "q", "t", (), when='data.x == "<b>"')])
    assert "when data.x == #quot;&lt;b&gt;#quot;" in drawn


def test_plain_data_reads_back_as_the_same_workflow():
    """S3.8: export as JSON."""
    retry = Retry(4, initial=2)
    workflow = Workflow(
        id="w",
        steps=[
            Step("q", "a", {"n": 1}, retry=retry, tags=["own"], on_failure=Step("q", "mend")),
            Step("q", "b", after="a", join="any", when="previous > 1"),
        ],
        metadata={"by": "me"},
        tags=["t"],
    )
    plain = as_plain(workflow, lay(workflow))
    again = read_workflow(plain)
    assert waits(again) == waits(workflow)
    assert as_plain(again, lay(again)) == plain
    assert plain["steps"][0]["options"]["retry"]["max_attempts"] == 4


def test_times_in_plain_data_read_back_as_times():
    """S3.8: export as JSON."""
    at = datetime(2031, 1, 31, 12, tzinfo=UTC)
    workflow = Workflow(
        steps=[
            Step("q", "a", delay=timedelta(minutes=1), timeout=timedelta(seconds=5)),
            Step("q", "b", at=at),
        ]
    )
    first, second = lay(read_workflow(as_plain(workflow, lay(workflow))))
    assert first.step.words == {"delay": 60.0, "timeout": 5.0}
    assert second.step.words == {"at": at}


def test_a_text_that_is_no_time_is_refused():
    with pytest.raises(InvalidOption, match="2031-01-31T12:00:00Z"):
        read_workflow({"queueName": "q", "jobName": "a", "options": {"scheduledFor": "tomorrow"}})


def test_a_step_without_metadata_or_tags_is_shown():
    workflow = Workflow(steps=[Step("q", "a", metadata=None, tags=None)], metadata={"tags": None})
    assert as_plain(workflow, lay(workflow))["steps"] == [{"id": "a", "queueName": "q", "jobName": "a"}]


def test_one_tag_that_is_no_list_is_refused_and_not_taken_apart():
    for wrong in ({"tags": "urgent"}, {"metadata": {"tags": "urgent"}}):
        with pytest.raises(InvalidOption, match=r"'urgent'\. Expected: a list of names"):
            Workflow(steps=[], **wrong)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([C, P], Status.RUNNING),
        ([C, K], Status.COMPLETED),
        ([C, D, X], Status.FAILED),
        ([C, X], Status.CANCELLED),
        ([None, None], Status.ABSENT),
        ([], Status.ABSENT),
        ([None, C], Status.COMPLETED),
    ],
)
def test_a_workflow_stands_as_its_steps_do(states, status):
    assert status_of(states) is status


def test_the_last_steps_are_those_where_nothing_failed():
    workflow = chain(
        Step("q", "a", on_failure=Step("q", "mend", on_success=Step("q", "after"))), Step("q", "z")
    )
    assert last(waits(workflow)) == ["z"]


def test_another_life_is_for_what_failed_and_perhaps_for_what_waits_for_it():
    """S3.8"""
    steps = waits(
        chain(
            Step("q", "a"),
            [Step("q", "b", on_failure=Step("q", "alert")), Step("q", "c")],
            Step("q", "d", on_complete=Step("q", "e")),
        )
    )
    states = {"a": C, "b": D, "alert": C, "c": C, "d": X, "e": X}
    assert restart(steps, states, "failed").again == ("b",)
    chosen = restart(steps, states, "failed_and_downstream")
    assert (chosen.again, chosen.rejoin) == (("b",), ("d", "e"))
