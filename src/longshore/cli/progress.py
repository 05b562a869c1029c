"""This module shows how far work is: a bar that moves on a terminal, plain lines anywhere else."""

from types import TracebackType
from typing import IO, Protocol, Self

import click

from longshore.cli.failures import colour_wanted
from longshore.core.clock import Clock


class Surface(Protocol):
    """What is written on."""

    def write(self, line: str) -> None:
        """A line that stays; it may hold ANSI colours."""

    def move(self, what: str, done: int, of: int) -> None:
        """How far `what` is."""

    def close(self) -> None:
        """Takes away what moved."""


class Lines:
    """Lines and nothing else: progress at every quarter."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._shown: tuple[str, int] = ("", 0)

    def write(self, line: str) -> None:
        click.echo(line, file=self._stream, color=colour_wanted())

    def move(self, what: str, done: int, of: int) -> None:
        quarter = (what, 4 * done // max(of, 1))
        if quarter != self._shown and quarter[1]:
            self._shown = quarter
            self.write(f"          {what}: {done:,} of {of:,}")

    def close(self) -> None:
        self._stream.flush()


class Progress:
    """Where a command tells what happens and how far it is, with the seconds since it began."""

    def __init__(self, stream: IO[str], clock: Clock) -> None:
        self.clock = clock
        self._started = clock.monotonic()
        self._surface = surface_on(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._surface.close()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self.clock.monotonic() - self._started

    def say(self, line: str, colour: str | None = None) -> None:
        """Something that happened."""
        self._surface.write(click.style(f"{self.seconds:6.1f} s  ", dim=True) + click.style(line, fg=colour))

    def move(self, what: str, done: int, of: int) -> None:
        """How far `what` is."""
        self._surface.move(what, done, of)


def surface_on(stream: IO[str]) -> Surface:
    """The one that fits; rich is imported only for a terminal, because that takes longer than most commands."""
    if not stream.isatty():
        return Lines(stream)
    from longshore.cli.bar import Bar

    return Bar(stream)
