"""This module is a child process as its worker sees it.

It is started as a fresh interpreter, never forked: a fork copies locks that other threads hold. `multiprocessing`
would do that too, but joins its children when the worker exits, starts a third process to track resources, and forbids
daemonic children to have children of their own; only its preparation of `__main__` is used.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from multiprocessing import spawn
from typing import Any, Protocol

import msgspec

from longshore.worker.runner import Errand
from longshore.worker.runners.channel import LoopEnd
from longshore.worker.runners.messages import (
    Begin,
    Begun,
    Completing,
    Ended,
    Logged,
    Picked,
    Progressed,
    Ready,
    Run,
    Upward,
    read_upward,
    write,
)
from longshore.worker.runners.outcomes import told

log = logging.getLogger("longshore.worker")

PROGRAM = "import sys; from longshore.worker.runners.inside import main; main(int(sys.argv[1]))"
START_SECONDS = 60.0
"""What a child has to start and to import the application; a script that does something else instead is killed."""
LEAVING_SECONDS = 5.0
"""What a child that may go has to run its `atexit` functions."""


class Owner(Protocol):
    """Who is told what a child comes to."""

    def ended(self, child: "Child", errand: Errand, size_bytes: int) -> None:
        """The errand is done; the child holds so much memory now."""

    def gone(self, child: "Child") -> None:
        """The process has ended. `child.errand` is what it left undone."""


class Child:
    """One child process, running at most one errand at a time."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._process: asyncio.subprocess.Process | None = None
        self.was_killed = False
        """By us."""
        self._trouble = "it never ran"
        self.errand: Errand | None = None
        self.is_ready = False
        """It has started and said so."""
        self.has_begun = False
        """It has its errand."""
        self.errands_done = 0
        ours, self._theirs = socket.socketpair()
        self._line = LoopEnd(ours, on_message=self._hear, on_close=self._hang_up)
        self._line.send(write(Begin(parent_pid=os.getpid(), surroundings=surroundings())))
        self.life = asyncio.get_running_loop().create_task(self._live())
        """Ends when the process has, and its owner knows."""

    def run(self, errand: Errand) -> None:
        """Gives the child its next errand; before it is ready it finds it waiting."""
        self.errand, self.has_begun = errand, False
        run = Run(
            target=errand.handler.target or "",
            record=errand.control.record,
            context=msgspec.json.encode(dict(errand.context)),
            correlation_id=errand.correlation_id,
            result_limit_bytes=errand.handler.policy.result_limit_bytes,
        )
        self._line.send(write(run))

    def leave(self) -> None:
        """Lets an idle child end by itself, soon."""
        self._line.close()
        asyncio.get_running_loop().call_later(LEAVING_SECONDS, self.kill)

    def kill(self) -> None:
        """Ends the process and what its task started, at once."""
        self.was_killed = True
        self._kill_group()

    @property
    def end(self) -> str:
        """How the process ended, for people."""
        code = None if self._process is None else self._process.returncode
        if code is None:
            return self._trouble
        if code >= 0:
            return f"exit code {code}"
        hint = (
            "; the kernel's out-of-memory killer, perhaps"
            if -code == signal.SIGKILL and not self.was_killed
            else ""
        )
        return f"signal {-code} ({signal.strsignal(-code)}){hint}"

    async def _live(self) -> None:
        try:
            await self._run_process()
        except OSError as error:  # no memory, no file descriptors
            self._trouble = str(error)
        except asyncio.CancelledError:
            self._line.close()
            self.kill()
            raise
        self._line.pull()  # its last words may still be there
        self._line.close()
        if self.errand is not None:
            self._end_group()
        self._owner.gone(self)

    async def _run_process(self) -> None:
        with self._theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                PROGRAM,
                str(self._theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(self._theirs.fileno(),),
                # Apart from the terminal, and killed with all that a task started; uvloop knows no process_group.
                start_new_session=True,
            )
        if self.was_killed:
            self.kill()
        late = asyncio.get_running_loop().call_later(START_SECONDS, self._kill_unless_ready)
        await self._process.wait()
        late.cancel()

    def _kill_unless_ready(self) -> None:
        if not self.is_ready:
            log.error("A child process was not ready after %g s; it is killed.", START_SECONDS)
            self._kill_group()

    def _kill_group(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._end_group()

    def _end_group(self) -> None:
        """Ends what it started, also after itself. The number is not given away while the group has a member, and
        not soon after."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _hear(self, data: bytes) -> None:
        try:
            message = read_upward(data)
        except msgspec.DecodeError:
            log.exception("A child process sent something that is no message; it is killed.")
            self.kill()
        else:
            self._obey(message)

    def _obey(self, message: Upward) -> None:
        errand = self.errand
        match message:
            case Ready():
                self.is_ready = True
            case Begun():
                self.has_begun = True
            case Progressed(value=value, note=note) if errand is not None:
                errand.control.progress_sync(value, note)
            case Logged(text=text) if errand is not None:
                errand.control.log_sync(text)
            case Picked(provider=provider, candidates=candidates) if errand is not None:
                errand.control.picked(provider, candidates)
            case Completing(result=result) if errand is not None:
                errand.control.completing(result)
            case Ended(outcome=outcome, size_bytes=size_bytes):
                self.errand = None
                self.errands_done += 1
                if errand is not None:
                    self._owner.ended(self, errand, size_bytes)
                    errand.done(*told(outcome, errand.handler.name))

    def _hang_up(self) -> None:
        """The child has closed its end, so it is ending; whatever it started ends too."""
        if not self.was_killed:
            self._kill_group()


def surroundings() -> dict[str, Any]:
    """Where a child finds what the worker finds: search path, working folder, and the script that is `__main__`."""
    wanted = ("sys_path", "sys_argv", "dir", "orig_dir", "init_main_from_name", "init_main_from_path")
    prepared = spawn.get_preparation_data("longshore-child")
    return {name: prepared[name] for name in wanted if name in prepared}
