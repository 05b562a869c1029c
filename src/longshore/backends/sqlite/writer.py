"""This module decides who writes: a thread that takes everything that waits into one transaction, or a lone caller.

The commit is the cost (100 µs where the job is 5), so whatever comes while one is under way shares the next: signs of
life first, then settlements, then claims (which may get what was just released), then the rest. A lone caller is
served at once; nothing waits for a timer. A transaction takes in new commands for `HOLD_SECONDS` at most.

A small command that finds nobody writing, and commits quick, is done in its caller's thread (ADR 12): the two changes
of thread cost as much as the commit.
"""

import threading
from collections.abc import Callable, Iterable
from enum import Enum, auto
from pathlib import Path
from queue import Empty, SimpleQueue

import apsw

from longshore.backends.sqlite.commands import Command, Waiting, deliver
from longshore.backends.sqlite.connecting import Settings
from longshore.backends.sqlite.faults import Fault
from longshore.backends.sqlite.visiting import Turns
from longshore.backends.sqlite.write_connection import WriteConnection
from longshore.store.replies import Wake

REST_SECONDS = 0.005
"""Without a transaction for so long, this process has little to do."""
IDLE_SECONDS = 1.0
"""After so long without a command the write-ahead log is emptied."""


class Word(Enum):
    """What else the thread can be told."""

    END = auto()
    LOOK = auto()
    """The log has grown without you."""


class Writer:
    """Owns the connection that writes. `submit` and `serve_here` may be called from any thread."""

    def __init__(self, path: Path, settings: Settings, ring: Callable[[set[Wake]], None]) -> None:
        self._path, self._settings, self._ring = path, settings, ring
        self._inbox: SimpleQueue[Waiting | Word] = SimpleQueue()
        self._left: list[Waiting] = []
        self._group: list[Waiting] = []
        self._turns = Turns()
        self._is_serving = False
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._has_ended = threading.Event()
        self._watch: threading.Thread | None = None
        self._connection = WriteConnection(path, settings, self._watch_over_patience)
        self._thread = threading.Thread(target=self._run, name="longshore-sqlite-writer", daemon=True)
        self._thread.start()

    @property
    def transactions(self) -> int:
        """Committed so far."""
        return self._connection.transactions

    def submit(self, command: Waiting) -> None:
        """Hands a command over; its future is resolved in its event loop."""
        self._inbox.put(command)
        if self._has_ended.is_set():  # closed by another thread since the caller has looked
            self._refuse_the_rest()

    def may_serve_here(self, command: Command) -> bool:
        """Whether nobody seems to write, and such transactions are quick."""
        is_quick = self._connection.is_quick(must_last=command.must_last)
        return is_quick and not self._is_serving and self._inbox.empty()

    @property
    def is_rested(self) -> bool:
        """Whether this process has not written for a while."""
        return self._connection.clock.monotonic() - self._connection.ended_at > REST_SECONDS

    def serve_here(self, command: Command) -> bool:
        """Does a small command in the caller's thread, without waiting for anybody. False: not now, nothing was
        done."""
        if not self.may_serve_here(command) or not self._connection.seat.acquire(blocking=False):
            return False
        try:
            if not self._connection.enter_at_once():
                return False
            return self._transact_here(command)
        finally:
            self._connection.seat.release()

    def close(self) -> None:
        """Ends the thread when its transaction is done; whoever still waits is told that the store is closed."""
        self._closing.set()
        self._inbox.put(Word.END)
        reason = Fault("closed", f"{self._path} was closed while it waited for another process")
        if self._connection.writer_lock.waiting_since is not None:
            self._give_up(reason)
        self._thread.join(self._settings.patience_seconds)
        if self._thread.is_alive():  # has begun to wait since, with nobody left to watch over patience
            self._give_up(reason)

    def rest(self, seconds: float) -> bool:
        """See `Rests`: takes the seat, and keeps it."""
        if not self._connection.seat.acquire(timeout=seconds):
            return False
        self._connection.disconnect()
        return True

    def go_on(self) -> None:
        """See `Rests`."""
        self._connection.seat.release()

    # ------------------------------------------------------------------------------------------ in the caller's thread

    def _transact_here(self, command: Command) -> bool:
        """The connection has its turn, which ends here."""
        connection, log_was_empty = self._connection, not self._connection.checkpoints.are_due_when_idle
        try:
            try:
                _, _, wakes = connection.transact([command])
            finally:
                connection.leave_at_once()
        except apsw.BusyError as error:  # a program that knows of no turns is inside
            connection.recover(error)
            return False
        except apsw.Error as error:
            command.error = connection.recover(error).error()
            return True
        if wakes:
            self._ring(wakes)
        if log_was_empty or connection.checkpoints.are_due:
            self._inbox.put(Word.LOOK)
        return True

    # ------------------------------------------------------------------------------------------ in the writer's thread

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                with self._connection.seat:
                    if group:
                        self._serve(group)
                    if self._connection.is_connected and self._connection.checkpoints.are_due:
                        self._connection.checkpoint(idle=False)
        finally:
            self._has_ended.set()
            self._refuse_the_rest()
            with self._connection.seat:
                self._connection.disconnect()
                self._connection.writer_lock.close()

    def _next_group(self) -> list[Waiting] | None:
        """Everything that waits, in order; what the last transaction had no time for comes first."""
        self._is_serving = bool(self._left)
        new = [] if self._left else [self._first()]
        self._is_serving = True
        while True:
            try:
                new.append(self._inbox.get_nowait())
            except Empty:
                break
        group = [command for command in new if isinstance(command, Waiting)]
        if Word.END in new:
            self._left += group
            return None
        if len(group) > 1:
            group.sort(key=lambda command: command.rank)
        group, self._left = self._turns.choose(self._left + group)
        return group

    def _first(self) -> Waiting | Word:
        connection = self._connection
        while connection.is_connected and connection.checkpoints.are_due_when_idle:
            before = connection.transactions
            try:
                return self._inbox.get(timeout=IDLE_SECONDS)
            except Empty:
                if connection.transactions == before:
                    with connection.seat:
                        if connection.is_connected:  # not after a fork
                            connection.checkpoint(idle=True)
                    break
        return self._inbox.get()

    def _serve(self, group: list[Waiting]) -> None:
        """One transaction, its replies, and the wake-ups."""
        try:
            group = self._enter(group)
            try:
                done, left, wakes = self._connection.transact(group)
            finally:
                self._connection.leave()
        except apsw.Error as error:
            self._refuse(group, self._connection.recover(error))
            return
        except Exception as error:  # noqa: BLE001 - if this thread died, everybody would wait for ever
            self._connection.disconnect()
            self._refuse(group, Fault("unreachable", f"{self._path}: {error!r}"))
            return
        self._left = left + self._left
        deliver(done)
        if wakes:
            self._ring(wakes)

    def _enter(self, group: list[Waiting]) -> list[Waiting]:
        """Takes its turn; gives those that still wait afterwards."""
        self._group = group
        self._connection.enter()
        with self._guard:
            self._group = []
            return [each for each in group if not each.is_answered and not each.future.cancelled()]

    def _refuse_the_rest(self) -> None:
        self._refuse(self._waiting(), Fault("closed", f"{self._path} was closed"))

    def _waiting(self) -> list[Waiting]:
        waiting, self._left = self._left, []
        while True:
            try:
                command = self._inbox.get_nowait()
            except Empty:
                return waiting
            if isinstance(command, Waiting):
                waiting.append(command)

    def _refuse(self, commands: Iterable[Waiting], reason: Fault) -> None:
        refused = [command for command in commands if not command.is_answered]
        for command in refused:
            command.error = command.error or reason.error()
        deliver(refused)

    def _watch_over_patience(self) -> None:
        """Another process is inside: a thread sees to it that nobody waits for ever should it hang there."""
        if self._watch is None or not self._watch.is_alive():
            self._watch = threading.Thread(
                target=self._keep_watch, name="longshore-sqlite-patience", daemon=True
            )
            self._watch.start()

    def _keep_watch(self) -> None:
        quiet = 0
        while quiet < 5 and not self._closing.wait(min(1.0, self._settings.patience_seconds / 4)):
            since = self._connection.writer_lock.waiting_since
            quiet = 0 if since is not None else quiet + 1
            if (
                since is not None
                and self._connection.clock.monotonic() - since > self._settings.patience_seconds
            ):
                self._give_up(Fault("locked", f"another process has been writing {self._path} for too long"))

    def _give_up(self, reason: Fault) -> None:
        """Answers everybody who waits behind another process. The thread itself waits on."""
        with self._guard:
            commands = self._group + self._waiting()
            self._refuse(commands, reason)
            for command in commands:
                command.is_answered = True
            if self._closing.is_set():
                self._inbox.put(Word.END)  # the first may have gone with those that waited
