"""This proof cuts the power under load, and looks for every job that was acknowledged before: added and completed ones.

    python3 dev.py proof powercut [--store sqlite] [--cuts 5] [--load 1.5] [--lax]

The store lies on a loop device. Everything that writes is stopped, the file behind the device is copied, and the store
is opened from the copy: see proofs/_disk.py. Where there are no loop devices it says `not run` and ends with 0. With
--lax the settings are those that lose jobs, and the proof fails unless some are lost: the cut is a cut.
"""

import argparse
import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from _arena import Verdicts, every_job_of, tell
from _disk import Disk, flush, why_not
from _places import add_store, place

from longshore.backends import open_store
from longshore.core.job import JobRecord
from longshore.core.states import State

WRITER = Path(__file__).with_name("_acknowledged.py")
LAX = {
    "sqlite": {"synchronous": "normal"},
    "postgres": {"synchronous_commit": "off"},
    "redis": {"appendfsync": "no"},
}


class Acknowledged(NamedTuple):
    """What a writer was told before the cut: ids."""

    added: list[str]
    completed: list[str]


async def main(options: argparse.Namespace) -> int:
    """As many cuts as asked, each on a disk of its own."""
    if reason := why_not():
        print(f"powercut: not run: {reason}.")
        return 0
    print(f"powercut: {options.store}, {options.cuts} cuts, {'lax' if options.lax else 'durable'} settings")
    told = Acknowledged([], [])
    lost_jobs = lost_ends = 0
    for number in range(options.cuts):
        with _folder() as folder:
            before, after = await _cut(folder, options)
        lost_jobs += sum(each not in after for each in before.added)
        lost_ends += sum(
            each not in after or after[each].state is not State.COMPLETED for each in before.completed
        )
        told.added.extend(before.added)
        told.completed.extend(before.completed)
        tell(f"cut {number + 1}: {len(before.added):,} added, {lost_jobs:,} of all lost so far")
    verdicts = Verdicts()
    verdicts.at_least("jobs acknowledged before the cuts", len(told.added), 100 * options.cuts)
    if options.lax:
        verdicts.at_least("acknowledged jobs lost with lax settings", lost_jobs, 1)
    else:
        verdicts.equal("acknowledged jobs lost", lost_jobs, 0)
        verdicts.equal(f"of {len(told.completed):,} acknowledged ends lost", lost_ends, 0)
    return verdicts.exit_code()


async def _cut(folder: Path, options: argparse.Namespace) -> tuple[Acknowledged, dict[str, JobRecord]]:
    """Load, cut, and what is there when the power is back."""
    disk, at = Disk.make(folder / "disk.img"), folder / "disk"
    with contextlib.ExitStack() as stack:
        with disk.mounted(at), contextlib.ExitStack() as load:
            where = stack.enter_context(place(options.store, at, settings=_settings(options)))
            load.callback(where.kill)
            flush(at)  # the programs and settings of a server were there before
            writer = load.enter_context(_writer(where.url, folder / "told"))
            await asyncio.sleep(options.load)
            writer.send_signal(signal.SIGSTOP)
            where.freeze()
            told = _read(folder / "told")
            rest = disk.cut(folder / "cut.img")
        with rest.mounted(at), contextlib.ExitStack() as after_the_cut:
            after_the_cut.callback(where.kill)
            where.start()
            store = open_store(where.url)
            await store.open()
            after = await every_job_of(store, told.added)
            await store.close()
    return told, after


def _settings(options: argparse.Namespace) -> dict[str, str]:
    kind = options.store.partition("-")[0].replace("valkey", "redis")
    return LAX[kind] if options.lax else {}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="longshore-cut-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another user
        yield folder


@contextlib.contextmanager
def _writer(url: str, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process at work that adds and completes jobs, and says in a file what was acknowledged."""
    told.touch()
    process = subprocess.Popen([sys.executable, str(WRITER), url, str(told)])
    try:
        while not told.stat().st_size:
            if process.poll() is not None:
                raise RuntimeError("the writer has ended: see above")
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


def _read(told: Path) -> Acknowledged:
    lines = [line.split() for line in told.read_text().splitlines()]
    ids = {kind: [each for what, each in lines if what == kind] for kind in ("added", "completed")}
    return Acknowledged(ids["added"], ids["completed"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store(parser, stores=("sqlite", "postgres", "redis", "valkey"))
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--load", type=float, default=1.5, help="seconds before each cut")
    parser.add_argument("--lax", action="store_true", help="settings that lose jobs, to see them lost")
    sys.exit(asyncio.run(main(parser.parse_args())))
