"""This module prints lists: as aligned columns for people, as JSON for programs. Colours only on a terminal.

Text from jobs is data from strangers: control characters never reach the terminal.
"""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click
import msgspec

from longshore.core.printing import visible

COLOURS: Mapping[str, str] = {
    "pending": "blue",
    "scheduled": "blue",
    "held": "blue",
    "blocked": "blue",
    "running": "cyan",
    "retrying": "yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "bright_black",
    "skipped": "bright_black",
    "error": "red",
    "warning": "yellow",
    "paused": "yellow",
    "ok": "green",
}
"""How a cell that is exactly this word is coloured."""


_RAW = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Delete, the second set of control characters, and what turns the direction of writing."""


def print_json(value: object) -> None:
    """One indented JSON document on stdout. JSON lets some control characters through that drive a terminal, so those
    are escaped too."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    click.echo(_RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Aligned columns; numbers stand right. On a terminal the last column is cut to fit."""
    if not rows:
        click.echo(empty)
        return
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(titles))]
    click.secho(_line(titles, widths, numeric, styled=False), bold=True)
    for row in cells:
        click.echo(_line(row, widths, numeric, styled=True))


def print_facts(facts: Mapping[str, object]) -> None:
    """Names and values below each other; empty values are left out."""
    kept = {name: value for name, value in facts.items() if value not in (None, "", (), [], {})}
    width = max(map(len, kept), default=0)
    for name, value in kept.items():
        lines = [visible(line) for line in str(value).splitlines()] or [""]
        colour = COLOURS.get(lines[0])
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {_coloured(lines[0], colour)}")
        for line in lines[1:]:
            click.echo(" " * (width + 2) + line)


def printable(value: object) -> str:
    """A cell's text: thousands separated, None as a dash, no control characters."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
    return visible(str(value))


def age(then_ms: int | None, now_ms: int) -> str | None:
    """How long ago, or with `in` how far ahead: `12 s`, `3 min`, `in 2 h`, `5 d`."""
    if then_ms is None:
        return None
    seconds = (now_ms - then_ms) / 1000
    return duration(seconds) if seconds >= 0 else f"in {duration(-seconds)}"


def duration(seconds: float) -> str:
    """A length of time in its largest fitting unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.0f} ms"


def moment(at_ms: int | None) -> str | None:
    """A time as ISO 8601 in UTC, to the millisecond."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shorten(text: str | None, width: int) -> str:
    """The first line, cut with an ellipsis."""
    line = (text or "").strip().partition("\n")[0]
    return line if len(line) <= width else line[: width - 1] + "…"


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool], *, styled: bool) -> str:
    last = len(cells) - 1
    parts: list[str] = []
    used = 0
    for i, cell in enumerate(cells):
        shown = shorten(cell, max(12, _room() - used)) if i == last else cell
        padded = shown.rjust(widths[i]) if numeric[i] else shown if i == last else shown.ljust(widths[i])
        parts.append(_coloured(padded, COLOURS.get(cell) if styled else None))
        used += widths[i] + 2
    return "  ".join(parts).rstrip()


def _room() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def _coloured(text: str, colour: str | None) -> str:
    return click.style(text, fg=colour) if colour else text


def plain(value: object) -> str:
    """A stored JSON value as one compact line."""
    return msgspec.json.encode(value, enc_hook=str).decode()
