"""This module lends the writer's connection for one transaction of the application's, a visit.

The writer's thread does nothing else meanwhile: it runs the visitor's steps, one by one, until the visitor commits or
rolls back, or its time is over. Everybody who writes waits so long, in this process and in others, so a visit has a
limit, and between two visits those who wait have their turn.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

import apsw

from longshore.backends.sqlite.transaction import Transaction
from longshore.core.clock import Clock
from longshore.core.errors import TransactionOver, UsageError
from longshore.store.within import Parameters, Rows

R = TypeVar("R")
STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's virtual machine, about 0.1 ms: so often a long statement is asked whether its time is over."""
_FORBIDDEN = {
    apsw.SQLITE_TRANSACTION: "a transaction begins and ends with its block",
    apsw.SQLITE_SAVEPOINT: "it would take back jobs that were counted already",
    apsw.SQLITE_ATTACH: "no other process could be kept from that file",
    apsw.SQLITE_DETACH: "no other process could be kept from that file",
    apsw.SQLITE_PRAGMA: "the connection is the store's",
}


class Guard:
    """What SQLite asks whether a statement may be prepared. Of the store's own all may."""

    def __init__(self) -> None:
        self.is_on = False

    def __call__(self, operation: int, *_: object) -> int:
        """SQLite's answer."""
        return apsw.SQLITE_DENY if self.is_on and operation in _FORBIDDEN else apsw.SQLITE_OK


class Withdrawn(Exception):
    """The visitor wants nothing of it kept. Never leaves this package."""


class Step:
    """Something to be done in the writer's thread, and who waits for it."""

    __slots__ = ("future", "may_fail", "work")

    def __init__(self, work: Callable[[Transaction], Any], *, may_fail: bool) -> None:
        self.work = work
        self.may_fail = may_fail
        """One statement leaves nothing behind when it fails; a verb of the store is several."""
        self.future: Future[Any] = Future()

    def take(self, tx: Transaction) -> None:
        """Does it, and says what came of it. Raises TransactionOver where that can have no sequel."""
        try:
            reply = self.work(tx)
        except BaseException as error:
            self.future.set_exception(error)
            if isinstance(error, TransactionOver):
                raise
            if not self.may_fail or not tx.connection.in_transaction:
                raise TransactionOver(f"The transaction was rolled back: {error}.") from error
        else:
            self.future.set_result(reply)


class Visit:
    """One transaction, steered from any thread."""

    def __init__(self, path: object, seconds: float, clock: Clock, on_entered: Callable[[], None]) -> None:
        self._path, self._seconds, self._clock = path, seconds, clock
        self._on_entered = on_entered
        self._said: SimpleQueue[Step | bool] = SimpleQueue()
        """What is to be done; at last whether to commit."""
        self._lock = threading.Lock()
        self._over: Exception | None = None

    def submit(self, work: Callable[[Transaction], R]) -> "Future[R]":
        """Does something inside the transaction. Called from any thread but the writer's."""
        return self._submit(Step(work, may_fail=False))

    def execute(self, statement: str, parameters: Parameters) -> "Future[Rows]":
        """Runs a statement of the application's. The future raises apsw.Error, UsageError for what would take the
        transaction out of the store's hands, and TransactionOver."""
        return self._submit(Step(lambda tx: self._execute(tx, statement, parameters), may_fail=True))

    def end(self, *, commit: bool) -> None:
        """Ends it after what was submitted before."""
        self._said.put(commit)

    def serve(self, tx: Transaction) -> None:
        """The visit as the writer's command: returns to be committed, and raises to be rolled back."""
        until = self._clock.monotonic() + self._seconds
        connection = tx.connection
        if not isinstance(connection.authorizer, Guard):
            connection.authorizer = Guard()  # stays: a change of it makes SQLite prepare every statement anew
        connection.set_progress_handler(lambda: self._clock.monotonic() > until, STEPS_BETWEEN_LOOKS)
        over: Exception = TransactionOver("This transaction has ended.")
        try:
            self._on_entered()
            self._obey(tx, until)
        except TransactionOver as error:
            over = error
            raise
        finally:
            connection.set_progress_handler(None)
            self._refuse_from_now_on(over)

    def _submit(self, step: Step) -> "Future[Any]":
        with self._lock:
            if self._over is None:
                self._said.put(step)
                return step.future
        step.future.set_exception(self._over)
        return step.future

    def _obey(self, tx: Transaction, until: float) -> None:
        while True:
            try:
                said = self._said.get(timeout=max(0.0, until - self._clock.monotonic()))
            except Empty:
                raise self._too_long() from None
            if said is True:
                return
            if said is False:
                raise Withdrawn
            said.take(tx)

    def _execute(self, tx: Transaction, statement: str, parameters: Parameters) -> Rows:
        guard = tx.connection.authorizer
        assert isinstance(guard, Guard)
        guard.is_on = True
        try:  # from the cache would come statements of the store's own, past the guard
            return tx.connection.execute(statement, parameters, can_cache=False).fetchall()
        except apsw.AuthError as error:
            reasons = "; ".join(dict.fromkeys(_FORBIDDEN.values()))
            raise UsageError(
                f"No transaction control, SAVEPOINT, ATTACH or PRAGMA inside manager.transaction(): {reasons}."
            ) from error
        except apsw.InterruptError as error:
            raise self._too_long() from error
        finally:
            guard.is_on = False

    def _too_long(self) -> TransactionOver:
        return TransactionOver(
            f"The transaction was rolled back: it held {self._path} for {self._seconds:g} s, and everybody who writes "
            "waits so long. Do slow things before it; inside it add jobs with connection= (without, they wait for its "
            "end); or give it more time with manager.transaction(timeout=…)."
        )

    def _refuse_from_now_on(self, over: Exception) -> None:
        with self._lock:
            self._over = over
        while True:
            try:
                said = self._said.get_nowait()
            except Empty:
                return
            if isinstance(said, Step):
                said.future.set_exception(over)


class Visitable(Protocol):
    """What the turns are about: a command of the writer."""

    @property
    def is_visit(self) -> bool:
        """Whether it has a transaction to itself."""


C = TypeVar("C", bound=Visitable)


class Turns:
    """Visits and ordinary commands in turn, so that neither waits for more than one of the others."""

    def __init__(self) -> None:
        self._was_visit = False

    def choose(self, commands: Sequence[C]) -> tuple[list[C], list[C]]:
        """Those for the next transaction, and those that wait for the one after it."""
        visits = [command for command in commands if command.is_visit]
        others = [command for command in commands if not command.is_visit]
        if others and (self._was_visit or not visits):
            self._was_visit = False
            return others, visits
        self._was_visit = bool(visits)
        return visits[:1], others + visits[1:]
