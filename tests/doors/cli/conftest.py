"""This module gives the tests of the command line a clean place and a way to call it."""

from collections.abc import Callable
from pathlib import Path

import click.testing
import pytest

from longshore.cli.main import commands

Call = Callable[..., click.testing.Result]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no settings from the environment."""
    monkeypatch.chdir(tmp_path)
    for variable in ("LONGSHORE_URL", "REDIS_URL", "DATABASE_URL", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def call() -> Call:
    """Runs the command line in this process; no outcome may show a traceback."""

    def call(*arguments: str, stdin: str | bytes | None = None) -> click.testing.Result:
        result = click.testing.CliRunner().invoke(
            commands, list(arguments), input=stdin, prog_name="longshore"
        )
        assert "Traceback" not in result.output
        return result

    return call
