"""This module is the bar that moves at the bottom of a terminal, drawn by rich."""

from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


class Bar:
    """One bar at a time; lines appear above it."""

    def __init__(self, stream: IO[str]) -> None:
        self._progress = Progress(
            TextColumn("          {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(file=stream, highlight=False),
            transient=True,
        )
        self._progress.start()
        self._what = ""
        self._task: TaskID | None = None

    def write(self, line: str) -> None:
        """A line that stays, above the bar."""
        self._progress.console.print(Text.from_ansi(line), soft_wrap=True)

    def move(self, what: str, done: int, of: int) -> None:
        """How far `what` is; another `what` begins a new bar in the place of the old."""
        if self._task is None or what != self._what:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, total=of)
            self._what = what
        self._progress.update(self._task, completed=done, total=of)

    def close(self) -> None:
        """Takes the bar away; the lines stay."""
        self._progress.stop()
