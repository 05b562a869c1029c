"""This module is the one thread that writes: it takes everything that waits into one transaction.

The commit is the cost (100 µs where the job is 5), so whatever comes while one is under way shares the next: signs of
life first, then settlements, then claims (which may get what was just released), then the rest. A lone caller is
served at once; nothing waits for a timer. A transaction takes in new commands for `HOLD_SECONDS` at most.

Commands only touch the database, so one that fails is told, and the others simply run again without it: no savepoint
is paid for on the way.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import apsw

from longshore.backends.sqlite.checkpoints import Checkpoints
from longshore.backends.sqlite.connecting import Place, Settings, connect, place_of
from longshore.backends.sqlite.faults import Fault, fault, spoils_the_connection
from longshore.backends.sqlite.transaction import Transaction
from longshore.backends.sqlite.turnstile import Turnstile
from longshore.core.clock import SystemClock
from longshore.store.replies import Wake

HOLD_SECONDS = 0.015
"""With the commit and the last command that makes 20 ms during which other processes wait."""
IDLE_SECONDS = 1.0
"""After so long without a command the write-ahead log is emptied."""

EXTEND, SETTLE, CLAIM, OTHER = range(4)
"""The order within a transaction."""


class Command:
    """Something to be done in a transaction, and who waits for it."""

    __slots__ = ("error", "future", "is_answered", "loop", "rank", "reply", "work")

    def __init__(
        self, rank: int, work: Callable[[Transaction], Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.rank, self.work, self.loop = rank, work, loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.reply: Any = None
        self.error: BaseException | None = None
        self.is_answered = False


class Writer:
    """Owns the connection that writes. `submit` may be called from any thread."""

    def __init__(self, path: Path, settings: Settings, ring: Callable[[set[Wake]], None]) -> None:
        self._path, self._settings, self._ring = path, settings, ring
        self._clock = SystemClock()  # what this thread measures is real, whatever time the jobs live in
        self._inbox: SimpleQueue[Command | None] = SimpleQueue()
        self._left: list[Command] = []
        self._group: list[Command] = []
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._has_ended = threading.Event()
        self._watch: threading.Thread | None = None
        self._turnstile = Turnstile(
            path.with_name(path.name + ".lock"), self._clock, self._watch_over_patience
        )
        self._checkpoints = Checkpoints(self._clock, settings.patience_seconds)
        self._connection: apsw.Connection | None = None
        self._place: Place | None = None
        self.transactions = 0
        """Committed so far."""
        self._thread = threading.Thread(target=self._run, name="longshore-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, command: Command) -> None:
        """Hands a command over; its future is resolved in its event loop."""
        self._inbox.put(command)
        if self._has_ended.is_set():  # closed by another thread since the caller has looked
            self._refuse_the_rest()

    def close(self) -> None:
        """Ends the thread when its transaction is done; whoever still waits is told that the store is closed."""
        self._closing.set()
        self._inbox.put(None)
        reason = Fault("closed", f"{self._path} was closed while it waited for another process")
        if self._turnstile.waiting_since is not None:
            self._give_up(reason)
        self._thread.join(self._settings.patience_seconds)
        if self._thread.is_alive():  # has begun to wait since, with nobody left to watch over patience
            self._give_up(reason)

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                self._serve(group)
        finally:
            self._has_ended.set()
            self._refuse_the_rest()
            self._disconnect()
            self._turnstile.close()

    def _next_group(self) -> list[Command] | None:
        """Everything that waits, in order; what the last transaction had no time for comes first."""
        new = [] if self._left else [self._first()]
        while True:
            try:
                new.append(self._inbox.get_nowait())
            except Empty:
                break
        if None in new:
            self._left += [command for command in new if command is not None]
            return None
        group = [command for command in new if command is not None]
        if len(group) > 1:
            group.sort(key=lambda command: command.rank)
        group, self._left = self._left + group, []
        return group

    def _first(self) -> Command | None:
        if self._connection is not None and self._checkpoints.are_due_when_idle:
            try:
                return self._inbox.get(timeout=IDLE_SECONDS)
            except Empty:
                self._checkpoint(idle=True)
        return self._inbox.get()

    def _serve(self, group: list[Command]) -> None:
        """One transaction, its replies, and the wake-ups."""
        wakes: set[Wake] = set()
        try:
            group = self._enter(group)
            try:
                done, wakes = self._transact(group)
            finally:
                self._turnstile.leave()
        except apsw.Error as error:
            self._recover(error)
            self._refuse(
                group, fault(error, str(self._path)) or Fault("unreachable", f"{self._path}: {error}")
            )
            return
        except Exception as error:  # noqa: BLE001 - if this thread died, everybody would wait for ever
            self._disconnect()
            self._refuse(group, Fault("unreachable", f"{self._path}: {error!r}"))
            return
        deliver(done)
        if wakes:
            self._ring(wakes)
        if self._checkpoints.are_due:
            self._checkpoint(idle=False)

    def _enter(self, group: list[Command]) -> list[Command]:
        """Connects if needed and takes its turn; gives those that still wait afterwards."""
        self._group = group
        if self._connection is not None and place_of(self._path) != self._place:
            self._disconnect()  # deleted or replaced: whatever was written now would be lost with the old file
        if self._connection is None:
            self._place = place_of(self._path)
            self._connection = connect(self._path, self._settings, self._clock)
            self._checkpoints.watch(self._connection)
        self._turnstile.enter()
        with self._guard:
            self._group = []
            return [each for each in group if not each.is_answered and not each.future.cancelled()]

    def _transact(self, group: list[Command]) -> tuple[list[Command], set[Wake]]:
        """Runs as many commands as there is time for, and commits; gives those that are done."""
        connection = self._connection
        assert connection is not None
        while group:
            transaction = Transaction(connection)
            connection.execute("BEGIN IMMEDIATE")
            count = self._run_commands(transaction, group)
            if count >= 0:
                transaction.finish()
                connection.execute("COMMIT")
                self.transactions += 1
                self._left = group[count:]
                return group[:count], transaction.wakes
            connection.execute("ROLLBACK")
            deliver([group.pop(~count)])
        return [], set()

    def _run_commands(self, transaction: Transaction, group: list[Command]) -> int:
        """How many have run; where one failed, the complement of its number."""
        now = self._clock.monotonic
        until = now() + HOLD_SECONDS
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

    def _recover(self, error: apsw.Error) -> None:
        """Leaves a connection that the next transaction can use, or none."""
        connection = self._connection
        is_usable = not spoils_the_connection(error)
        if connection is not None and is_usable and connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error:
                is_usable = False
        if not is_usable:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(force=True)

    def _checkpoint(self, *, idle: bool) -> None:
        """Moves the write-ahead log into the file; who cannot now will later."""
        assert self._connection is not None
        try:
            self._turnstile.enter()
            try:
                self._checkpoints.run(self._connection, idle=idle)
            finally:
                self._turnstile.leave()
        except apsw.Error as error:
            self._recover(error)

    def _refuse_the_rest(self) -> None:
        self._refuse(self._waiting(), Fault("closed", f"{self._path} was closed"))

    def _waiting(self) -> list[Command]:
        waiting, self._left = self._left, []
        while True:
            try:
                command = self._inbox.get_nowait()
            except Empty:
                return waiting
            if command is not None:
                waiting.append(command)

    def _refuse(self, commands: Iterable[Command], reason: Fault) -> None:
        refused = [command for command in commands if not command.is_answered]
        for command in refused:
            command.error = reason.error()
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
            since = self._turnstile.waiting_since
            quiet = 0 if since is not None else quiet + 1
            if since is not None and self._clock.monotonic() - since > self._settings.patience_seconds:
                self._give_up(Fault("locked", f"another process has been writing {self._path} for too long"))

    def _give_up(self, reason: Fault) -> None:
        """Answers everybody who waits behind another process. The thread itself waits on."""
        with self._guard:
            commands = self._group + self._waiting()
            self._refuse(commands, reason)
            for command in commands:
                command.is_answered = True
            if self._closing.is_set():
                self._inbox.put(None)  # the first may have gone with those that waited


def deliver(commands: Iterable[Command]) -> None:
    """Resolves the futures, with one call into each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Command]] = {}
    for command in commands:
        loops.setdefault(command.loop, []).append(command)
    for loop, theirs in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, theirs)
        except RuntimeError:
            continue  # the loop is closed: nobody waits there any more


def _resolve(commands: list[Command]) -> None:
    for command in commands:
        if command.future.done():
            continue
        if command.error is not None:
            command.future.set_exception(command.error)
        else:
            command.future.set_result(command.reply)
