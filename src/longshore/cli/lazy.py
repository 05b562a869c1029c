"""This module is the group of commands that imports a command only when it runs, and prints failures in one line."""

import signal
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import click

from longshore.cli.failures import colour_wanted, exit_code


class Lazy(NamedTuple):
    """A command that is not imported yet."""

    target: str
    """`module:attribute`."""
    summary: str
    """Its line in the list of commands; a test compares it with the command's own."""


class Section(NamedTuple):
    """Commands that stand together in the help."""

    title: str
    commands: Mapping[str, Lazy]


class Commands(click.Group):
    """The top of the command line."""

    def __init__(self, sections: Sequence[Section], *, help: str) -> None:  # noqa: A002 - click's word
        super().__init__(
            help=help,
            callback=None,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        )
        self.sections = sections
        self.lazy = {name: lazy for section in sections for name, lazy in section.commands.items()}
        self.params += [
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_version,
                help="Print the version and exit.",
            ),
            click.Option(
                ["--traceback"], is_flag=True, expose_value=False, help="Show the traceback of an error."
            ),
        ]

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Runs one command and exits. Every failure is one line on stderr and an exit code."""
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # set while this was imported
            signal.signal(signal.SIGINT, signal.default_int_handler)
        given = list(args[0] if args and args[0] is not None else kwargs.pop("args", None) or sys.argv[1:])
        kwargs["standalone_mode"] = False
        kwargs["color"] = colour_wanted()
        try:
            result = super().main(given, *args[1:], **kwargs)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place that can say it kindly
            sys.exit(exit_code(error, with_traceback="--traceback" in given[:2]))
        sys.exit(result if isinstance(result, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].target.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.lazy and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.lazy, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(self.lazy)}."
            ctx.fail(f"No command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for section in self.sections:
            with formatter.section(section.title):
                formatter.write_dl([(name, lazy.summary) for name, lazy in section.commands.items()])


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        from importlib.metadata import version

        click.echo(f"longshore {version('longshore')}")
        ctx.exit()
