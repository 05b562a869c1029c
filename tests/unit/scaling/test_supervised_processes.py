"""The supervisor as a process of its own: its signals, and what becomes of its children when it is killed."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.scaling.processes import Words

SCRIPT = """
import asyncio, random, sys
from pathlib import Path
from longshore.core.clock import SystemClock
from longshore.scaling.supervisor import Supervisor
from longshore.worker.signals import StopSignals
from tests.unit.scaling.processes import command

manner, pipe = sys.argv[1:3]
supervisor = Supervisor(
    lambda number: command(manner, Path(pipe), number),
    2,
    grace_seconds=20,
    clock=SystemClock(),
    random=random.Random(1),
)
with StopSignals(on_hangup=supervisor.reload) as signals:
    signals.attach(supervisor)
    sys.exit(asyncio.run(supervisor.run()))
"""

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
async def words(tmp_path: Path) -> AsyncIterator[Words]:
    words = Words(tmp_path / "words")
    yield words
    words.close()


@pytest.fixture
def start(words: Words) -> Iterator[Start]:
    started = []

    def begin(manner: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, manner, str(words.path)], env=environment)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def end_within(pids: list[int], seconds: float) -> bool:
    """Whether all these processes have ended after so long."""
    watched = [os.pidfd_open(pid) for pid in pids]
    try:
        return all(select.select([each], [], [], seconds)[0] for each in watched)
    finally:
        for each in watched:
            os.close(each)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_all_processes_and_the_exit_code_is_0(start, words, number):
    supervisor = start("drain")
    await words.started(2)
    supervisor.send_signal(number)
    assert {(await words.next())[0] for _ in range(2)} == {"drained"}
    assert await asyncio.to_thread(supervisor.wait, 10) == 0


async def test_a_second_signal_kills_all_processes_and_the_exit_code_is_1(start, words):
    supervisor = start("stubborn")
    await words.started(2)
    supervisor.terminate()
    assert {(await words.next())[0] for _ in range(2)} == {"refused"}
    supervisor.terminate()
    assert await asyncio.to_thread(supervisor.wait, 10) == 1


async def test_a_hangup_replaces_the_processes_while_the_others_work(start, words):
    supervisor = start("drain")
    await words.started(2)
    supervisor.send_signal(signal.SIGHUP)
    heard = [(await words.next())[:2] for _ in range(4)]
    assert heard == [("started", 1), ("drained", 1), ("started", 2), ("drained", 2)]
    supervisor.terminate()
    assert await asyncio.to_thread(supervisor.wait, 10) == 0


async def test_processes_do_not_outlive_a_supervisor_that_is_killed(start, words):
    supervisor = start("drain")
    pids = list((await words.started(2)).values())
    supervisor.kill()
    assert await asyncio.to_thread(end_within, pids, 5)


async def test_an_orphan_that_does_not_end_by_itself_is_ended(start, words):
    supervisor = start("orphan")
    pids = list((await words.started(2)).values())
    supervisor.kill()
    assert {(await words.next())[0] for _ in range(2)} == {"orphaned"}
    assert await asyncio.to_thread(end_within, pids, 5)
