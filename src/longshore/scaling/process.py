"""This module is one worker process as its supervisor sees it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Self, TextIO

from longshore.core.clock import Clock

CHUNK_BYTES = 65_536
LAST_WORDS_SECONDS = 1.0
"""How long output is awaited after its process has ended: something it started may hold the pipe open."""


class WorkerProcess:
    """A process that runs. Made by `start`."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, *, clock: Clock, outputs: Sequence[TextIO]
    ) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._clock = clock
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
        environment: Mapping[str, str],
        descriptors: Sequence[int],
        names_output: bool,
    ) -> Self:
        """A fresh interpreter, never a fork, in a process group of its own: Ctrl-C in a terminal goes to the
        supervisor, which passes it on once. Raises OSError when the command cannot be run."""
        pipe = asyncio.subprocess.PIPE if names_output else None
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, **environment},
            pass_fds=tuple(descriptors),
            process_group=0,
        )
        return cls(name, process, clock=clock, outputs=(sys.stdout, sys.stderr))

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
        """Whether it still runs after so long."""
        await self._wait(seconds)
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

    async def _wait(self, seconds: float) -> None:
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait({self._life, timer}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()

    async def _live(self) -> int:
        code = await self._process.wait()
        if self._readers:
            await asyncio.wait(self._readers, timeout=LAST_WORDS_SECONDS)
            for reader in self._readers:
                reader.cancel()
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
