"""`longshore enqueue`: one job from arguments, many from JSON lines, nothing at all from a bad line."""

import json
from pathlib import Path

import pytest

from tests.doors.cli.conftest import Call, Shop


def stored(call: Call) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(call("jobs", "list", "--oldest", "--json").stdout)
    return found


def test_a_job_is_added_and_its_id_printed(call: Call, shop: Shop):
    result = call("enqueue", "emails", "send", '{"to": "a@example.com"}')
    (job,) = stored(call)
    assert result.stdout == f"{job['id']}\n"
    assert (job["queue"], job["name"], job["data"]) == ("emails", "send", {"to": "a@example.com"})


def test_every_option_reaches_the_job(call: Call, shop: Shop):
    """S3.20"""
    options = [
        "--delay",
        "60",
        "--priority",
        "1",
        "--tag",
        "x",
        "--tag",
        "y",
        "--metadata",
        '{"tenant": "acme"}',
    ]
    options += ["--reference", "User/7", "--correlation", "c1", "--max-attempts", "2"]
    assert call("enqueue", "emails", "send", *options).exit_code == 0
    (job,) = stored(call)
    assert (job["state"], job["priority"], job["tags"], job["max_attempts"]) == (
        "scheduled",
        1,
        ["x", "y"],
        2,
    )
    assert (job["metadata"], job["reference"]) == ({"tenant": "acme"}, ["User", "7"])
    assert job["correlation_id"] == "c1"


def test_a_time_is_given_with_its_zone(call: Call, shop: Shop):
    assert call("enqueue", "emails", "send", "--at", "2099-01-01T00:00:00Z").exit_code == 0
    assert stored(call)[0]["run_at"] == "2099-01-01T00:00:00.000Z"
    result = call("enqueue", "emails", "send", "--at", "2099-01-01T00:00:00")
    assert (result.exit_code, "has no time zone" in result.stderr) == (2, True)


def test_an_id_that_is_there_already_is_not_added_again(call: Call, shop: Shop):
    given = ["--id", "01890000-0000-7000-8000-000000000000"]
    assert (
        call("enqueue", "emails", "send", *given).stdout == call("enqueue", "emails", "send", *given).stdout
    )
    assert len(stored(call)) == 1


def test_a_file_of_data_makes_a_job_of_each_line(call: Call, shop: Shop, nowhere: Path):
    (nowhere / "data.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(1500)) + "\n")
    result = call("enqueue", "numbers", "count", "--file", "data.jsonl", "--tag", "import")
    assert result.stdout.startswith("1,500 jobs added")
    assert (
        len(json.loads(call("jobs", "list", "--limit", "2000", "--tag", "import", "--json").stdout)) == 1500
    )


def test_lines_on_standard_input_may_say_where_they_go(call: Call, shop: Shop):
    lines = (
        '{"queue": "a", "name": "x", "data": [1]}\n{"queue": "b", "name": "y", "options": {"priority": 1}}\n'
    )
    assert call("enqueue", "--file", "-", stdin=lines).exit_code == 0
    assert [(job["queue"], job["data"], job["priority"]) for job in stored(call)] == [
        ("a", [1], 3),
        ("b", None, 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["emails", "send", "hello"], None, "DATA_JSON is no JSON"),
        (["emails"], None, "Say QUEUE NAME"),
        (["emails", "send", "{}", "--file", "-"], "{}", "not both"),
        (["emails", "--file", "-"], "{}", "both QUEUE and NAME"),
        (["emails", "send", "--file", "-"], "1\n{bad\n", "line 2 of"),
        (["--file", "-"], '{"queue": "a"}\n', "line 1 of"),
        (["--file", "-"], '{"queue": "a", "name": "x", "dat": 1}\n', "dat"),
        (["emails", "send", "--metadata", "[1]"], None, "--metadata is an object"),
        (["emails", "send", "--reference", "User"], None, "TYPE/ID"),
        (["emails", "se nd"], None, "cannot name a task"),
    ],
)
def test_a_mistake_is_one_line_and_adds_nothing(
    call: Call, shop: Shop, arguments: list[str], stdin: str | None, words: str
):
    result = call("enqueue", *arguments, stdin=stdin)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert stored(call) == []
