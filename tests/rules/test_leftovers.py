"""Leftovers: no note of work to do, and no method that only says it is missing."""

import re

from tests.rules.sources import files, shown, text

LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")


def leftovers(source: str) -> list[int]:
    """Lines that put work off; work to do belongs in an issue."""
    return [number for number, line in enumerate(source.splitlines(), 1) if LEFTOVER.search(line)]


def test_nothing_in_the_package_is_left_for_later():
    kinds = (".py", ".sql", ".lua", ".toml")
    paths = [*files("src", *kinds), *files("servers", *kinds)]
    found = {shown(path): leftovers(text(path)) for path in paths}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_planted_leftovers_are_found():
    assert leftovers("x = 1  # TODO later\nraise NotImplementedError\nmethod = 1\n-- FIXME\n") == [1, 2, 4]
