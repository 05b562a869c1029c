"""This module starts the demo's workers the way a user does, `longshore worker`, and ends them."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from longshore.cli.failures import Failure
from longshore.scaling.parent import VARIABLE

APPLICATION = "longshore.cli.demo.tasks:manager"
LEASE_SECONDS = 2.0
GRACE_SECONDS = 5.0


class Fleet:
    """One `longshore worker` command and the processes below it."""

    def __init__(self, url: str, folder: Path, processes: int) -> None:
        self._folder = folder
        self.log = folder / "workers.log"
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")},
            "LONGSHORE_URL": url,
            "LONGSHORE_LEASE": f"{LEASE_SECONDS:g}",
            "LONGSHORE_GRACE": f"{GRACE_SECONDS:g}",
        }
        self._command = [sys.executable, "-m", "longshore", "worker", APPLICATION]
        self._command += ["--processes", str(processes), "--concurrency", "2"]
        self._process: asyncio.subprocess.Process | None = None
        self._line: socket.socket | None = None
        """The workers hold the other end, and go when this one closes: also when the demo itself is killed."""

    @property
    def command(self) -> str:
        """What was started, as one would type it."""
        return " ".join(["longshore", *self._command[3:]])

    async def start(self) -> None:
        """Starts it, in the demo's own folder, so that no settings file is found by chance."""
        self._line, theirs = socket.socketpair()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                env={**self._environ, VARIABLE: str(theirs.fileno())},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        theirs.close()

    def check(self) -> None:
        """Raises Failure, with the end of its log, if the command has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            tail = " | ".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])
            raise Failure(f"The workers ended with exit code {self._process.returncode}: {tail or 'no log'}")

    async def stop(self) -> None:
        """Asks them to finish and go; those that have not gone when the grace is over are killed."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), GRACE_SECONDS + 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        finally:
            assert self._line is not None
            self._line.close()
