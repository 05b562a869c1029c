"""`longshore demo` as a real process over a small tree: a worker is killed, nothing is lost, both counts agree."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = 60
LINES = "def function_{n}(first, second):\n    return [first, second, {n} * 2, 'text']  # a comment\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Sources big enough that workers still hold some when the kill comes, and one that cannot be decoded."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(FILES):
        content = "".join(LINES.format(n=number * 1000 + n) for n in range(400))
        (folder / f"module_{number}.py").write_text(content)
    (folder / "undecodable.py").write_bytes(b"# \xff\xfe is no UTF-8\n")
    return folder


def run(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "longshore", "demo", "--path", str(tree), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=55)
    assert "Traceback" not in done.stderr
    return done


def test_a_killed_worker_loses_nothing_and_the_totals_are_those_of_a_plain_recount(tree: Path):
    done = run(tree, "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["agree"] is True
    assert (report["done"], report["lost"], report["dead"], report["retried"]) == (FILES, 0, 1, 1)
    assert report["workers"] == report["recount"]
    assert list(report["dead_letters"]) == [str(tree / "undecodable.py")]
    kill = report["kill"]
    assert len(kill["jobs_held"]) == report["run_twice"] > 0
    assert 0 < kill["back_after_seconds"] < 5


def test_without_a_kill_nothing_is_run_twice_and_the_report_says_what_to_try(tree: Path):
    done = run(tree, "--no-kill", "--processes", "1")
    assert done.returncode == 0, done.stderr
    assert "run twice        0  no worker was killed" in done.stdout
    assert "Both agree and nothing is lost." in done.stdout
    assert "longshore demo --keep" in done.stdout


def test_an_empty_folder_is_one_line_and_exit_code_1(tmp_path: Path):
    done = run(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: There is no .py file below")
