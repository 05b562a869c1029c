"""This module decides when the write-ahead log is moved into the file, so that it never grows without bound."""

import apsw

from longshore.backends.sqlite.connecting import BusyHandler
from longshore.core.clock import Clock

DUE_PAGES = 4_000
"""16 MiB. A checkpoint costs two syncs and a write per page that changed: at 1,000 pages, SQLite's own choice, it came
four times as often and wrote the same hot pages each time."""
DUE_COMMITS = 200
"""Small commits write the same few pages again and again, so that a checkpoint takes 0.8 ms after 200 or 800 of them;
and each that makes the log's file longer waits for the file system's own log too: 260 µs against 140 where the log
begins anew in blocks that its file already has."""
KEPT_PAGES = 1_000
"""4 MiB of the log's file are kept when nothing happens, for the same reason; a larger one is emptied."""
TOO_MANY_PAGES = 16_384
"""64 MiB: readers have kept the log from starting over for so long that the next checkpoint waits for them."""
READERS_SECONDS = 0.02
"""How long a checkpoint waits for readers; all writers wait meanwhile."""


class Checkpoints:
    """Counts the pages of the log after each commit."""

    def __init__(self, clock: Clock, patience_seconds: float) -> None:
        self._clock, self._patience_seconds = clock, patience_seconds
        self._pages = 0
        self._moved = 0
        self._commits = 0
        self._longest = 0
        """Pages that the log's file has had since it was emptied."""

    def watch(self, connection: apsw.Connection) -> None:
        """Hears of every commit on the connection."""
        connection.set_wal_hook(self._committed)

    @property
    def are_due(self) -> bool:
        """Whether there is enough to be worth it. After one that readers cut short, only when there is more again."""
        return self._pages - self._moved >= DUE_PAGES or self._commits >= DUE_COMMITS

    @property
    def are_due_when_idle(self) -> bool:
        """Whether there is anything."""
        return self._pages > 0

    def run(self, connection: apsw.Connection, *, idle: bool) -> None:
        """Moves what it can. When idle a large file of the log is emptied too, so that it does not stay for ever."""
        mode = self._mode(idle=idle)
        self._commits = 0
        connection.set_busy_handler(BusyHandler(self._clock, READERS_SECONDS))
        try:
            pages, moved = connection.wal_checkpoint(None, mode)
            self._pages, self._moved = max(pages, 0), max(moved, 0)
        except apsw.BusyError:
            self._moved = self._pages  # a reader is in the way; there will be another time
        finally:
            connection.set_busy_handler(BusyHandler(self._clock, self._patience_seconds))
        if idle:
            self._pages = self._moved = 0

    def _mode(self, *, idle: bool) -> int:
        if self._pages >= TOO_MANY_PAGES or (idle and self._longest > KEPT_PAGES):
            self._longest = 0
            return apsw.SQLITE_CHECKPOINT_TRUNCATE
        return apsw.SQLITE_CHECKPOINT_RESTART if idle else apsw.SQLITE_CHECKPOINT_PASSIVE

    def _committed(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        if pages < self._pages:  # the log began anew
            self._moved = 0
        self._pages = pages
        self._longest = max(self._longest, pages)
        self._commits += 1
        return apsw.SQLITE_OK
