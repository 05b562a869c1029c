"""This module holds a server: a process on a local port that can be stopped, killed, frozen and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

from servers.accounts import Account

LAUNCHER = Path(__file__).with_name("launcher.py")
START_SECONDS = 90.0
STOP_SECONDS = 20.0
LINES_SHOWN = 15
STARTS_TRIED = 5

# Linux sends the signal of death when the *thread* ends that started the server, so one thread starts them all. It ends
# with the interpreter.
_starter = ThreadPoolExecutor(1, thread_name_prefix="servers")


class CannotStart(Exception):
    """A server that is missing or does not come up; the message says what to do about it."""


class ServerLike(Protocol):
    """What tests and proofs need of a server, or of several that serve as one."""

    @property
    def url(self) -> str:
        """Where Longshore finds it."""
        ...

    @property
    def version(self) -> str:
        """As `postgres_versions` and `redis_versions` name it."""
        ...

    def start(self) -> None:
        """Starts it again on the same port and data; returns when it answers. Raises CannotStart."""
        ...

    def stop(self) -> None:
        """Ends it in order, and returns when it is gone."""
        ...

    def kill(self) -> None:
        """Ends it and its children by SIGKILL, as a loss of the process; its data stay."""
        ...

    def freeze(self) -> None:
        """SIGSTOP: its connections stay open and nothing answers."""
        ...

    def thaw(self) -> None:
        """Lets it go on."""
        ...

    def close(self) -> None:
        """Ends it in whatever state it is, and removes what only it needed."""
        ...


class Server:
    """One server process. `is_ready(server)` says whether it answers; `account` is whose rights it has."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        url: str,
        version: str,
        port: int,
        log: Path,
        is_ready: Callable[["Server"], bool],
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        self.url, self.version, self.port, self.log = url, version, port, log
        self._command, self._is_ready, self._account = list(command), is_ready, account
        self._stop_signal, self._death_signal, self._closing = stop_signal, death_signal, closing
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.RLock()

    def __repr__(self) -> str:
        return f"<{self.version} on port {self.port}>"

    @property
    def pid(self) -> int:
        """Of the process that runs now. Raises CannotStart when none does."""
        if self._process is None:
            message = f"{self.version} is not running: call start()."
            raise CannotStart(message)
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._turn:
            if self.is_running:
                return
            self._process = _starter.submit(self._launch).result()
            deadline = time.monotonic() + START_SECONDS
            while not self._is_ready(self):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise CannotStart(self._why_not())
                time.sleep(0.01)

    def stop(self) -> None:
        with self._turn:
            if self._process is None:
                return
            self.thaw()
            self._signal(self._stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        with self._turn:
            if self._process is None:
                return
            self._hold()
            children = self.family()[1:]
            self._process.kill()
            self._process.wait()
            for pid in children:
                _send(pid, signal.SIGKILL)
            _await_end(children)
            self._process = None

    def freeze(self) -> None:
        for pid in self.family():
            _send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in reversed(self.family()):
            _send(pid, signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        self._closing()

    def family(self) -> list[int]:
        """The process ids of the server and of its children: PostgreSQL has one for each connection."""
        return [self.pid, *_children(self.pid)] if self.is_running else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def _launch(self) -> subprocess.Popen[bytes]:
        whose = f"{self._account.uid}:{self._account.gid}" if self._account else ""
        before = [
            sys.executable,
            "-I",
            "-S",
            str(LAUNCHER),
            str(os.getpid()),
            str(int(self._death_signal)),
            whose,
        ]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*before, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the tests, which end their servers themselves
            )

    def _hold(self) -> None:
        """Has the process begin no more children. One that nobody knew would outlive it for a while with its memory,
        and PostgreSQL would not start again."""
        if self.is_running:
            _send(self.pid, signal.SIGSTOP)
            if hasattr(os, "waitid"):  # not on macOS
                os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running:
            _send(self.pid, number)

    def _why_not(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
        return f"{self.version} did not start on port {self.port}. It said:\n" + "\n".join(lines)


class Group:
    """Several servers that serve as one. What is done to it is done to each of `members`, in their order."""

    def __init__(self, members: Sequence[Server], *, url: str, version: str) -> None:
        self.members, self.url, self.version = list(members), url, version

    def start(self) -> None:
        for member in self.members:
            member.start()

    def stop(self) -> None:
        for member in self.members:
            member.stop()

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def freeze(self) -> None:
        for member in self.members:
            member.freeze()

    def thaw(self) -> None:
        for member in self.members:
            member.thaw()

    def close(self) -> None:
        for member in self.members:
            member.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def first_to_start(make: Callable[[], Server]) -> Server:
    """A server that runs. Its port may be taken between our look and its start, so there are retries."""
    for _ in range(STARTS_TRIED - 1):
        server = make()
        with contextlib.suppress(CannotStart):
            server.start()
            return server
    last = make()
    last.start()
    return last


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _await_end(pids: Sequence[int]) -> None:
    """Returns when none of these runs any more; nobody may have asked how they ended."""
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(_runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.005)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it is gone, or this is no Linux
        return not Path("/proc/self").exists()
    return state not in "ZX"


def _children(pid: int) -> list[int]:
    if Path("/proc/self/task").exists():  # Linux; in a container there may be no ps
        lists = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for each in lists for child in each.read_text().split()]
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [child for child, parent in pairs if parent == pid]
