"""This module sees to it that no connection is open while this process forks.

SQLite keeps in memory which locks its process holds, and a child inherits that memory without the locks: a connection
that it opens then believes to hold a lock that it does not have. The parent's last close was seen to remove the
write-ahead log under a child that went on writing into it, and its jobs were gone. So before a fork every connection
is closed, each when its transaction is over, and opened again when it is next needed. Where one cannot be closed in
time, or is the application's own, the child is refused the file.
"""

import os
import threading
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

import apsw

from longshore.backends.sqlite.connecting import Place, place_of
from longshore.core.errors import StoreUnavailable
from longshore.core.forking import leave_alone

FORK_SECONDS = 2.0
"""So long a fork waits for a transaction that runs in another thread."""


class Rests(Protocol):
    """Something with connections, that can do without them for a moment."""

    def rest(self, seconds: float) -> bool:
        """Closes its connections, and opens none until `go_on`; False: not in so many seconds, and it goes on."""

    def go_on(self) -> None:
        """The fork is over."""


def rests_for_forks(who: Rests) -> None:
    """Has it rest whenever this process forks."""
    _who.add(who)


def check_not_inherited(path: Path) -> None:
    """Raises StoreUnavailable in a child of a process that had the file open when it forked."""
    if _any_may_be_open or place_of(path) in _open_at_fork:
        raise StoreUnavailable(
            "closed",
            f"{path} was in use by a connection while process {os.getppid()} forked this one, whose locks SQLite would "
            "get wrong; end the transaction before the fork, or start the process afresh (spawn)",
        )


def _before() -> None:
    _forking.acquire()
    _resting.extend(who for who in list(_who) if who.rest(FORK_SECONDS))


def _after_in_parent() -> None:
    while _resting:
        _resting.pop().go_on()
    _forking.release()


def _after_in_child() -> None:
    global _any_may_be_open
    for connection in apsw.connections():
        try:
            place = place_of(Path(connection.filename))
        except apsw.ConnectionClosedError:
            continue
        except apsw.ThreadingViolationError:  # at work in another thread: it cannot be asked for its file
            place, _any_may_be_open = None, True
        leave_alone(connection)
        if place is not None:
            _open_at_fork.add(place)
    leave_alone(list(_who))
    _resting.clear()
    _who.clear()
    _forking.release()


_who: WeakSet[Rests] = WeakSet()
_resting: list[Rests] = []
_open_at_fork: set[Place] = set()
_any_may_be_open = False
_forking = threading.Lock()
os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
