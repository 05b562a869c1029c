"""The top of the command line: light, clear about mistakes, one line for every failure."""

import subprocess
import sys

import click
import pytest

from longshore.cli import failures
from longshore.cli.lazy import Commands, Lazy, Section
from longshore.cli.main import commands
from longshore.core.errors import JobNotFound, StoreUnavailable, UnknownQueue
from tests.doors.cli.conftest import Call

HEAVY = {"rich", "apsw", "longshore.cli.jobs"}


def test_the_entry_imports_no_command_and_nothing_heavy():
    code = "import sys, longshore.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()


def test_help_lists_every_command_with_the_words_of_its_own_help(call: Call):
    shown = call("--help")
    assert shown.exit_code == 0
    ctx = click.Context(commands)
    for name, lazy in commands.lazy.items():
        assert f"{name}  " in shown.stdout
        command = commands.get_command(ctx, name)
        assert command is not None
        assert command.get_short_help_str(200) == lazy.summary


@pytest.mark.parametrize("name", list(commands.lazy))
def test_every_command_has_help(call: Call, name: str):
    assert call(name, "--help").exit_code == 0


def test_the_version_is_printed(call: Call):
    assert call("--version").stdout.startswith("longshore 0")


def test_a_misspelt_command_is_one_line_with_the_near_match(call: Call):
    result = call("jbos")
    assert result.exit_code == 2
    assert result.stderr == "error: No command 'jbos'. Did you mean 'jobs'? See: longshore --help\n"


def test_a_wrong_option_is_one_line_that_says_where_the_help_is(call: Call):
    result = call("migrate", "--chek")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "See: longshore migrate --help" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (JobNotFound("7"), 1, "No job 7"),
        (StoreUnavailable("locked", "by somebody"), 1, "The store is locked: by somebody."),
        (UnknownQueue("emial", ["email"]), 2, "Did you mean 'email'?"),
        (FileNotFoundError(2, "No such file", "x"), 1, "No such file"),
        (RuntimeError("two\nlines"), 1, "RuntimeError: two lines (not expected; `longshore --traceback"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_failure_is_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
):
    assert failures.exit_code(error, with_traceback=False) == code
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert words in printed
    assert printed.count("\n") == 1


@click.command()
def breaking() -> None:
    """Break."""
    raise RuntimeError("planted")


def test_a_traceback_is_shown_only_when_it_is_asked_for():
    section = Section("All", {"breaking": Lazy(f"{__name__}:breaking", "Break.")})
    sys.modules.setdefault(__name__, sys.modules[__name__])
    top = Commands([section], help="x")
    runner = click.testing.CliRunner()
    assert "Traceback" not in runner.invoke(top, ["breaking"]).stderr
    assert "Traceback" in runner.invoke(top, ["--traceback", "breaking"]).stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_ask_us_for_the_words(call: Call, shell: str):
    assert "_LONGSHORE_COMPLETE" in call("completion", shell).stdout


def test_a_reader_that_goes_away_is_no_error():
    pipe = f"{sys.executable} -m longshore settings | head -n 0"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch):
    assert failures.colour_wanted() is None
    monkeypatch.setenv("NO_COLOR", "1")
    assert failures.colour_wanted() is False


@pytest.mark.parametrize("seconds", [0.001, 0.03, 0.06, 0.1, 0.15])
def test_ctrl_c_while_it_starts_shows_no_traceback(seconds: float, nowhere):
    # counted from the moment in which `main` has taken Ctrl-C over; before that it is Python's own
    start = f"""
import os, signal, threading
from longshore.__main__ import main

take_over = signal.signal

def taken_over(number, handler):
    signal.signal = take_over
    take_over(number, handler)
    threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGINT)).start()

signal.signal = taken_over
main()
"""
    command = [sys.executable, "-c", start, "demo", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 130, -2}
