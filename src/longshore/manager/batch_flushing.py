"""This module knows which flushes of a batched queue are waited for, and when each has seen all its items tried."""

import asyncio
from collections.abc import Iterable
from typing import Any

from longshore.batch.entry import Entry, Ticket


class Flushes:
    """The flushes of one queue. Each item belongs to the first one that found it waiting."""

    def __init__(self) -> None:
        self._ends: dict[Ticket, asyncio.Future[None]] = {}

    def begin(self, waiting: Iterable[Entry[Any]]) -> list[asyncio.Future[None]]:
        """What a flush of these has to wait for: its own end, and those of earlier ones, which hold the rest."""
        new = [entry for entry in waiting if entry.ticket is None]
        if new:
            ticket = Ticket(len(new))
            for entry in new:
                entry.ticket = ticket
            self._ends[ticket] = asyncio.get_running_loop().create_future()
        return list(self._ends.values())

    def stamp(self, entries: Iterable[Entry[Any]]) -> None:
        """These have been tried, or are gone."""
        if not self._ends:
            return
        for entry in entries:
            ticket, entry.ticket = entry.ticket, None
            if ticket is not None:
                ticket.left -= 1
                if ticket.left == 0 and ticket in self._ends:
                    _end(self._ends.pop(ticket))

    def end(self) -> None:
        """Nothing more will go for now."""
        for end in self._ends.values():
            _end(end)
        self._ends.clear()


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
