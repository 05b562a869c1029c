"""`longshore jobs`: finding, showing and changing jobs without the application's code."""

import json

import msgspec
import pytest

from longshore.core.ids import parse_id
from longshore.core.verdict import COMPLETED, RELEASED, retry_after
from longshore.steps.entries import Entry, Kind, put_of
from tests.doors.cli.conftest import Call, Shop


def test_jobs_are_listed_newest_first_with_what_matters_in_their_state(call: Call, shop: Shop):
    shop.add("first", "second", tags=("x",))
    lines = call("jobs", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "QUEUE", "NAME", "STATE", "TRIES", "AGE", "WHAT"]
    assert [line.split()[2] for line in lines[1:]] == ["second", "first"]
    assert call("jobs", "list", "--oldest").stdout.splitlines()[1].split()[2] == "first"


def test_a_job_to_be_retried_says_when_or_that_it_is_due(call: Call, shop: Shop):
    shop.add("a", "b")
    for job, delay_ms in zip(shop.hold(2), (1, 10_800_000), strict=True):
        shop.settle([job], retry_after(delay_ms), "ValueError: bad")
    said = [
        line.partition("retrying")[2] for line in call("jobs", "list", "--oldest").stdout.splitlines()[1:]
    ]
    assert "due now: ValueError: bad" in said[0]
    assert "in 3 h: ValueError: bad" in said[1]


def test_a_limit_says_that_there_is_more(call: Call, shop: Shop):
    shop.add("a", "b", "c")
    assert call("jobs", "list", "--limit", "2").stdout.splitlines()[-1].startswith("… and more")
    assert "more" not in call("jobs", "list", "--limit", "3").stdout


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--queue", "images"], ["resize"]),
        (["--name", "send", "--name", "resize"], ["resize", "send"]),
        (["--tag", "vip"], ["send"]),
        (["--state", "completed"], []),
        (["--text", "resize"], ["resize"]),
    ],
)
def test_options_select_jobs_alike_in_every_command(
    call: Call, shop: Shop, options: list[str], names: list[str]
):
    shop.add("send", tags=("vip",))
    shop.add("resize", queue="images")
    assert [job["name"] for job in json.loads(call("jobs", "list", "--json", *options).stdout)] == names


def test_json_has_every_attribute_of_a_job(call: Call, shop: Shop):
    (job_id,) = shop.bury("ValueError: no such user")
    shown = json.loads(call("jobs", "show", job_id, "--json").stdout)
    assert (shown["id"], shown["state"], shown["failures"]) == (job_id, "failed", 1)
    assert shown["errors"][0]["message"] == "no such user"
    assert shown["created_at"].endswith("Z")


@pytest.mark.parametrize("command", ["jobs", "dlq"])
def test_json_of_a_list_has_no_errors_rather_than_empty_ones(call: Call, shop: Shop, command: str):
    (job_id,) = shop.bury("ValueError: no such user")
    (listed,) = json.loads(call(command, "list", "--json").stdout)
    assert (listed["id"], listed["error_message"]) == (job_id, "ValueError: no such user")
    assert not {"errors", "logs"} & listed.keys()


def test_a_jobs_page_has_its_errors_with_tracebacks(call: Call, shop: Shop):
    (job_id,) = shop.bury("ValueError: no such user")
    shown = call("jobs", "show", job_id).stdout
    assert "no such user" in shown
    assert "File x.py" in shown


def test_a_job_that_is_not_there_is_one_line_and_exit_code_1(call: Call, shop: Shop):
    unknown = "01890000-0000-7000-8000-000000000000"
    for command in ("show", "explain"):
        result = call("jobs", command, unknown)
        assert (result.exit_code, result.stderr.split(".")[0]) == (1, f"error: No job {unknown}")


def test_what_is_no_id_is_wrong_usage(call: Call, shop: Shop):
    assert call("jobs", "show", "seven").exit_code == 2


def test_an_explanation_cannot_drive_the_terminal(call: Call, shop: Shop):
    (job_id,) = shop.bury("ValueError: \x1b[2Jboom")
    assert "\x1b" not in call("jobs", "explain", job_id).stdout
    assert "[2Jboom" in call("jobs", "explain", job_id).stdout


def test_a_scheduled_job_explains_itself(call: Call, shop: Shop):
    """B: why is it not running?"""
    (job_id,) = shop.add("later", delay_ms=3_600_000)
    assert "scheduled" in call("jobs", "explain", job_id).stdout
    assert json.loads(call("jobs", "explain", job_id, "--json").stdout)["code"]


def test_jobs_are_cancelled_retried_and_deleted_by_id(call: Call, shop: Shop):
    one, other = shop.add("a", "b")
    assert call("jobs", "cancel", one, other).stdout == "2 cancelled\n"
    assert call("jobs", "retry", one).stdout == "1 retried\n"
    assert shop.states() == {one: "pending", other: "cancelled"}
    assert call("jobs", "delete", other).stdout == "1 deleted\n"
    assert shop.states() == {one: "pending"}


def test_a_named_job_that_cannot_be_changed_is_told_with_its_state_and_exit_code_1(call: Call, shop: Shop):
    (job_id,) = shop.add("a")
    shop.settle(shop.hold(1), COMPLETED)
    unknown = "01890000-0000-7000-8000-000000000000"
    result = call("jobs", "cancel", job_id, unknown)
    assert result.exit_code == 1
    assert result.stdout == "0 cancelled\n"
    assert f"not cancelled: {job_id} is completed" in result.stderr
    assert f"not cancelled: there is no job {unknown}" in result.stderr


def test_a_running_job_is_asked_to_stop(call: Call, shop: Shop):
    """S4.7"""
    (job_id,) = shop.add("a")
    shop.hold(1)
    result = call("jobs", "cancel", job_id)
    assert (result.exit_code, result.stdout) == (0, "0 cancelled, 1 running asked to stop\n")


def test_many_are_changed_by_what_they_have_in_common(call: Call, shop: Shop):
    shop.add("keep", queue="images")
    shop.add(*["drop"] * 1200)
    assert call("jobs", "delete", "--queue", "emails", "--yes").stdout == "1,200 deleted\n"
    assert len(shop.states()) == 1


def test_a_change_of_many_asks_first_and_no_means_no(call: Call, shop: Shop):
    shop.add("a")
    result = call("jobs", "delete", "--queue", "emails", stdin="n\n")
    assert result.exit_code == 130
    assert len(shop.states()) == 1


@pytest.mark.parametrize("command", ["retry", "cancel", "delete"])
def test_a_forgotten_argument_never_means_all_jobs(call: Call, shop: Shop, command: str):
    (job_id,) = shop.add("a")
    for wrong in ([], [job_id, "--queue", "emails"]):
        result = call("jobs", command, *wrong)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
    assert shop.states() == {job_id: "pending"}


def test_a_store_that_is_not_there_is_not_made_by_looking(call: Call, nowhere: object):
    result = call("jobs", "list", "--url", "sqlite:///typo.db")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: There is no store at")
    assert list(nowhere.iterdir()) == []  # type: ignore[attr-defined]


def test_a_question_that_nobody_can_answer_says_how_to_go_on_without_it(call: Call, shop: Shop):
    shop.add("a")
    result = call("jobs", "cancel", "--queue", "emails", stdin="")
    assert result.exit_code == 1
    assert "Add --yes to go on without asking." in result.stderr
    assert call("jobs", "cancel", "--queue", "emails", stdin="n\n").exit_code == 130
    assert call("jobs", "cancel", "--queue", "emails", stdin="y\n").exit_code == 0


def test_jobs_that_match_and_cannot_be_changed_are_counted_with_their_state(call: Call, shop: Shop):
    shop.add("a", "b", "c")
    shop.hold(2)
    result = call("jobs", "delete", "--queue", "emails", "--state", "running", "--yes")
    assert result.stdout == "0 deleted\n"
    assert "not deleted: 2 that match are running (cancel them first)" in result.stderr


def test_an_explanation_speaks_the_language_of_the_shell(call: Call, shop: Shop):
    [job_id] = shop.add("a")
    call("queues", "pause", "emails")
    assert "`longshore queues resume emails` ends that" in call("jobs", "explain", job_id).stdout


def test_control_characters_of_strangers_never_reach_the_terminal(call: Call, shop: Shop):
    shop.add("a", tags=("x\x9b2J",))
    for arguments in (("show", "\x1b[2J"), ("explain", "\x1b]0;x\x07"), ("list", "--json")):
        result = call("jobs", *arguments)
        assert not set(result.output) & {"\x1b", "\x07", "\x9b"}


def test_a_signal_is_kept_for_a_job_and_the_steps_of_one_are_shown(call: Call, shop: Shop):
    """B.12"""
    job_id, over = shop.add("a", "b")
    said = call("jobs", "signal", job_id, "approved", "--data", '{"by": "ann"}')
    assert said.stdout == "signalled approved\n"
    assert said.stderr == "The signal is kept until the job waits for approved.\n"
    assert call("jobs", "cancel", over).exit_code == 0
    told = call("jobs", "signal", over, "approved")
    assert (told.exit_code, "is over" in told.stderr) == (1, True)
    assert call("jobs", "signal", job_id, "two words").exit_code == 2
    assert call("jobs", "signal", job_id, "approved", "--data", "{").exit_code == 2
    [job] = shop.hold(1)
    step = Entry(
        kind=Kind.STEP,
        place=0,
        attempt=1,
        born_ms=job.created_ms,
        at_ms=1000,
        ended_ms=3000,
        value=msgspec.Raw(b'"paid"'),
    )
    wait = Entry(kind=Kind.WAIT, place=1, attempt=1, born_ms=job.created_ms, at_ms=3000, event="approved")
    shop.put(put_of(parse_id(job_id), "charge", step, 0), put_of(parse_id(job_id), "approved", wait, 0))
    shop.settle([job], RELEASED)
    assert call("jobs", "signal", job_id, "approved").stderr == ""
    assert (
        "until the job waits for aproved. Now it waits for approved."
        in call("jobs", "signal", job_id, "aproved").stderr
    )
    lines = call("jobs", "show", job_id).stdout.splitlines()
    [charge] = [line for line in lines if line.startswith("charge")]
    [approved] = [line for line in lines if line.startswith("approved")]
    assert (charge.split()[1:3], charge.split()[-3:]) == (["step", "1"], ["2", "s", '"paid"'])
    assert approved.endswith("waits")
    shown = json.loads(call("jobs", "show", job_id, "--json").stdout)["steps"]
    assert [(each["name"], each["kind"], each["value"]) for each in shown] == [
        ("charge", "step", "paid"),
        ("approved", "wait", None),
    ]
