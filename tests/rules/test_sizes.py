"""Sizes: a file and a function that a reader can hold, and statements that introduce themselves."""

import ast

from tests.rules.sources import files, shown, text

MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_FUNCTION = 60
HEADER = ("-- verb:", "-- parameters:", "-- columns:", "-- index:")


def long_parts(source: str) -> list[str]:
    """What is too long in a Python file."""
    found = []
    lines = source.count("\n")
    if lines > MOST_LINES_OF_A_FILE:
        found.append(f"{lines} lines: split it by subject")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MOST_LINES_OF_A_FUNCTION:
                found.append(f"{node.name} has {length} lines: name its steps")
    return found


def missing_header_lines(statement: str) -> list[str]:
    """Which header lines a query file lacks; all stand before the statement, and each says something."""
    header = []
    for line in statement.splitlines():
        if not line.startswith("--"):
            break
        header.append(line)
    return [
        key
        for key in HEADER
        if not any(line.startswith(key) and line.removeprefix(key).strip() for line in header)
    ]


def test_no_file_and_no_function_is_too_long():
    too_long = {
        shown(path): long_parts(text(path)) for path in [*files("src", ".py"), *files("servers", ".py")]
    }
    assert {path: found for path, found in too_long.items() if found} == {}


def test_every_query_says_its_verb_parameters_columns_and_index():
    queries = [path for path in files("src", ".sql") if path.parent.name == "queries"]
    lacking = {shown(path): missing_header_lines(text(path)) for path in queries}
    assert {path: keys for path, keys in lacking.items() if keys} == {}


def test_every_other_statement_file_opens_with_a_comment():
    others = [path for path in files("src", ".sql", ".lua") if path.parent.name != "queries"]
    assert [shown(path) for path in others if not text(path).startswith("-- ")] == []


def test_a_planted_long_file_and_a_planted_long_function_are_found():
    assert long_parts("x = 1\n" * 450) == []
    assert long_parts("x = 1\n" * 451) == ["451 lines: split it by subject"]
    assert long_parts("def f():\n" + "    x = 1\n" * 59) == []
    assert long_parts("async def f():\n" + "    x = 1\n" * 60) == ["f has 61 lines: name its steps"]


def test_a_planted_query_without_its_header_is_found():
    complete = "-- verb: claim\n-- parameters: :count\n-- columns: job\n-- index: jobs_due\nSELECT 1\n"
    assert missing_header_lines(complete) == []
    assert missing_header_lines(complete.replace(" jobs_due", "")) == ["-- index:"]
    assert missing_header_lines("SELECT 1\n" + complete) == list(HEADER)
