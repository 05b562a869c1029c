"""This module is what is done in a transaction, and how those who wait for it are told what came of it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from longshore.backends.sqlite.transaction import Transaction

EXTEND, SETTLE, CLAIM, OTHER = range(4)
"""The order within a transaction."""


class Command:
    """Something to be done in a transaction; it has a reply or an error afterwards."""

    __slots__ = ("error", "is_visit", "must_last", "reply", "work")

    def __init__(
        self, work: Callable[[Transaction], Any], *, is_visit: bool = False, must_last: bool = True
    ) -> None:
        self.work = work
        self.must_last = must_last
        """A loss of power must not undo it once it is answered; with `synchronous="normal"` it may all the same."""
        self.is_visit = is_visit
        """It is a transaction to itself, and takes as long as its visitor wants."""
        self.reply: Any = None
        self.error: BaseException | None = None


class Waiting(Command):
    """A command for the writer's thread, and who waits for it in an event loop."""

    __slots__ = ("future", "is_answered", "loop", "rank")

    def __init__(
        self,
        rank: int,
        work: Callable[[Transaction], Any],
        loop: asyncio.AbstractEventLoop,
        *,
        is_visit: bool = False,
        must_last: bool = True,
    ) -> None:
        super().__init__(work, is_visit=is_visit, must_last=must_last)
        self.rank, self.loop = rank, loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.is_answered = False


def deliver(commands: Iterable[Waiting]) -> None:
    """Resolves the futures, with one call into each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
    for command in commands:
        loops.setdefault(command.loop, []).append(command)
    for loop, theirs in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, theirs)
        except RuntimeError:
            continue  # the loop is closed: nobody waits there any more


def _resolve(commands: list[Waiting]) -> None:
    for command in commands:
        if command.future.done():
            continue
        if command.error is not None:
            command.future.set_exception(command.error)
        else:
            command.future.set_result(command.reply)
