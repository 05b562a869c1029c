"""`longshore worker` as a real process: it serves, stops when asked, and says in one line what it cannot do."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshore.cli.failures import Misuse
from longshore.cli.loops import loop_factory
from longshore.cli.worker import parse_queues
from tests.doors.cli.conftest import Call, Shop

APPLICATION = """
import asyncio
from pathlib import Path
from longshore import QueueManager

manager = QueueManager()
numbers = manager.queue("numbers")

@numbers.task(name="double")
async def double(n: int) -> int:
    return 2 * n

@numbers.task(name="linger")
async def linger(tell: str) -> None:
    Path(tell).write_text("running")
    await asyncio.Event().wait()

@numbers.task(name="runs_on")
async def runs_on(loop: str) -> None:
    assert type(asyncio.get_running_loop()).__module__.split(".")[0] == loop

@numbers.task(name="in_a_thread")
def in_a_thread() -> None:
    asyncio.run(asyncio.sleep(0))

@numbers.task(name="in_a_process", process=True)
def in_a_process() -> None:
    asyncio.run(asyncio.sleep(0))
"""

UNSAFE_APPLICATION = """
from longshore.backends.sqlite import examining
from app import manager

examining._file_system = lambda path: 0x6969  # NFS
"""

Worker = subprocess.Popen[str]


@pytest.fixture(autouse=True)
def application(nowhere: Path) -> Path:
    (nowhere / "app.py").write_text(APPLICATION)
    return nowhere


@pytest.fixture
def start(nowhere: Path) -> Iterator[object]:
    """Starts workers; none survives its test."""
    started: list[Worker] = []

    def start(*arguments: str) -> Worker:
        command = [sys.executable, "-m", "longshore", "worker", "app:manager", *arguments]
        process = subprocess.Popen(
            command, cwd=nowhere, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finish(process: Worker) -> str:
    """What it wrote until it ended."""
    written = process.communicate(timeout=30)[1]
    assert "Traceback" not in written
    return written


def add(call: Call, name: str, *lines: str) -> None:
    assert call("enqueue", "numbers", name, "--file", "-", stdin="\n".join(lines)).exit_code == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_burst_does_all_there_is_and_ends_with_0(call: Call, shop: Shop, start, processes: str):
    add(call, "double", *(f'{{"n": {n}}}' for n in range(200)))
    worker = start("--burst", "--processes", processes)
    written = finish(worker)
    assert worker.returncode == 0, written
    assert set(shop.states().values()) == {"completed"}
    assert (
        "serving queue numbers with tasks double, in_a_process, in_a_thread, linger, runs_on on sqlite:///"
        in written
    )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_worker_runs_all_kinds_of_tasks_on_the_loop_that_was_chosen(
    call: Call, shop: Shop, start, loop: str
):
    add(call, "runs_on", json.dumps({"loop": loop}))
    add(call, "in_a_thread", "{}")
    add(call, "in_a_process", "{}")
    worker = start("--burst", "--loop", loop)
    written = finish(worker)
    assert worker.returncode == 0, written
    assert set(shop.states().values()) == {"completed"}


def test_a_loop_that_is_not_installed_is_asked_for_in_vain_or_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory("auto") is None
    with pytest.raises(Misuse, match=r"pip install .longshore\[speed\]"):
        loop_factory("uvloop")


def test_sigterm_hands_back_what_does_not_end_in_time_with_no_attempt_burned(
    call: Call, shop: Shop, start, nowhere: Path
):
    """S3.19"""
    pipe = nowhere / "running"
    os.mkfifo(pipe)
    add(call, "linger", json.dumps({"tell": str(pipe)}))
    worker = start("--grace", "0.2")
    assert pipe.read_text() == "running"
    worker.send_signal(signal.SIGTERM)
    written = finish(worker)
    assert worker.returncode == 0, written
    (job,) = json.loads(call("jobs", "list", "--json").stdout)
    assert (job["state"], job["attempt"], job["failures"], job["crashes"]) == ("pending", 0, 0, 0)


def test_when_the_supervisor_is_killed_its_workers_go_and_hand_their_jobs_back(
    call: Call, shop: Shop, start, nowhere: Path
):
    """S3.19"""
    pipe = nowhere / "running"
    os.mkfifo(pipe)
    add(call, "linger", json.dumps({"tell": str(pipe)}))
    supervisor = start("--processes", "1", "--reload")
    assert pipe.read_text() == "running"
    (listed,) = json.loads(call("workers", "list", "--json").stdout)
    worker = os.pidfd_open(listed["pid"])
    supervisor.kill()
    ended, _, _ = select.select([worker], [], [], 10)
    os.close(worker)
    assert ended, "the worker outlived its supervisor"
    (job,) = json.loads(call("jobs", "list", "--json").stdout)
    assert (job["state"], job["releases"], job["crashes"]) == ("pending", 1, 0)


def test_a_worker_that_is_alive_is_listed_with_what_it_holds(call: Call, shop: Shop, start, nowhere: Path):
    pipe = nowhere / "running"
    os.mkfifo(pipe)
    add(call, "linger", json.dumps({"tell": str(pipe)}))
    worker = start("--grace", "0.2", "--concurrency", "7")
    assert pipe.read_text() == "running"
    (listed,) = json.loads(call("workers", "list", "--json").stdout)
    assert (listed["pid"], listed["slots"], listed["holds"]) == (worker.pid, 7, 1)
    assert listed["queues"] == ["numbers"]
    assert str(worker.pid) in call("workers", "list").stdout
    worker.send_signal(signal.SIGTERM)
    finish(worker)
    assert call("workers", "list").stdout.startswith("No worker is alive.")


def test_the_log_can_be_json_lines(call: Call, shop: Shop, start):
    add(call, "double", '{"n": 1}')
    written = finish(start("--burst", "--log-json"))
    lines = [json.loads(line) for line in written.splitlines()]
    assert any(line["message"].startswith("serving queue numbers") for line in lines)


@pytest.mark.parametrize("more", [[], ["--processes", "2"]])
def test_a_wrong_target_is_one_line_and_exit_code_2(shop: Shop, nowhere: Path, more: list[str]):
    command = [sys.executable, "-m", "longshore", "worker", "app:manger", *more]
    done = subprocess.run(command, cwd=nowhere, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: Module 'app' has no 'manger'. Did you mean 'manager'?\n"


@pytest.mark.parametrize("more", [[], ["--processes", "2"], ["--queues", "quick"]])
def test_queues_in_the_memory_of_another_process_are_refused(shop: Shop, nowhere: Path, more: list[str]):
    """S4.1"""
    (nowhere / "volatile.py").write_text(
        "from longshore import QueueManager\nmanager = QueueManager()\n"
        "manager.queue('quick', durable=False).set_processor(print)\n"
    )
    command = [sys.executable, "-m", "longshore", "worker", "volatile", *more]
    done = subprocess.run(command, cwd=nowhere, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: volatile has nothing to serve here but queue quick in memory (durable=False)"
    )


@pytest.mark.parametrize("more", [[], ["--processes", "2"]])
def test_an_application_without_tasks_is_told_so_once(shop: Shop, nowhere: Path, more: list[str]):
    (nowhere / "empty.py").write_text("from longshore import QueueManager\nmanager = QueueManager()\n")
    command = [sys.executable, "-m", "longshore", "worker", "empty", *more]
    done = subprocess.run(command, cwd=nowhere, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("error: empty has nothing to serve")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "queues"),
    [
        (None, None),
        ("a", {"a": None}),
        ("a:10,b:2", {"a": 10, "b": 2}),
        (" a:1 , b ", {"a": 1, "b": None}),
        ("tenant:acme", {"tenant:acme": None}),
        ("tenant:7:3", {"tenant:7": 3}),
    ],
)
def test_queues_are_read_with_their_slots(text: str | None, queues: dict[str, int | None] | None):
    assert parse_queues(text) == queues


@pytest.mark.parametrize("text", ["", ",", "a:0"])
def test_queues_that_would_never_run_are_refused(text: str):
    with pytest.raises(Misuse, match="--queues"):
        parse_queues(text)


@pytest.mark.parametrize("more", [[], ["--processes", "2"]])
def test_no_worker_starts_on_a_store_that_may_lose_jobs(
    shop: Shop, nowhere: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
):
    """S3.23: one line that says why and how to start all the same."""
    (nowhere / "unsafe.py").write_text(UNSAFE_APPLICATION)
    command = [sys.executable, "-m", "longshore", "worker", "unsafe:manager", "--burst", *more]
    refused = subprocess.run(command, cwd=nowhere, capture_output=True, text=True, check=False, timeout=30)
    assert refused.returncode == 1
    [line] = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert "may lose jobs" in line
    assert "LONGSHORE_UNSAFE_STORE=1" in line
    monkeypatch.setenv("LONGSHORE_UNSAFE_STORE", "1")
    allowed = subprocess.run(command, cwd=nowhere, capture_output=True, text=True, check=False, timeout=30)
    assert allowed.returncode == 0
    assert "WARNING longshore.worker: this store may lose jobs" in allowed.stderr


def test_the_log_level_is_a_setting(shop: Shop, start, monkeypatch: pytest.MonkeyPatch):
    """S3.22: LOG_LEVEL."""
    assert "INFO longshore.worker: serving queue numbers" in finish(start("--burst"))
    monkeypatch.setenv("LONGSHORE_LOG_LEVEL", "WARNING")
    assert finish(start("--burst")) == ""


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_worker_whose_server_is_away_waits_until_it_is_told_to_end(start, scheme: str, processes: str):
    worker = start("--url", f"{scheme}://127.0.0.1:1", "--processes", processes)
    assert worker.stderr is not None
    lines = iter(worker.stderr.readline, "")
    assert any("The worker waits for the store" in line and "127.0.0.1" in line for line in lines)
    worker.send_signal(signal.SIGTERM)
    assert "stopped before the store was there" in finish(worker)
    assert worker.returncode == 0
