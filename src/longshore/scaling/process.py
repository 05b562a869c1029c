"""This module is one worker process as its supervisor sees it.

The two hold a socket each. The process says over it when it is ready to work; and by its end each notices the death of
the other, however it came (`parent.py` is the process's side).
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self, TextIO

from longshore.core.clock import Clock
from longshore.scaling.parent import VARIABLE

CHUNK_BYTES = 65_536
LAST_WORDS_SECONDS = 1.0
"""How long output is awaited after its process has ended: something it started may hold the pipe open."""


class WorkerProcess:
    """A process that runs. Made by `start`."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        line: socket.socket,
        *,
        clock: Clock,
        outputs: Sequence[TextIO],
    ) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._clock = clock
        self._line = line
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.setblocking(False)  # noqa: FBT003 - the socket's own spelling
        asyncio.get_running_loop().add_reader(line, self._hear)
        streams = (process.stdout, process.stderr)
        self._readers = [
            asyncio.ensure_future(_name_lines(name, stream, output))
            for stream, output in zip(streams, outputs, strict=False)
            if stream is not None
        ]
        self._life = asyncio.ensure_future(self._live())

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        clock: Clock,
        names_output: bool,
    ) -> Self:
        """A fresh interpreter, never a fork, in a process group of its own: Ctrl-C in a terminal goes to the
        supervisor, which passes it on once. Raises OSError when the command cannot be run."""
        pipe = asyncio.subprocess.PIPE if names_output else None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=pipe,
                    stderr=pipe,
                    env={**os.environ, VARIABLE: str(theirs.fileno())},
                    pass_fds=(theirs.fileno(),),
                    process_group=0,
                )
            except OSError:
                ours.close()
                raise
        return cls(name, process, ours, clock=clock, outputs=(sys.stdout, sys.stderr))

    @property
    def is_ready(self) -> bool:
        """Whether it has said that it is ready to work."""
        return self._ready.done()

    async def ended(self) -> int:
        """Its exit code, once it has ended and its output is out; negative: the signal that killed it."""
        return await asyncio.shield(self._life)

    def drain(self) -> None:
        """Asks it to finish."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it now."""
        self._send(signal.SIGKILL)

    def on_end(self, told: Callable[[Self], object]) -> None:
        """Has somebody told when it has ended."""
        self._life.add_done_callback(lambda _: told(self))

    async def stands(self, seconds: float) -> bool:
        """Waits until it is ready, has ended, or so long; whether it has not ended."""
        await self._wait(seconds, self._ready)
        return not self._life.done()

    async def end(self, patience_seconds: float) -> int:
        """Asks it to finish, and kills it when it has not after so long. Its exit code; 0 also for one that had no
        handler for SIGTERM yet: it had nothing to finish either."""
        self.drain()
        await self._wait(patience_seconds)
        if not self._life.done():
            self.kill()
        code = await self.ended()
        return 0 if code == -signal.SIGTERM else code

    async def _wait(self, seconds: float, *others: asyncio.Future[None]) -> None:
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        awaited: set[asyncio.Future[Any]] = {self._life, timer, *others}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()

    def _hear(self) -> None:
        try:
            said = self._line.recv(CHUNK_BYTES)
        except OSError:  # reset: it died with something of ours unread
            said = b""
        if said and not self._ready.done():
            self._ready.set_result(None)
        if not said:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._line.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._line)
            self._line.close()

    async def _live(self) -> int:
        code = await self._process.wait()
        if self._readers:
            await asyncio.wait(self._readers, timeout=LAST_WORDS_SECONDS)
            for reader in self._readers:
                reader.cancel()
        self._hang_up()
        return code

    def _send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def manner(code: int) -> str:
    """How a process ended, for people."""
    return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"


async def _name_lines(name: str, stream: asyncio.StreamReader, output: TextIO) -> None:
    """Writes each line with the name of its process before it."""
    rest = b""
    try:
        while piece := await stream.read(CHUNK_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            output.write("".join(f"{name} | {line.decode(errors='replace')}\n" for line in lines))
            output.flush()
    finally:
        if rest:
            output.write(f"{name} | {rest.decode(errors='replace')}\n")
            output.flush()
