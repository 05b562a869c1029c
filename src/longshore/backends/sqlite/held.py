"""This module is the line of the jobs that one meter holds, as its writer knows it: the table `held` (ADR 27).

Who leaves the line is not taken out of the table at once. The entries of a meter lie together, those of another on
another page, so taking out each by itself would write a page of 4 KB for each job. What is left behind goes many
entries at a time; until then an entry counts only as far as its job says the same.
"""

from array import array
from collections.abc import Iterable
from itertools import chain
from typing import Any

import apsw

from longshore.backends.sqlite.statements import sql

STALE_KEPT = 32
"""So many entries that nobody needs are taken out at once."""
READ_AHEAD = 16
"""Entries that are read together at least, from one page or two: 24 bytes each for the writer to remember."""
BEFORE_ALL = -(1 << 62)


class HeldLine:
    """Where the line begins, and who is first in it as far as that was read."""

    __slots__ = ("ahead", "past_ord", "past_priority", "stale")

    def __init__(self, past_priority: int = BEFORE_ALL, past_ord: int = 0, stale: int = 0) -> None:
        self.past_priority, self.past_ord = past_priority, past_ord
        """Nobody stands here any more, or before."""
        self.stale = stale
        """0: every entry counts. Else about as many do not."""
        self.ahead = array("q")
        """The first of the line, from behind: priority, ord and seq of each. Empty: to be read."""

    def seqs(self, count: int) -> Iterable[int]:
        """Of the first, as many as were read."""
        return self.ahead[::-1][: 3 * count : 3]

    def join(self, priority: int, place: int) -> None:
        """A job is held from now on, at this place; its entry is written by whoever writes the job."""
        ahead = self.ahead
        if (priority, place) <= (self.past_priority, self.past_ord):
            self.past_priority, self.past_ord = priority, place - 1
            del ahead[:]
        elif ahead and (priority, place) < (ahead[0], ahead[1]):
            del ahead[:]

    def leave(self) -> None:
        """A job stands in the line no more, wherever that was."""
        self.stale += 1

    def pass_first(self) -> None:
        """Whoever is first stands in the line no more."""
        ahead = self.ahead
        self.past_priority, self.past_ord = ahead[-3], ahead[-2]
        del ahead[-3:]
        self.stale += 1

    def read(self, connection: apsw.Connection, queue: str, meter: str, count: int) -> None:
        """Who is first; for a line of which nobody is known to be."""
        place = (queue, meter, self.past_priority, self.past_ord, count)
        rows: list[Any] = connection.execute(sql("held_next"), place).fetchall()
        self.ahead = array("q", chain.from_iterable(rows[::-1]))

    def trim(self, connection: apsw.Connection, queue: str, meter: str) -> None:
        """Takes out what lies before the first. What may lie behind it is found when its turn comes."""
        connection.execute(sql("held_trim"), (queue, meter, self.past_priority, self.past_ord))
        self.stale = 1
