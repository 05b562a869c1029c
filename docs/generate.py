"""This script keeps the generated pieces of the docs equal to the code they describe.

A piece stands in a page between `<!-- generated: NAME -->` and `<!-- end generated -->`. Run it to write
every piece anew, or with --check to be told which pages are out of date (exit code 1).
"""

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from docs import findings
from longshore import *  # noqa: F403 - imports every module that has errors
from longshore.cli.main import commands
from longshore.cli.settings import variables, written
from longshore.core.errors import LongshoreError
from longshore.core.states import MOVES, State
from longshore.manager.settings import Settings, describe

ROOT = Path(__file__).resolve().parent.parent
PIECE = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)


def floors() -> str:
    """The floors, top first, as import-linter reads them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (each for each in settings["contracts"] if each["id"] == "floors")
    rows = [
        f"| {len(contract['layers']) - index} | {re.sub(r'[()]', '', layer).replace(' | ', ' · ')} |"
        for index, layer in enumerate(contract["layers"])
    ]
    return "\n".join(["| floor | packages |", "|---|---|", *rows])


def states() -> str:
    """The table of legal moves, drawn."""
    moves = [
        f"    {before or '[*]'} --> {after}"
        for before, allowed in MOVES.items()
        for after in State
        if after in allowed
    ]
    ends = [f"    {state} --> [*]" for state in State if state.is_terminal]
    return "\n".join(["```mermaid", "stateDiagram-v2", *moves, *ends, "```"])


def errors() -> str:
    """Every error with its stable code, each under the one it is a kind of."""
    rows = [
        f"| {'· ' * depth}`{kind.__name__}` | `{kind.code}` | {summary(kind)} |"
        for depth, kind in error_tree()
    ]
    return "\n".join(["| error | code | meaning |", "|---|---|---|", *rows])


def error_tree(
    kind: type[LongshoreError] = LongshoreError, depth: int = 0
) -> Iterator[tuple[int, type[LongshoreError]]]:
    """The tree of errors from the top, with how deep each stands."""
    yield depth, kind
    for child in kind.__subclasses__():
        yield from error_tree(child, depth + 1)


def settings() -> str:
    """Every setting with its variables, the seeds' names among them."""
    rows = [
        f"| `{name}` | {', '.join(f'`{each}`' for each in variables(name))} | `{written(default)}` | {describe(name)} |"
        for name, default in ((name, getattr(Settings(), name)) for name in Settings.__struct_fields__)
    ]
    return "\n".join(["| setting | variables | default | meaning |", "|---|---|---|---|", *rows])


def command_line() -> str:
    """Every command with its own help, as the terminal shows it."""
    return "\n".join(
        f"## `{ctx.command_path}`\n\n```text\n{ctx.get_help()}\n```\n" for ctx in command_tree(commands)
    ).rstrip()


def command_tree(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """The contexts of a command and of all below it that do something."""
    name = command.name if parent else "longshore"
    with click.Context(command, info_name=name, parent=parent, terminal_width=100, color=False) as ctx:
        if isinstance(command, click.Group):
            children = (command.get_command(ctx, each) for each in command.list_commands(ctx))
            for child in filter(None, children):
                yield from command_tree(child, ctx)
        else:
            yield ctx


def summary(kind: type[LongshoreError]) -> str:
    """The first sentence of a class's docstring, on one line of a table."""
    first = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


PIECES: dict[str, Callable[[], str]] = {
    "command-line": command_line,
    "errors": errors,
    "findings": findings.table,
    "floors": floors,
    "settings": settings,
    "states": states,
}


def renewed(page: str) -> str:
    """The page's text with every generated piece as the code has it now."""
    return PIECE.sub(lambda found: f"{found[1]}{PIECES[found[2]]()}\n{found[3]}", page)


def main(arguments: list[str]) -> int:
    """Write or compare all pages; returns the exit code."""
    outdated = []
    for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        if not path.exists():
            continue
        text = path.read_text(encoding="utf-8")
        if renewed(text) != text:
            outdated.append(path.relative_to(ROOT))
            if "--check" not in arguments:
                path.write_text(renewed(text), encoding="utf-8")
    for path in outdated:
        print(path, "is out of date, run: python3 dev.py docs" if "--check" in arguments else "is renewed")
    return 1 if outdated and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
