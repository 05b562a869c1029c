"""This module is the work of the demo: reading a source file and counting what is in it.

Both sides use it: the task in the workers, and the plain recount in the demo's own process that must come to the same.
"""

import hashlib
import io
import sysconfig
import tokenize
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

FOREIGN_FOLDERS = frozenset({"site-packages", "dist-packages", "__pycache__"})


class FileCount(msgspec.Struct, frozen=True):
    """What is in one file."""

    size_bytes: int
    lines: int
    tokens: int
    sha256: str


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Many files together. Two that are equal were counted from the same bytes."""

    files: int
    size_bytes: int
    lines: int
    tokens: int
    sha256: str
    """Of all paths and their files' hashes, in the order of the paths."""


def standard_library() -> Path:
    """Where the running interpreter keeps its own modules."""
    return Path(sysconfig.get_paths()["stdlib"])


def find_files(folder: Path) -> list[Path]:
    """Every `.py` file below the folder, by name; what others installed into the standard library is left out."""
    return sorted(
        path
        for path in folder.rglob("*.py")
        if path.is_file() and not FOREIGN_FOLDERS.intersection(path.relative_to(folder).parts)
    )


def count(path: Path) -> FileCount:
    """Reads and tokenises a file. Raises SyntaxError, UnicodeDecodeError, TokenError or OSError where it cannot."""
    content = path.read_bytes()
    tokens, lines = 0, 0
    for token in tokenize.tokenize(io.BytesIO(content).readline):
        tokens, lines = tokens + 1, token.end[0]
    return FileCount(len(content), lines, tokens, hashlib.sha256(content).hexdigest())


def total(counts: Mapping[str, FileCount]) -> Totals:
    """The files together, by path."""
    both = hashlib.sha256()
    for path in sorted(counts):
        both.update(f"{path} {counts[path].sha256}\n".encode("utf-8", "surrogateescape"))
    return Totals(
        files=len(counts),
        size_bytes=sum(each.size_bytes for each in counts.values()),
        lines=sum(each.lines for each in counts.values()),
        tokens=sum(each.tokens for each in counts.values()),
        sha256=both.hexdigest(),
    )


class Recount(msgspec.Struct, frozen=True):
    """All files counted one after another, without Longshore."""

    counts: dict[str, FileCount]
    unreadable: dict[str, str]
    """By path: why."""


def recount(paths: Iterable[Path], tell: Callable[[int], None]) -> Recount:
    """Counts in this thread; `tell` hears how many files are done."""
    counts: dict[str, FileCount] = {}
    unreadable: dict[str, str] = {}
    for done, path in enumerate(paths, 1):
        try:
            counts[str(path)] = count(path)
        except (SyntaxError, UnicodeDecodeError, tokenize.TokenError, OSError) as error:
            unreadable[str(path)] = f"{type(error).__name__}: {error}"
        tell(done)
    return Recount(counts, unreadable)
