"""This module has worker processes for the tests of the supervisor: each says over a named pipe what happens to it."""

import asyncio
import os
import sys
from pathlib import Path

CODE = """
import os, signal, sys, threading
from longshore.scaling.parent import Parent

manner, pipe, number = sys.argv[1:4]

def say(word):
    with open(pipe, "w") as out:
        out.write(f"{word} {number} {os.getpid()}\\n")

def drain(*_):
    say("drained")
    sys.exit(0)

parent = Parent.from_environment()
if manner == "crash":
    say("started")
    print("no such module", file=sys.stderr)
    os._exit(3)
if manner == "poisoned":
    parent.ready()
    say("started")
    os._exit(3)
if manner == "finish":
    say("started")
    sys.exit(0)
if manner == "stubborn":
    signal.signal(signal.SIGTERM, lambda *_: say("refused"))
else:
    signal.signal(signal.SIGTERM, drain)
if manner == "orphan":
    parent.watch(lambda: say("orphaned"), patience_seconds=0.1)
else:
    parent.watch(lambda: os._exit(0))
print("hello", flush=True)
say("started")
parent.ready()
while True:
    threading.Event().wait()
"""


def command(manner: str, pipe: Path, number: int) -> list[str]:
    """A process that starts, and then: drains on SIGTERM ("drain"), refuses to ("stubborn"), crashes before it is ready
    ("crash") or after ("poisoned"), has finished ("finish"), or does not end when its supervisor is gone ("orphan")."""
    return [sys.executable, "-c", CODE, manner, str(pipe), str(number)]


class Words:
    """What processes say, in the order in which they said it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._reader = asyncio.StreamReader()
        self._transport: asyncio.ReadTransport | None = None

    async def next(self) -> tuple[str, int, int]:
        """(word, number, pid)"""
        if self._transport is None:
            protocol = asyncio.StreamReaderProtocol(self._reader)
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: protocol, os.fdopen(self._descriptor, "rb", buffering=0)
            )
        word, number, pid = (await asyncio.wait_for(self._reader.readline(), 20)).decode().split()
        return word, int(number), int(pid)

    async def started(self, count: int = 1) -> dict[int, int]:
        """The pids of the next so many processes that say that they have started, by number."""
        found = {}
        for _ in range(count):
            word, number, pid = await self.next()
            assert word == "started"
            found[number] = pid
        return found

    def close(self) -> None:
        if self._transport is None:
            os.close(self._descriptor)
        else:
            self._transport.close()
