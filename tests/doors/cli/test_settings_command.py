"""`longshore settings`: each value, and where it came from."""

import json
from pathlib import Path

import pytest

from longshore.manager.settings import Settings
from tests.doors.cli.conftest import Call


def test_every_setting_is_listed_with_value_and_origin(
    call: Call, nowhere: Path, monkeypatch: pytest.MonkeyPatch
):
    """S4.9"""
    (nowhere / "longshore.toml").write_text("lease = 20\n")
    monkeypatch.setenv("LONGSHORE_QUEUE_CONCURRENCY", "7")
    result = call("settings", "--json")
    listed = {row["name"]: row for row in json.loads(result.stdout)}
    assert list(listed) == list(Settings.__struct_fields__)
    assert (listed["lease"]["value"], listed["lease"]["from"]) == (20.0, str(nowhere / "longshore.toml"))
    assert (listed["concurrency"]["value"], listed["concurrency"]["from"]) == (
        7,
        "LONGSHORE_QUEUE_CONCURRENCY",
    )
    assert listed["concurrency"]["variables"][0] == "LONGSHORE_CONCURRENCY"


def test_the_table_shows_no_secret(call: Call):
    result = call("settings", "--url", "redis://me:s3cret@host/0")
    assert "s3cret" not in result.output
    assert "redis://***@host/0" in result.stdout
    assert "argument" in result.stdout


def test_a_misspelt_variable_is_a_warning_on_stderr(call: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LONGSHORE_LEAS", "20")
    result = call("settings")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: LONGSHORE_LEAS")


def test_a_wrong_value_is_one_line_and_exit_code_2(call: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LONGSHORE_LEASE", "1")
    result = call("settings")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: Setting 'lease' = '1' (LONGSHORE_LEASE)")
