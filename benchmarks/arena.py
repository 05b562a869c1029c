"""This module starts the processes of a measurement on a store of their own, and reads what the kernel says of them."""

import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
from board import Board
from grounds import Ground
from watch import reached

from longshore import QueueManager

HERE = Path(__file__).resolve().parent
PATIENCE_S = 30
"""For jobs that ought to run at once."""


FIRST_CALLS = 2
"""Of its store, by a worker that begins: its session is opened, and a first claim made."""


class SubjectError(Exception):
    """A measured process that failed; the message ends with what it wrote."""


class Subject:
    """A measured process."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def answer(self) -> dict[str, float]:
        """The line that it prints, once it has ended. Raises SubjectError."""
        printed, _ = await self._process.communicate()
        if self._process.returncode != 0 or not printed:
            raise SubjectError(f"exit code {self._process.returncode}\n{self._log.read_text()[-2000:]}")
        answer: dict[str, float] = json.loads(printed)
        return answer

    async def kill(self) -> None:
        """The end, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def cpu_s(self) -> float:
        """Processor time so far, in steps of 10 ms."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pss_mb(self) -> float:
        """Memory, a page that several processes share counted in equal parts."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0


class Arena:
    """An empty store, a board, and the processes that were started on them."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        self.ground = ground
        self.folder = folder
        self.file = folder / "jobs.db"
        self.url = ground.url(folder)
        self.board = Board(folder / "board")
        self._subjects: list[Subject] = []
        self._manager: QueueManager | None = None

    @property
    def shares_processes(self) -> bool:
        """Whether another process can reach the store; memory cannot be reached."""
        return self.ground.store != "memory"

    async def start(self, program: str, *command: object, seat: int = 0) -> Subject:
        """A process that carries out a command of a program in this folder."""
        environment = os.environ | {
            "LONGSHORE_URL": self.url,
            "BENCH_BOARD": str(self.folder / "board"),
            "BENCH_SEAT": str(seat),
            "PYTHONWARNINGS": "ignore",
        }
        log = self.folder / "subject.log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(HERE / program),
                *map(str, command),
                cwd=self.folder,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        subject = Subject(process, log)
        self._subjects.append(subject)
        return subject

    async def run(self, *command: object) -> dict[str, float]:
        """What a command of `subject.py` answers."""
        return await (await self.start("subject.py", *command)).answer()

    @contextlib.asynccontextmanager
    async def working(self, slots: int, *, processes: int = 1) -> AsyncIterator[list[Subject]]:
        """With worker processes that have begun to claim; they are killed in the end."""
        self.board.clear()
        workers = [await self.start("subject.py", "work", slots, seat=seat) for seat in range(processes)]
        try:
            await self._begun(processes)
            yield workers
        finally:
            for worker in workers:
                await worker.kill()

    async def _begun(self, workers: int) -> None:
        give_up_s = time.monotonic() + PATIENCE_S
        while min(self.board.calls_of(seat) for seat in range(workers)) < FIRST_CALLS:
            if time.monotonic() > give_up_s:
                raise SubjectError("a worker does not begin")
            await asyncio.sleep(0.01)

    async def manager(self) -> QueueManager:
        """The driver's own door to the store."""
        if self._manager is None:
            self._manager = QueueManager(self.url)
            self._manager.queue("bench")
            await self._manager.get_stats()
        return self._manager

    async def wait_for(self, jobs: int) -> None:
        """Until so many jobs have run. Raises StuckError."""
        await reached(self.board, jobs, give_up_s=time.monotonic() + PATIENCE_S)

    def size_bytes(self) -> int:
        """What the store takes on disk, everything in its write-ahead log written back."""
        connection = apsw.Connection(str(self.file))
        connection.pragma("wal_checkpoint(TRUNCATE)")
        connection.close()
        return sum(path.stat().st_size for path in self.folder.glob("jobs.db*") if path.is_file())

    async def close(self) -> None:
        """Kills what still runs."""
        if self._manager is not None:
            await self._manager.shutdown(timeout=5)
        for subject in self._subjects:
            await subject.kill()
        await self.ground.clear()


@contextlib.asynccontextmanager
async def arena(ground: Ground, parent: Path | None) -> AsyncIterator[Arena]:
    """A new arena, with a folder below `parent` that is removed afterwards."""
    with _folder(parent) as folder:
        place = Arena(ground, folder)
        try:
            yield place
        finally:
            await place.close()


@contextlib.contextmanager
def _folder(parent: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix="longshore-bench-", dir=parent, ignore_cleanup_errors=True
    ) as path:
        yield Path(path)
