"""This module is what runs in a child process: one call after another, in the main thread, until the worker closes
the socket.

The child outlives the signals that a terminal or a service manager sends to everybody (the worker decides when it has
to go), and never outlives its worker: on Linux the kernel sees to that, and everywhere the end of the socket does.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
import threading
from multiprocessing import spawn
from queue import SimpleQueue
from types import FrameType

import msgspec

from longshore.core.job import JobRecord
from longshore.store.commands import Note
from longshore.worker.runners.calling import call
from longshore.worker.runners.channel import BlockingEnd
from longshore.worker.runners.importing import become_child, importing
from longshore.worker.runners.messages import (
    Begin,
    Begun,
    Completing,
    Downward,
    Ended,
    Logged,
    Picked,
    Progressed,
    Ready,
    Run,
    Upward,
    read_downward,
    write,
)

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def main(descriptor: int) -> None:
    """Serves the worker at the other end of this socket. Returns when it says no more."""
    outlive_the_workers_signals()
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - the signature of os; else what a task starts holds it open
    line = Line(BlockingEnd(socket.socket(fileno=descriptor)))
    begin = line.hear()
    assert isinstance(begin, Begin), "the worker's first words"
    die_with_the_worker(begin.parent_pid)
    become_child()
    with importing():
        spawn.prepare(begin.surroundings)
    own_pid = os.getpid()
    line.say(Ready())
    while (said := line.hear()) is not None:
        assert isinstance(said, Run), "a worker says nothing else"
        line.busy = True
        line.say(Begun())
        outcome = call(said, line)
        if os.getpid() != own_pid:  # a fork that came back from the task: it must not answer for its parent
            os._exit(0)
        line.busy = False
        line.say(Ended(outcome, size_bytes()))


class Line:
    """The line to the worker. Also the scribe of the tasks that run here: what they tell goes over it."""

    def __init__(self, end: BlockingEnd) -> None:
        self._end = end
        self._heard: SimpleQueue[Downward | None] = SimpleQueue()
        self._saying = threading.Lock()
        self.busy = False
        threading.Thread(target=self._listen, name="longshore-line", daemon=True).start()

    def hear(self) -> Downward | None:
        """What the worker says next; None: it has closed the line."""
        return self._heard.get()

    def say(self, message: Upward) -> None:
        """Callable from any thread that a task may have started."""
        with self._saying:
            self._end.send(write(message))

    def progress(self, job: JobRecord, value: float, note: str) -> None:  # noqa: ARG002 - the one that runs here
        """Passes progress on."""
        self.say(Progressed(value, note))

    def log(self, job: JobRecord, text: str) -> None:  # noqa: ARG002
        """Passes a line on."""
        self.say(Logged(text))

    def picked(self, job: JobRecord, provider: str, candidates: tuple[str, ...]) -> None:  # noqa: ARG002
        """Passes the choice on."""
        self.say(Picked(provider, candidates))

    def completing(self, job: JobRecord, result: bytes | None) -> list[Note]:  # noqa: ARG002
        """Lets the worker know first, should we die in between. It has the notes."""
        self.say(Completing(result))
        return []

    def _listen(self) -> None:
        try:
            for message in self._end.messages():
                self._heard.put(read_downward(message))
        except (OSError, msgspec.DecodeError):
            os._exit(1)  # the line is broken: nobody is left to work for
        if self.busy:
            os._exit(1)  # a worker closes the line of an idle child only: this one is gone
        self._heard.put(None)


def outlive_the_workers_signals() -> None:
    """Ctrl-C, and a service manager's SIGTERM to the whole group, are for the worker, which lets us finish.

    Handlers that do nothing, rather than SIG_IGN: that would be inherited by what a task starts.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stay)


def _stay(number: int, frame: FrameType | None) -> None:
    """Nothing: see `outlive_the_workers_signals`."""


def die_with_the_worker(worker_pid: int) -> None:
    """Asks the kernel to kill us when the worker dies, even in the middle of native code. Only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != worker_pid:  # it died before we asked
            os._exit(1)


def size_bytes() -> int:
    """The memory that this process holds now; where only the most it ever held is known, that."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - 11 µs; a Path costs as much again
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
