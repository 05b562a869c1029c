"""The public surface: what `import longshore` offers, and what it must not drag in."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import longshore
from tests.rules.public_types import problems

NAMES = Path(__file__).with_name("public_names.txt")
HEAVY = ("apsw", "rich", "click", "asyncpg", "redis", "pydantic")


def problems_of_surface(names: list[str], pinned: list[str]) -> list[str]:
    """What is wrong with a list of public names, compared with the committed one."""
    problems = []
    if list(names) != sorted(names):
        problems.append("__all__ is not sorted")
    problems += [f"{name} is new: add it to public_names.txt" for name in sorted(set(names) - set(pinned))]
    problems += [f"{name} is gone: that is an ADR" for name in sorted(set(pinned) - set(names))]
    return problems


def imported_with(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has after running `statement`."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names_are_sorted_and_are_those_committed():
    assert problems_of_surface(longshore.__all__, NAMES.read_text().split()) == []


def test_every_public_name_resolves():
    assert [name for name in longshore.__all__ if not hasattr(longshore, name)] == []


def test_type_checkers_are_shown_the_names_that_are_imported_on_demand():
    tree = ast.parse(Path(longshore.__file__).read_text())
    [checked] = [node for node in tree.body if isinstance(node, ast.If)]
    shown = {each.module: tuple(name.name for name in each.names) for each in checked.body}
    assert shown == longshore._HOMES
    assert sorted(longshore._HOME_OF) == longshore.__all__


def test_a_name_that_does_not_exist_is_missed_as_in_any_module():
    with pytest.raises(ImportError, match="QueueManger"):
        exec("from longshore import QueueManger")
    assert set(longshore.__all__) <= set(dir(longshore))


def test_importing_longshore_imports_nothing_before_it_is_needed():
    """That is what keeps it far below 100 ms."""
    assert imported_with("import longshore") & {"asyncio", "msgspec", "inspect", "logging"} == set()


def test_the_whole_of_longshore_imports_nothing_heavy():
    assert imported_with("from longshore import *") & set(HEAVY) == set()


def test_the_version_is_told_without_a_manager():
    seen = imported_with("from longshore.cli.main import commands")
    assert seen & {"asyncio", "msgspec", "longshore.manager"} == set()


def test_a_planted_name_and_a_lost_name_and_a_wrong_order_are_found():
    assert problems_of_surface(["b", "a"], ["a", "c"]) == [
        "__all__ is not sorted",
        "b is new: add it to public_names.txt",
        "c is gone: that is an ADR",
    ]


def test_a_planted_heavy_import_is_found():
    assert "click" in imported_with("import longshore, click")


def symbol(name: str, *, known: bool, ambiguous: bool) -> dict[str, object]:
    """A line of pyright's report."""
    return {
        "name": name,
        "isTypeKnown": known,
        "isTypeAmbiguous": ambiguous,
        "diagnostics": [{"message": "why"}],
    }


def test_planted_unknown_types_are_found_and_ambiguous_ones_on_public_names_only():
    report = [
        symbol("longshore.core.retry.Retry.initial", known=False, ambiguous=True),
        symbol("longshore.core.retry.RetryTable", known=False, ambiguous=True),
        symbol("longshore.core.rows.row", known=False, ambiguous=False),
        symbol("longshore.core.rows.fine", known=True, ambiguous=False),
    ]
    assert problems(report, ["longshore.core.retry.Retry"]) == [
        "longshore.core.retry.Retry.initial: why",
        "longshore.core.rows.row: why",
    ]
