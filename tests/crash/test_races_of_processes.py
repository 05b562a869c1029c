"""Processes that race each other for one unique job, and for one lock, on every store that processes can share."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from longshore import QueueManager
from longshore.core.clock import SystemClock
from servers import running

PROGRAM = Path(__file__).with_name("racing_process.py")
KEY = "race:1"
PROCESSES, CONNECTIONS = 8, 8
TURNS = 40


@pytest.fixture(params=["sqlite", "postgres", "redis", "cluster"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    place = running.name_for(tmp_path)
    return {
        "sqlite": lambda: f"sqlite:///{tmp_path}/jobs.db",
        "postgres": lambda: f"{running.postgres().url}?schema={place}",
        "redis": lambda: f"{running.redis().url}?prefix={place}",
        "cluster": lambda: f"{running.cluster().url}?prefix={place}",
    }[request.param]()


@contextmanager
def racer(url: str, *words: object) -> Iterator["subprocess.Popen[str]"]:
    """A process that is ready, and killed in the end."""
    command = [sys.executable, str(PROGRAM), url, *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert line(process) == "ready"
            yield process
        finally:
            process.kill()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


async def test_sixty_four_at_once_add_one_job(url: str) -> None:
    """B.5: eight processes with eight connections each; one of them adds it, and all get it."""
    async with QueueManager(url) as manager:
        with ExitStack() as stack:
            racers = [stack.enter_context(racer(url, "add", CONNECTIONS)) for _ in range(PROCESSES)]
            for process in racers:
                go(process)
            told = [line(process) for process in racers for _ in range(CONNECTIONS)]
        ids = Counter(words.split()[0] for words in told)
        [job] = await manager.get_jobs(queue="race")
        assert ids == {job.id: PROCESSES * CONNECTIONS}
        assert Counter(words.split()[1] for words in told) == {"True": 63, "False": 1}


async def test_two_processes_never_hold_one_lock_and_its_fences_only_grow(url: str, tmp_path: Path) -> None:
    """S1.6: with one of them killed in the middle, wherever that is."""
    path = tmp_path / "turns"
    clock = SystemClock()
    async with QueueManager(url) as manager:
        await manager.store()
        with ExitStack() as stack:
            racers = [stack.enter_context(racer(url, "lock", path)) for _ in range(3)]
            for process in racers:
                go(process)
            for share, victim in ((1, racers[0]), (2, None)):
                while not path.exists() or len(path.read_text().splitlines()) < share * TURNS:
                    await clock.sleep(0.02)
                if victim is not None:
                    victim.kill()
    turns = [words.split() for words in path.read_text().splitlines()]
    fences = [int(fence) for word, fence in turns if word == "in"]
    assert fences == sorted(set(fences))
    held = 0
    for word, fence in turns:
        if word == "in":
            held = int(fence)
        else:
            assert int(fence) == held


async def test_the_lock_of_a_killed_process_is_free_within_its_time(url: str) -> None:
    """S1.6"""
    clock = SystemClock()
    async with QueueManager(url) as manager:
        await manager.store()
        with racer(url, "hold", 2) as process:
            go(process)
            word, fence = line(process).split()
            assert word == "held"
            with pytest.raises(TimeoutError):
                await manager.lock(KEY, timeout=0).take()
            process.kill()
            began = clock.monotonic()
            async with manager.lock(KEY, timeout=10) as lock:
                waited = clock.monotonic() - began
                assert lock.fence > int(fence)
        assert waited < 2 + 2  # half a second between two looks, and a machine that is busy
