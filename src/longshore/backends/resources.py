"""This module reads the statements that travel with the package, once, and refuses one that does not introduce itself.

Statements live in files so that each has a name, a header and a test of its plan; nothing is pieced together.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from longshore.core.errors import StoreError

HEADER = ("-- verb:", "-- parameters:", "-- columns:", "-- index:")
"""What every query file says before its statement."""


@cache
def read_queries(package: str) -> Mapping[str, str]:
    """The statements of `<package>/queries/*.sql` by the name of their file, without their headers.

    Raises StoreError for a file that lacks a line of the header: the package was built wrongly.
    """
    return {
        name: _statement(f"{package}/{name}", text) for name, text in read_texts(package, "queries").items()
    }


def read_texts(package: str, folder: str) -> Mapping[str, str]:
    """The text of each `.sql` file of a folder inside a package, by its name without the suffix, sorted."""
    found = [entry for entry in files(package).joinpath(folder).iterdir() if entry.name.endswith(".sql")]
    return {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
    }


def _statement(name: str, text: str) -> str:
    lines = text.splitlines()
    body = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    for key in HEADER:
        said = [line.removeprefix(key).strip() for line in lines[:body] if line.startswith(key)]
        if not any(said):
            raise StoreError(
                f"The statement {name}.sql has no line '{key} …' before it: reinstall longshore."
            )
    return "\n".join(lines[body:]).strip()
