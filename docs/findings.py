"""This module lists what `longshore doctor` can find, by reading the code: each `Finding(…)` is a row."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).resolve().parent.parent / "src" / "longshore"
FIELDS = ("level", "code", "problem", "remedy")
PLACES = {
    "checks": "machine, settings",
    "doctor": "any store",
    "memory": "memory",
    "sqlite": "SQLite",
    "postgres": "PostgreSQL",
    "redis": "Redis",
}
"""What a finding is about, by the module or package that makes it."""


class Row(NamedTuple):
    """One finding."""

    code: str
    level: str
    place: str
    problem: str
    remedy: str


def findings() -> list[Row]:
    """All whose code is written down; sorted by place and code."""
    rows = {row for path in SOURCES.rglob("*.py") if "testing" not in path.parts for row in _rows(path)}
    return sorted(rows, key=lambda row: (list(PLACES.values()).index(row.place), row.code))


def table() -> str:
    """They as a table."""
    rows = [
        f"| `{row.code}` | {row.level} | {row.place} | {_cell(row.problem)} | {_cell(row.remedy)} |"
        for row in findings()
    ]
    return "\n".join(
        ["| code | level | about | what is wrong | what to do |", "|---|---|---|---|---|", *rows]
    )


def _rows(path: Path) -> Iterator[Row]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            values = dict(zip(FIELDS, node.args, strict=False))
            values |= {each.arg: each.value for each in node.keywords if each.arg}
            if isinstance(values["code"], ast.Constant):
                said = {field: _text(value) for field, value in values.items()}
                yield Row(said["code"], said["level"], _place(path), said["problem"], said["remedy"])


def _place(path: Path) -> str:
    return next(PLACES[name] for name in (path.stem, path.parent.name) if name in PLACES)


def _text(node: ast.expr) -> str:
    """What is written, with `…` for what is only known when it runs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
