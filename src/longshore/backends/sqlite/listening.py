"""This module is one listener: a socket that its event loop watches, and a box for what arrives."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from longshore.backends.mailbox import Mailbox
from longshore.core.clock import Clock
from longshore.store.replies import Wake, WakeKind

LONGEST_MESSAGE = 65_536
KINDS = {"p": WakeKind.PENDING, "f": WakeKind.FINISHED, "c": WakeKind.CANCEL, "s": WakeKind.SCHEDULED}


class SqliteListener:
    """A stream of wake-ups for the event loop in which it was made."""

    def __init__(
        self,
        wake_socket: socket.socket,
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
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox(clock, on_gone=self._abandon)
        self._socket = wake_socket
        self._loop.add_reader(self._socket.fileno(), self._receive)

    def offer(self, wakes: Iterable[Wake]) -> None:
        """Puts wake-ups into the box, if they are wanted; called from any thread."""
        wanted = [wake for wake in wakes if self._wants(wake)]
        if wanted:
            self._mailbox.put(wanted)

    def tell(self, hear: Callable[[Collection[Wake]], None]) -> None:
        """See `Listener.tell`."""
        self._mailbox.tell(hear)

    async def wait(self, seconds: float) -> list[Wake]:
        """The wake-ups since the last call. Raises StoreUnavailable("closed") when the store was closed."""
        return await self._mailbox.wait(seconds)

    async def close(self) -> None:
        """Ends it."""
        self._end()

    def end_with_store(self) -> None:
        """The store was closed, in whatever thread."""
        self._mailbox.end_with_store(self._end)

    def _abandon(self) -> None:
        """Its event loop is gone, so nobody can be waiting in it."""
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

    def _end(self) -> None:
        if self._mailbox.is_over:
            return
        self._leave(self)
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with contextlib.suppress(OSError):
            self.address.unlink()
        self._mailbox.end()
