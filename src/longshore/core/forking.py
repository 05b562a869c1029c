"""This module lets a process that was forked off begin anew with what belongs to the process it came from.

A fork copies the memory and shares the sockets, but brings no thread but its own. Whatever lives from threads, event
loops and connections registers here, and starts from nothing in the child. What it had is neither closed nor let go
of there: to close it would reach into what the parent goes on using.
"""

import os
from typing import Protocol
from weakref import WeakSet


class Anew(Protocol):
    """Something that must not go on in a child as it was in the parent."""

    def begin_anew(self) -> None:
        """Called in the child, where nothing else runs yet: starts from nothing, touches nothing of before."""


def begins_anew_after_fork(part: Anew) -> None:
    """Has it begin anew in every child that is forked off while it lives."""
    _parts.add(part)


def leave_alone(*things: object) -> None:
    """Keeps what the parent goes on using from being closed here because nobody holds it any more."""
    _inherited.extend(things)


def _begin_anew() -> None:
    for part in list(_parts):
        part.begin_anew()


_parts: WeakSet[Anew] = WeakSet()
_inherited: list[object] = []
if hasattr(os, "register_at_fork"):  # where processes can be forked at all
    os.register_at_fork(after_in_child=_begin_anew)
