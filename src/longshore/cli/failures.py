"""This module turns whatever a command raises into one line that says what to do, and an exit code."""

import os
import sys
import traceback

import click

from longshore.core.errors import LongshoreError, UsageError
from longshore.core.printing import visible

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class Failure(click.ClickException):
    """What was asked for could not be done; the message says why and what to do."""


class Misuse(click.UsageError):
    """The command was called in a way that it cannot be; the message itself says how it can."""


def exit_code(error: BaseException, *, with_traceback: bool) -> int:
    """Prints the failure on stderr and gives the exit code: 1 failed, 2 wrong usage, 130 interrupted."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # `longshore jobs list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if with_traceback:
        traceback.print_exception(error)
    complain(sentence(error))
    return WRONG_USAGE if isinstance(error, UsageError | click.UsageError) else FAILED


def sentence(error: BaseException) -> str:
    """The failure in one line."""
    if isinstance(error, click.UsageError) and not isinstance(error, Misuse):
        place = f" See: {error.ctx.command_path} --help" if error.ctx else ""
        return _one_line(error.format_message()) + place
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message())
    if isinstance(error, LongshoreError | OSError):
        return _one_line(str(error))
    named = f"{type(error).__name__}: {error}"
    return f"{_one_line(named)} (not expected; `longshore --traceback …` shows where it came from)"


def complain(line: str) -> None:
    """One line on stderr that begins with `error:`."""
    click.secho(f"error: {line}", err=True, fg="red", color=colour_wanted())


def warn(line: str) -> None:
    """One line on stderr that begins with `warning:`."""
    click.secho(f"warning: {_one_line(line)}", err=True, fg="yellow", color=colour_wanted())


def colour_wanted() -> bool | None:
    """False where NO_COLOR asks for none (https://no-color.org); None: only on a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())
