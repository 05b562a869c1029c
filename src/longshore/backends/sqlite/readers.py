"""This module reads in a few threads of its own, each with a connection that cannot write.

A read sees one moment and lasts milliseconds: a longer one would keep the write-ahead log from being emptied.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

import apsw

from longshore.backends.sqlite.connecting import connect_reader, place_of
from longshore.backends.sqlite.faults import meaning
from longshore.core.clock import SystemClock
from longshore.core.errors import StoreUnavailable

Reply = TypeVar("Reply")
THREADS = 2
"""A page of a dashboard does not wait for a long search."""


class Readers:
    """A small pool; threads and connections are made when they are first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="longshore-sqlite-reader")
        self._idle: SimpleQueue[apsw.Connection] = SimpleQueue()
        self._may_read = threading.Semaphore(THREADS)
        self._is_closed = False
        self._place = place_of(path)

    async def read(self, work: Callable[[apsw.Connection], Reply]) -> Reply:
        """What `work` returns, as of one moment. Raises StoreUnavailable."""
        try:
            under_way = asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)
        except RuntimeError as error:  # the pool was closed by another thread
            raise self._closed() from error
        return await under_way

    def close(self) -> None:
        """Waits for the reads that run, refuses those that wait, and closes the connections."""
        self._is_closed = True
        self._threads.shutdown(
            wait=True
        )  # cancelling them would look to each caller like its own cancellation
        self._close_idle()

    def rest(self, seconds: float) -> bool:
        """See `Rests`."""
        for taken in range(THREADS):
            if not self._may_read.acquire(timeout=seconds):
                if taken:
                    self._may_read.release(taken)
                return False
        self._close_idle()
        return True

    def go_on(self) -> None:
        """See `Rests`."""
        self._may_read.release(THREADS)

    def _read(self, work: Callable[[apsw.Connection], Reply]) -> Reply:
        with self._may_read:
            return self._read_now(work)

    def _read_now(self, work: Callable[[apsw.Connection], Reply]) -> Reply:
        if self._is_closed:
            raise self._closed()
        connection = self._connection()
        try:
            connection.execute("BEGIN")
            try:
                reply = work(connection)
            finally:
                connection.execute("ROLLBACK")
        except apsw.Error as error:
            connection.close(force=True)
            raise meaning(error, str(self._path)) from error
        except BaseException:
            connection.close(force=True)
            raise
        self._idle.put(connection)
        return reply

    def _closed(self) -> StoreUnavailable:
        return StoreUnavailable("closed", f"{self._path} was closed")

    def _connection(self) -> apsw.Connection:
        """An idle connection, or a new one; those to a file that was deleted or replaced are of no use any more."""
        place = place_of(self._path)
        if place != self._place:
            self._close_idle()
            self._place = place
        return self._take() or connect_reader(self._path, SystemClock())

    def _close_idle(self) -> None:
        while (connection := self._take()) is not None:
            connection.close()

    def _take(self) -> apsw.Connection | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None
