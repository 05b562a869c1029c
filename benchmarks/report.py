"""This module turns the rounds of a run into medians and shares, and those into a table or JSON."""

import os
import platform
from collections.abc import Sequence
from itertools import zip_longest
from statistics import median
from typing import Any

import apsw
from targets import ROWS, Row

NOTHING: dict[str, float] = {}
Rounds = Sequence[dict[str, float]]
"""The figures of one store, round by round; a measure that is run once is in the first only."""


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": apsw.sqlite_lib_version(),
    }


def lines(store: str, rounds: Rounds, bare: Rounds) -> list[dict[str, Any]]:
    """A line for each figure of a store, in the order of the table; `bare` are the limits that were found beside."""
    return [line for row in ROWS if (line := _line(row, store, rounds, bare)) is not None]


def _line(row: Row, store: str, rounds: Rounds, bare: Rounds) -> dict[str, Any] | None:
    figures = [figures[row.key] for figures in rounds if row.key in figures]
    if not figures:
        return None
    figure, share = median(figures), _share(row, row.limits.get(store), rounds, bare)
    return {
        "measure": row.key,
        "title": row.title,
        "store": store,
        "figure": round(figure, 3),
        "unit": row.unit,
        "lowest": round(min(figures), 3),
        "highest": round(max(figures), 3),
        "limit": row.limit_title if share is not None else None,
        "share": None if share is None else round(share, 3),
        "target": row.targets.get(store),
        "target_share": row.least(store) if share is not None else None,
        "met": row.is_met(store, figure, share),
    }


def _share(row: Row, limit: str | float | None, rounds: Rounds, bare: Rounds) -> float | None:
    """The median of each round's own share: a slow minute of the machine slows both sides of it."""
    shares = []
    for figures, beside in zip_longest(rounds, bare, fillvalue=NOTHING):
        most = (beside | figures).get(limit) if isinstance(limit, str) else limit
        if most and row.key in figures:
            shares.append(figures[row.key] / most)
    return median(shares) if shares else None


def table(found: Sequence[dict[str, Any]], about: dict[str, Any]) -> str:
    """The lines for people."""
    cells: list[tuple[str, ...]] = [("measure", "", "store", "figure", "", "of", "target", "")]
    cells += [_cells(line) for line in found]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    text = "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in cells)
    return f"{text}\n\n" + ", ".join(f"{key}: {value}" for key, value in about.items())


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if column == 3 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    share = "" if line["share"] is None else f"{line['share']:.0%} of {line['limit']}"
    return (
        line["measure"],
        line["title"],
        line["store"],
        _number(line["figure"]),
        line["unit"],
        share,
        _target(line),
        {True: "met", False: "NOT MET", None: ""}[line["met"]],
    )


def _target(line: dict[str, Any]) -> str:
    at_most = next(row.at_most for row in ROWS if row.key == line["measure"])
    texts = []
    if line["target"] is not None:
        texts.append(f"{'at most' if at_most else 'at least'} {_number(line['target'])}")
    if line["target_share"] is not None:
        texts.append(f"at least {line['target_share']:.0%}")
    return ", ".join(texts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
