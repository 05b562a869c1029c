"""This module has what child processes are asked to run in the tests. Nothing here waits by a clock."""

import asyncio
import contextvars
import ctypes
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from longshore.core.context import current_context
from longshore.core.signature import Signature
from longshore.core.task_signals import Cancel, Discard, RetryAt, Snooze
from longshore.worker.control import Control

remembered: contextvars.ContextVar[str] = contextvars.ContextVar("remembered", default="nothing")
served: list[int] = []


def pid() -> int:
    return os.getpid()


def add(a: int, b: int = 10) -> int:
    return a + b


async def add_async(a: int, b: int = 10) -> int:
    await asyncio.sleep(0)
    return a + b


def nothing() -> None:
    pass


def raise_it() -> None:
    raise ConnectionResetError("the peer said no")


def raise_hostile() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise SystemExit(1)

    raise Hostile


def exit_politely() -> None:
    sys.exit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


def snooze() -> None:
    raise Snooze(7)


def retry_at() -> None:
    raise RetryAt(datetime(2030, 1, 1, tzinfo=UTC), "maintenance")


def cancel() -> None:
    raise Cancel("no longer wanted")


def discard() -> None:
    raise Discard("never")


def return_what_json_cannot_say() -> object:
    return object()


def return_much() -> str:
    return "x" * 500_000


def leave_at_once() -> None:
    os._exit(7)


def read_address_zero() -> None:
    ctypes.string_at(0)


def kill_yourself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def block(path: str) -> None:
    """Says its pid, and stays until it is killed."""
    with Path(path).open("w") as pipe:
        pipe.write(f"{os.getpid()}\n")
    threading.Event().wait()


def block_with_offspring(path: str) -> None:
    """The same, with a process of its own that would stay as well; both hold the pipe open."""
    with Path(path).open("w") as pipe:
        subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"], stdout=pipe)
        pipe.write(f"{os.getpid()}\n")
        pipe.flush()
        threading.Event().wait()


def leave_with_forked_offspring(path: str) -> None:
    """Dies while a fork of it would stay, with every open descriptor, the pipe among them."""
    with Path(path).open("w"):
        if os.fork() == 0:
            threading.Event().wait()
        os._exit(7)


def fork_and_return() -> str:
    """Comes back twice, once in each process."""
    fork = os.fork()
    if fork:
        os.waitpid(fork, 0)
    return "parent" if fork else "fork"


def survive_the_workers_signals() -> str:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    return "still here"


def what_a_program_inherits() -> str:
    """Whether a program that the task starts would ignore Ctrl-C."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def context() -> dict[str, object]:
    return dict(current_context())


def remember(text: str) -> str:
    before = remembered.get()
    remembered.set(text)
    return before


def hold_memory(size_bytes: int) -> int:
    served.append(os.getpid())
    globals()["held"] = b"x" * size_bytes
    return os.getpid()


def tell(ctx: Control) -> str:
    ctx.progress_sync(0.5, "half way")
    ctx.log_sync("a line")
    return ctx.record.name


class Decorated:
    """What a decorator leaves in place of the function."""

    def __init__(self, function, *, retriable=True) -> None:
        self.function = function
        self.signature = Signature(function.__name__, function, context_types=(Control,))
        self.retriable = retriable

    def context_for(self, control: Control) -> Control:
        return control

    def is_retriable(self, error: BaseException) -> bool:
        return self.retriable


told = Decorated(tell)
hopeless = Decorated(raise_it, retriable=False)


class Undecided(Decorated):
    """Its `retry_if` is broken."""

    def is_retriable(self, error: BaseException) -> bool:
        raise RuntimeError("the policy is broken")


undecided = Undecided(raise_it)
