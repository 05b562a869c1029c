"""This module is one listener: a socket that its event loop watches, and a box for what arrives."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Wake, WakeKind

LONGEST_MESSAGE = 65_536
KINDS = {"p": WakeKind.PENDING, "f": WakeKind.FINISHED, "c": WakeKind.CANCEL}


class SqliteListener:
    """A stream of wake-ups for the event loop in which it was made. Equal wake-ups are told once."""

    def __init__(
        self,
        ear: socket.socket,
        kinds: Collection[WakeKind],
        queues: Collection[str] | None,
        clock: Clock,
        leave: Callable[["SqliteListener"], None],
        *,
        address: Path,
    ) -> None:
        self.address = address
        self._kinds = frozenset(kinds)
        self._queues = None if queues is None else frozenset(queues)
        self._clock, self._leave = clock, leave
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._lock = threading.Lock()
        self._box: dict[Wake, None] = {}
        self._is_over = False
        self._store_is_closed = False
        self._socket = ear
        self._loop.add_reader(self._socket.fileno(), self._receive)

    def offer(self, wakes: Iterable[Wake]) -> None:
        """Puts wake-ups into the box, if they are wanted; called from any thread."""
        wanted = [wake for wake in wakes if self._wants(wake)]
        if not wanted:
            return
        with self._lock:
            was_empty = not self._box
            self._box.update(dict.fromkeys(wanted))
        if was_empty:
            self._call(self._notice)

    async def wait(self, seconds: float) -> list[Wake]:
        """The wake-ups since the last call. Raises StoreUnavailable("closed") when the store was closed."""
        if not self._box and not self._is_over:
            await self._arrival(seconds)
        if self._store_is_closed:
            raise StoreUnavailable("closed", "nobody will ring any more")
        self._arrived.clear()
        with self._lock:
            box, self._box = self._box, {}
        return list(box)

    async def close(self) -> None:
        """Ends it."""
        self._end()

    def end_with_store(self) -> None:
        """The store was closed, in whatever thread."""
        self._store_is_closed = True
        self._call(self._end)

    def _abandon(self) -> None:
        """Its event loop is gone, so nobody can be waiting in it."""
        self._is_over = True
        self._leave(self)
        self._socket.close()
        with contextlib.suppress(OSError):
            self.address.unlink()

    def _wants(self, wake: Wake) -> bool:
        return wake.kind in self._kinds and (self._queues is None or wake.queue in self._queues)

    def _receive(self) -> None:
        """Reads what other processes have sent; runs in the event loop."""
        while True:
            try:
                message = self._socket.recv(LONGEST_MESSAGE)
            except OSError:
                return  # nothing more
            words = message.decode(errors="replace").split("\n")
            self.offer([Wake(KINDS[word[0]], word[1:]) for word in words if word and word[0] in KINDS])

    def _notice(self) -> None:
        if self._box:  # somebody may have emptied it before the loop came to this
            self._arrived.set()

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._leave(self)
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with contextlib.suppress(OSError):
            self.address.unlink()
        self._arrived.set()

    async def _arrival(self, seconds: float) -> None:
        arrived = asyncio.ensure_future(self._arrived.wait())
        asleep = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({arrived, asleep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
            asleep.cancel()

    def _call(self, callback: Callable[[], None]) -> None:
        if _running_loop() is self._loop:
            callback()
            return
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            self._abandon()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
