"""This module reads the statements that travel with the package, once, and refuses one that does not introduce itself.

Statements live in files so that each has a name, a header and a test of its plan. What several of them say alike is a
part, a file of its own: a line `-- part: name` stands for it. Nothing else is ever pieced together.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from longshore.core.errors import StoreError

HEADER = ("-- verb:", "-- parameters:", "-- columns:", "-- index:")
"""What every query file says before its statement."""
PARTS_HEADER = ("-- for:",)
"""What every part says before its text."""
_PART = re.compile(r"^( *)-- part: (\w+)$", re.MULTILINE)


@cache
def read_queries(package: str) -> Mapping[str, str]:
    """The statements of `<package>/queries/*.sql` by the name of their file, without their headers and with the parts
    of `queries/parts/*.sql` in their places.

    Raises StoreError for a file that lacks a line of the header, and for a part that is not there: the package was
    built wrongly.
    """
    parts = {
        name: _without_header(f"{package}/parts/{name}", text, PARTS_HEADER)
        for name, text in read_texts(package, "queries/parts").items()
    }
    return {
        name: _complete(name, _without_header(f"{package}/{name}", text, HEADER), parts)
        for name, text in read_texts(package, "queries").items()
    }


def read_texts(package: str, folder: str) -> Mapping[str, str]:
    """The text of each `.sql` file of a folder inside a package, by its name without the suffix, sorted; nothing where
    there is no such folder."""
    place = files(package).joinpath(folder)
    found = [entry for entry in place.iterdir() if entry.name.endswith(".sql")] if place.is_dir() else []
    return {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
    }


def _complete(name: str, statement: str, parts: Mapping[str, str]) -> str:
    """The statement with its parts, each as far to the right as the line that stands for it."""

    def part(line: re.Match[str]) -> str:
        indentation, wanted = line.groups()
        if wanted not in parts:
            raise StoreError(f"The statement {name}.sql asks for a part {wanted} that is not there.")
        return textwrap.indent(parts[wanted], indentation)

    return _PART.sub(part, statement)


def _without_header(name: str, text: str, header: Sequence[str]) -> str:
    lines = text.splitlines()
    body = next(
        (number for number, line in enumerate(lines) if not line.startswith("--") or _PART.match(line)),
        len(lines),
    )
    for key in header:
        said = [line.removeprefix(key).strip() for line in lines[:body] if line.startswith(key)]
        if not any(said):
            raise StoreError(
                f"The statement {name}.sql has no line '{key} …' before it: reinstall longshore."
            )
    return "\n".join(lines[body:]).strip()
