"""This module opens connections, and the file with the modes that its secrets need."""

import os
import random
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

import apsw

from longshore.backends.sqlite.faults import meaning
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable

OLDEST_SQLITE = (3, 51, 3)
"""The first without the WAL-reset bug: 3.7.0 to 3.51.2 can corrupt a file that several connections write
(https://sqlite.org/releaselog/3_51_3.html)."""
CACHE_KIB = 2 * 1024
"""Of pages, for the writer. Jobs are written and claimed in order, so 8 MiB cost 5 % less processor time a job and no
more; with 2 MiB a worker grows by less than 5 MB in its first million jobs."""
STATEMENTS_KEPT = 150
"""Prepared, by each connection: all that there are."""
READER_CACHE_KIB = 1024
READER_PATIENCE_SECONDS = 10.0
"""Readers wait for nobody but a process that recovers the write-ahead log after a crash."""


class Settings(NamedTuple):
    """How a store writes."""

    synchronous: str = "full"
    patience_seconds: float = 10.0
    """How long a transaction waits for a foreign lock before its callers are told."""


Place = tuple[int, int]
"""Device and inode of a file."""


def place_of(path: Path) -> Place | None:
    """Which file a path leads to; None: to none. Asked before each transaction (1 µs): SQLite would go on writing
    into a file that was deleted or replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def sqlite_version() -> tuple[int, ...]:
    """Of the library that the driver brings."""
    return tuple(int(part) for part in apsw.sqlite_lib_version().split("."))


def check_version() -> None:
    """Raises StoreUnavailable for a library that may corrupt the file, or cannot take a list as one parameter."""
    if sqlite_version() < OLDEST_SQLITE:
        raise StoreUnavailable(
            "unreachable",
            f"apsw brings SQLite {apsw.sqlite_lib_version()}, which can corrupt a file with several writers: "
            "pip install --upgrade apsw",
        )
    if "ENABLE_CARRAY" not in apsw.compile_options:
        raise StoreUnavailable(
            "unreachable",
            "apsw was built without SQLite's carray; the one from PyPI has it: "
            "pip install --force-reinstall --only-binary :all: apsw",
        )


def create_file(path: Path) -> None:
    """Makes an empty file that only its owner may read, whatever the umask; an existing one is left as it is.

    The file appears under its name only when nobody has to close it any more: closing any descriptor of a database
    drops all locks that this process holds on it (POSIX). SQLite gives -wal and -shm the mode of the file.
    Raises StoreUnavailable where the folder is not there or may not be written.
    """
    if path.exists():
        return
    if not path.parent.is_dir():
        raise StoreUnavailable("unreachable", f"the folder {path.parent} does not exist; create it first")
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
        with suppress(FileExistsError):  # somebody else made it first: as good
            os.link(draft, path)
        draft.unlink()
    except OSError as error:
        raise StoreUnavailable("unreachable", f"cannot create {path}: {error.strerror}") from error


def connect(path: Path, settings: Settings, clock: Clock) -> apsw.Connection:
    """A connection that writes. Raises apsw.Error."""
    connection = apsw.Connection(
        str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=STATEMENTS_KEPT
    )
    try:
        connection.set_busy_handler(BusyHandler(clock, settings.patience_seconds))
        _set(connection, CACHE_KIB)
        _switch_to_wal(connection, BusyHandler(clock, settings.patience_seconds))
        connection.pragma("synchronous", settings.synchronous)
        connection.wal_autocheckpoint(0)  # the writer checkpoints between transactions, not inside a commit
    except apsw.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, clock: Clock) -> apsw.Connection:
    """A connection that cannot write. Raises StoreUnavailable."""
    try:
        connection = apsw.Connection(
            str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=STATEMENTS_KEPT
        )
        connection.set_busy_handler(BusyHandler(clock, READER_PATIENCE_SECONDS))
        _set(connection, READER_CACHE_KIB)
    except apsw.Error as error:
        raise meaning(error, str(path)) from error
    return connection


def _switch_to_wal(connection: apsw.Connection, wait: "BusyHandler") -> None:
    """Turns the write-ahead log on. SQLite asks no busy handler where two connections race for this switch."""
    for attempt in count():
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if not wait(attempt):
                raise
        else:
            return


def _set(connection: apsw.Connection, cache_kib: int) -> None:
    connection.pragma("trusted_schema", 0)
    connection.pragma("mmap_size", 0)  # a stray write into the map would be a write into the file
    connection.pragma("cache_size", -cache_kib)
    connection.pragma("temp_store", 2)


class BusyHandler:
    """Waits for a foreign lock, 0.1 to 0.8 ms at a time.

    SQLite's own handler waits longer each time, so that whoever waits longest has the worst chance: it was seen to
    starve a process for 1.1 s where this one waited 28 ms at most.
    """

    def __init__(self, clock: Clock, patience_seconds: float) -> None:
        self._clock, self._patience_seconds = clock, patience_seconds
        self._random = random.Random()  # noqa: S311 - jitter, not secrets
        self._pause = threading.Event()
        self._until = 0.0

    def __call__(self, attempt: int) -> bool:
        """Whether to try again; asked for the `attempt`-th time, after the first failure with 0."""
        now = self._clock.monotonic()
        if attempt == 0:
            self._until = now + self._patience_seconds
        if now >= self._until:
            return False
        self._pause.wait(self._random.uniform(0.0001, 0.0008))
        return True
