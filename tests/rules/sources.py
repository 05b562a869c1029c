"""This module finds the project's own files, so that every rule looks at the same ones."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = {".git", ".venv", ".dev", "node_modules", "__pycache__", ".hypothesis", "dist", "build", "assets"}


def files(folder: str = ".", *suffixes: str) -> Iterator[Path]:
    """Every file of the project under a folder whose name ends so; without suffixes, every file.

    It walks instead of asking git: a checkout owned by somebody else makes git refuse.
    """
    for parent, folders, names in os.walk(ROOT / folder):
        folders[:] = sorted(each for each in folders if each not in FOREIGN and not each.endswith("_cache"))
        for name in sorted(names):
            if name not in FOREIGN and (not suffixes or name.endswith(suffixes)):
                yield Path(parent, name)


def shown(path: Path) -> str:
    """The path as a reader of a failure wants it."""
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    """The file's text; what is not UTF-8 is not ours to judge."""
    return path.read_text(encoding="utf-8", errors="replace")
