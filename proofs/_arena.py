"""This module is where proofs take place: a folder of its own, workers as real processes, and the marks jobs leave."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from _places import Place, place

from longshore import QueueManager
from longshore.core.ids import parse_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.store.commands import JobQuery, Order
from longshore.store.contract import Store

HERE = Path(__file__).resolve().parent


class Mark(NamedTuple):
    """A start of a job."""

    job: str
    fence: int
    at_ms: int
    pid: int


class Worker:
    """A worker process, as `longshore worker` starts it."""

    def __init__(self, arena: "Arena", *arguments: str, app: str) -> None:
        command = [sys.executable, "-m", "longshore", "worker", app, *arguments]
        self.process = subprocess.Popen(command, cwd=HERE, env=arena.environment, stderr=arena.log)

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal; harmless when it is gone."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: no chance to say anything."""
        self.send(signal.SIGKILL)
        self.process.wait()


class Arena:
    """A folder with a store, a file of marks and a log; workers that still run at the end are killed."""

    def __init__(
        self, folder: Path, place: Place, *, lease_seconds: float, slots: int, grace_seconds: float = 5
    ) -> None:
        self.folder, self.place, self.lease_seconds, self.slots = folder, place, lease_seconds, slots
        self.marks_file = folder / "marks"
        self.marks_file.touch()
        self._read = self._counted = 0
        self.url = place.url
        self.log = (folder / "workers.log").open("ab")
        self.workers: list[Worker] = []
        self.environment = os.environ | {
            "LONGSHORE_URL": self.url,
            "LONGSHORE_LEASE": str(lease_seconds),
            "LONGSHORE_GRACE": str(grace_seconds),
            "LONGSHORE_CONCURRENCY": str(slots),
            "PROOF_MARKS": str(self.marks_file),
        }

    def go_through(self, url: str) -> None:
        """Workers that start from now on find the store at this URL, such as a proxy's."""
        self.environment["LONGSHORE_URL"] = url

    def start(self, *arguments: str, app: str = "_app:manager") -> Worker:
        """A new worker of an application here."""
        worker = Worker(self, *arguments, app=app)
        self.workers.append(worker)
        return worker

    def manager(self) -> QueueManager:
        """A producer on the same store, without the tasks' code."""
        return QueueManager(self.url)

    def count_marks(self) -> int:
        """How many starts there were, without reading what was read before."""
        with self.marks_file.open("rb") as file:
            file.seek(self._read)
            news = file.read()
        self._read += len(news)
        self._counted += news.count(b"\n")
        return self._counted

    def forget_marks(self) -> None:
        """What has run until now does not count. Only while nothing runs."""
        os.truncate(self.marks_file, 0)
        self._read = self._counted = 0

    def marks(self) -> list[Mark]:
        """Every start so far."""
        rows = [line.split() for line in self.marked()]
        return [Mark(job, int(fence), int(at_ms), int(pid)) for job, fence, at_ms, pid in rows]

    def marked(self) -> list[str]:
        """The lines of the file of marks; not the last one while it is being written."""
        return self.marks_file.read_text().split("\n")[:-1]

    def starts(self) -> dict[str, list[Mark]]:
        """The starts by job."""
        by_job: dict[str, list[Mark]] = defaultdict(list)
        for mark in self.marks():
            by_job[mark.job].append(mark)
        return by_job

    def close(self) -> None:
        """Kills what is left."""
        for worker in self.workers:
            worker.kill()
        self.log.close()


@contextlib.contextmanager
def arena(
    store: str = "sqlite", *, lease_seconds: float = 2, slots: int = 10, grace_seconds: float = 5
) -> Iterator[Arena]:
    """An arena on a store of its own, in a folder that is removed afterwards, unless PROOF_KEEP names one."""
    with contextlib.ExitStack() as stack:
        keep = os.environ.get("PROOF_KEEP")
        folder = Path(keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="longshore-proof-")))
        folder.mkdir(parents=True, exist_ok=True)
        where = stack.enter_context(place(store, folder))
        built = Arena(folder, where, lease_seconds=lease_seconds, slots=slots, grace_seconds=grace_seconds)
        stack.callback(built.close)
        yield built


async def every_job(manager: QueueManager, ids: list[str]) -> dict[str, JobRecord]:
    """The records of these jobs as the store has them."""
    return await every_job_of(await manager.store(), ids)


async def every_job_of(store: Store, ids: list[str]) -> dict[str, JobRecord]:
    """The same, of a store without a manager."""
    found: dict[str, JobRecord] = {}
    for begin in range(0, len(ids), 500):
        chunk = tuple(parse_id(each) for each in ids[begin : begin + 500])
        query = JobQuery(ids=chunk, limit=500, order=Order.OLDEST, full=True)
        for record in (await store.scan([query]))[0].jobs:
            found[str(record.id.hex())] = record
    return {each: found[parse_id(each).hex()] for each in ids if parse_id(each).hex() in found}


async def all_over(manager: QueueManager, ids: list[str], *, seconds: float, show: str) -> float:
    """Waits until every job is in a terminal state; the seconds that it took. Raises TimeoutError with what is left."""
    begin = time.monotonic()
    while True:
        jobs = await every_job(manager, ids)
        left = [each for each in ids if each not in jobs or not jobs[each].state.is_terminal]
        tell(f"{show}: {len(ids) - len(left):,} of {len(ids):,} done")
        if not left:
            return time.monotonic() - begin
        if time.monotonic() - begin > seconds:
            states = sorted({jobs[each].state.value if each in jobs else "missing" for each in left})
            message = f"after {seconds:g} s {len(left)} jobs are not over: {', '.join(states)}"
            raise TimeoutError(message)
        await asyncio.sleep(0.1)


def tell(text: str) -> None:
    """One line of progress; on a terminal it replaces the one before."""
    end = "\r" if sys.stderr.isatty() else "\n"
    if sys.stderr.isatty() or text != _last.get("text"):
        print(f"\x1b[2K{text}" if end == "\r" else text, end=end, file=sys.stderr, flush=True)
    _last["text"] = text


_last: dict[str, str] = {}


class Verdicts:
    """What a proof found against what it allows; prints a table and says how the process should exit."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, bool]] = []

    def at_least(self, what: str, found: float, limit: float) -> None:
        """The found number must not be below the limit."""
        self._rows.append((what, f"{found:g}", f"at least {limit:g}", found >= limit))

    def check(self, what: str, found: float, limit: float) -> None:
        """The found number must not be above the limit."""
        self._rows.append((what, f"{found:g}", f"at most {limit:g}", found <= limit))

    def equal(self, what: str, found: object, expected: object) -> None:
        """The two must be the same."""
        self._rows.append((what, str(found), f"{expected}", found == expected))

    def exit_code(self) -> int:
        """Prints the table; 0 when everything holds."""
        for what, found, allowed, holds in self._rows:
            print(f"{'ok    ' if holds else 'FAILED'}  {what:<58} {found:>10}   ({allowed})")
        return 0 if all(holds for *_, holds in self._rows) else 1


def ended(record: JobRecord) -> bool:
    """Whether the job completed, as every healthy one must."""
    return record.state is State.COMPLETED
