"""This module is the connection that writes, and a transaction on it. One thread at a time
uses it: the one that holds `seat`.

Commands only touch the database, so one that fails is told, and the others simply run again without it: no savepoint
is paid for on the way.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import apsw

from longshore.backends.sqlite.checkpoints import Checkpoints
from longshore.backends.sqlite.commands import Command
from longshore.backends.sqlite.connecting import BusyHandler, Place, Settings, connect, place_of
from longshore.backends.sqlite.faults import Fault, fault, spoils_the_connection
from longshore.backends.sqlite.meters import Known
from longshore.backends.sqlite.transaction import Transaction
from longshore.backends.sqlite.writer_lock import WriterLock
from longshore.core.clock import SystemClock
from longshore.store.replies import Wake

HOLD_SECONDS = 0.015
"""With the commit and the last command that makes 20 ms during which other processes wait."""
QUICK_SECONDS = 0.001
"""A transaction may hold up an event loop so long. A slow disk, or large batches, take more."""
DOUBTS = 3
"""So many more slow transactions than quick ones make a disk slow. One alone does not: on a busy machine the kernel
gives the processor to others in the middle of a transaction, and then a change of thread costs more than ever."""
MOST_DOUBTS = 6

Each = TypeVar("Each", bound=Command)


class WriteConnection:
    """Connects when it is first used, and again when the file was replaced or an error spoiled the connection."""

    def __init__(self, path: Path, settings: Settings, tell_waiting: Callable[[], None]) -> None:
        self.seat = threading.Lock()
        """Held by the thread that uses anything below."""
        self.clock = SystemClock()  # what is measured here is real, whatever time the jobs live in
        self.writer_lock = WriterLock(path.with_name(path.name + ".lock"), self.clock, tell_waiting)
        self.checkpoints = Checkpoints(self.clock, settings.patience_seconds)
        self.transactions = 0
        """Committed so far."""
        self._path, self._settings = path, settings
        self._connection: apsw.Connection | None = None
        self._place: Place | None = None
        self._known = Known()
        self.ended_at = 0.0
        """When the last transaction did, on the monotonic clock."""
        self._doubts = dict.fromkeys((True, False), DOUBTS)
        self._waits_for_disk = True
        self._wait = BusyHandler(self.clock, settings.patience_seconds)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def is_quick(self, *, must_last: bool) -> bool:
        """Whether such transactions are short these days, with their commits."""
        return self._doubts[must_last] < DOUBTS

    def enter(self) -> None:
        """Connects if needed, and waits for its turn. Raises apsw.Error."""
        if self._connection is not None and place_of(self._path) != self._place:
            self.disconnect()  # deleted or replaced: whatever was written now would be lost with the old file
        if self._connection is None:
            self._place, self._known = place_of(self._path), Known()
            self._connection = connect(self._path, self._settings, self.clock)
            self._waits_for_disk = True
            self.checkpoints.watch(self._connection)
        self.writer_lock.enter()

    def enter_at_once(self) -> bool:
        """Takes its turn if it is connected to the right file and nobody is inside; from now on it does not wait for
        a foreign lock either, until it has left."""
        connection = self._connection
        if connection is None or place_of(self._path) != self._place or not self.writer_lock.enter_at_once():
            return False
        connection.set_busy_handler(None)
        return True

    def leave(self) -> None:
        """Lets the next process in."""
        self.writer_lock.leave()

    def leave_at_once(self) -> None:
        """The end of `enter_at_once`."""
        self.writer_lock.leave()
        if self._connection is not None:
            self._connection.set_busy_handler(self._wait)

    def transact(self, group: Sequence[Each]) -> tuple[list[Each], list[Each], set[Wake]]:
        """Runs as many commands as there is time for, and commits; gives those that are done or have failed, those
        that are left, and whom to wake. Raises apsw.Error where the store is to blame; then nothing was done."""
        connection = self._connection
        assert connection is not None
        group = list(group)
        failed: list[Each] = []
        while group:
            began = self.clock.monotonic()
            transaction = Transaction(connection, self._known)
            must_last = any(command.must_last for command in group)
            self._wait_for_disk(must_last)
            connection.execute("BEGIN IMMEDIATE")
            count = self._run(group, transaction, began + HOLD_SECONDS)
            if count >= 0:
                transaction.finish()
                connection.execute("COMMIT")
                transaction.keep()
                self.transactions += 1
                self.ended_at = self.clock.monotonic()
                if not group[0].is_visit:
                    self._remember(must_last, self.ended_at - began)
                return [*failed, *group[:count]], group[count:], transaction.wakes
            if connection.in_transaction:  # else SQLite has done it
                connection.execute("ROLLBACK")
            failed.append(group.pop(~count))
        return failed, [], set()

    def recover(self, error: apsw.Error) -> Fault:
        """Leaves a connection that the next transaction can use, or none; gives what the error means."""
        connection = self._connection
        is_usable = not spoils_the_connection(error)
        if connection is not None and is_usable and connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error:
                is_usable = False
        if not is_usable:
            self.disconnect()
        return fault(error, str(self._path)) or Fault("unreachable", f"{self._path}: {error}")

    def disconnect(self) -> None:
        """Closes the connection; the next `enter` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(force=True)

    def checkpoint(self, *, idle: bool) -> None:
        """Moves the write-ahead log into the file; who cannot now will later."""
        assert self._connection is not None
        try:
            self.writer_lock.enter()
            try:
                self.checkpoints.run(self._connection, idle=idle)
            finally:
                self.writer_lock.leave()
        except apsw.Error as error:
            self.recover(error)

    def _wait_for_disk(self, wait: bool) -> None:  # noqa: FBT001 - as in the sentence
        """Whether the next commit does; see ADR 13. It costs 1 µs, and only where it changes."""
        assert self._connection is not None
        if wait is not self._waits_for_disk and self._settings.synchronous == "full":
            self._connection.pragma("synchronous", "full" if wait else "normal")
            self._waits_for_disk = wait

    def _remember(self, must_last: bool, seconds: float) -> None:  # noqa: FBT001 - a key
        doubts = self._doubts[must_last] + (1 if seconds > QUICK_SECONDS else -1)
        self._doubts[must_last] = min(max(doubts, 0), MOST_DOUBTS)

    def _run(self, group: Sequence[Command], transaction: Transaction, until: float) -> int:
        """How many have run; where one failed, the complement of its number."""
        now = self.clock.monotonic
        for number, command in enumerate(group):
            try:
                command.reply = command.work(transaction)
            except apsw.Error as error:
                if fault(error, "") is not None:
                    raise
                command.error = error
                return ~number
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's and nobody else's
                command.error = error
                return ~number
            if now() > until:
                return number + 1
        return len(group)
