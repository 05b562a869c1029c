"""Tables: aligned, empty ones in words, nothing from a job reaches the terminal as a command."""

import json

import pytest

from longshore.cli.tables import age, duration, print_facts, print_json, print_table, printable, shorten


def test_columns_are_aligned_and_numbers_stand_right(capsys: pytest.CaptureFixture[str]):
    print_table(["NAME", "JOBS"], [["a", 5], ["longer", 12_000]], empty="")
    assert capsys.readouterr().out == "NAME      JOBS\na            5\nlonger  12,000\n"


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]):
    print_table(["NAME"], [], empty="No jobs.")
    assert capsys.readouterr().out == "No jobs.\n"


def test_control_characters_of_stored_text_are_not_printed(capsys: pytest.CaptureFixture[str]):
    print_table(["ERROR"], [["\x1b[2Jgone\nsecond"]], empty="")
    print_facts({"error": "\x1b]0;title\x07"})
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "gone second" in printed


def test_facts_that_are_empty_are_left_out(capsys: pytest.CaptureFixture[str]):
    print_facts({"queue": "emails", "error": None, "tags": ""})
    assert capsys.readouterr().out == "queue  emails\n"


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]):
    print_json([{"a": 1}])
    assert json.loads(capsys.readouterr().out) == [{"a": 1}]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.25, "250 ms"), (90, "90 s"), (600, "10 min"), (10_800, "3 h"), (864_000, "10 d")],
)
def test_durations_are_written_in_their_largest_unit(seconds: float, words: str):
    assert duration(seconds) == words


def test_ages_look_back_and_ahead_in_time():
    assert age(1_000, 61_000) == "60 s"
    assert age(61_000, 1_000) == "in 60 s"
    assert age(None, 0) is None


def test_cells_are_written_for_people():
    assert [printable(cell) for cell in (None, True, 1234567, 1.25, 12345.6)] == [
        "-",
        "yes",
        "1,234,567",
        "1.2",
        "12,346",
    ]
    assert shorten("a long line\nand more", 8) == "a long …"
