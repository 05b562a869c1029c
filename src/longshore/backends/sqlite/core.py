"""This module is what all handles on one file share within a process: the writer, the readers and the bell."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from longshore.backends.sqlite.connecting import Settings
from longshore.backends.sqlite.forks import check_not_inherited, rests_for_forks
from longshore.backends.sqlite.readers import Readers
from longshore.backends.sqlite.schema import prepare
from longshore.backends.sqlite.wakeups import Bell
from longshore.backends.sqlite.writer import Writer
from longshore.core.clock import Clock, SystemClock
from longshore.core.errors import StoreUnavailable

Reply = TypeVar("Reply")


class Core:
    """Counts its handles; the last one that is closed ends it."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.bell = Bell(path, SystemClock())
        self.readers = Readers(path)
        self.writer = Writer(path, settings, self.bell.ring)
        self.reads = 0
        self._process = os.getpid()
        self._handles = 1
        self._lock = threading.Lock()
        rests_for_forks(self.readers)
        rests_for_forks(self.writer)

    @classmethod
    async def opened(cls, path: Path, settings: Settings, clock: Clock) -> "Core":
        """A core whose file and schema are there. Raises what `Store.open` raises."""
        check_not_inherited(path)
        await asyncio.to_thread(prepare, path, settings, clock)
        return cls(path, settings)

    def check_process(self) -> None:
        """Raises StoreUnavailable in a forked child: SQLite's locks do not follow it there."""
        if os.getpid() != self._process:
            raise StoreUnavailable(
                "closed",
                f"{self.path} was opened in process {self._process}; open a store of its own in process {os.getpid()}",
            )

    async def read(self, work: Callable[[apsw.Connection], Reply]) -> Reply:
        """What `work` returns, as of one moment."""
        self.reads += 1
        return await self.readers.read(work)

    def share(self) -> "Core":
        """For one handle more."""
        with self._lock:
            if self._handles == 0:
                raise StoreUnavailable("closed", f"{self.path} was closed")
            self._handles += 1
        return self

    async def release(self) -> None:
        """One handle less."""
        with self._lock:
            self._handles -= 1
            is_last = self._handles == 0
        if is_last:
            self.bell.close()
            await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self.readers.close()
        self.writer.close()
        self.bell.hang_up()
