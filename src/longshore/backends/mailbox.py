"""This module is where wake-ups wait for the event loop that listens: the part that is the same in every store."""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterable

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.service import Alarm
from longshore.store.replies import Wake


class Mailbox:
    """Wake-ups from any thread, for the event loop in which it was made. Equal ones are told once."""

    def __init__(self, clock: Clock, *, on_gone: Callable[[], None] = lambda: None) -> None:
        """`on_gone` is called, in whatever thread, when the event loop turns out to be closed."""
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._arrived = Alarm(clock)  # one turn of the loop; an Event beside a timer takes three
        self._lock = threading.Lock()
        self._box: dict[Wake, None] = {}
        self._hear: Callable[[Collection[Wake]], None] | None = None
        self._store_is_closed = False
        self.is_over = False

    def put(self, wakes: Iterable[Wake]) -> None:
        """Adds wake-ups; from any thread."""
        with self._lock:
            was_empty = not self._box
            self._box.update(dict.fromkeys(wakes))
        if was_empty:
            self._call(self._notice)

    def tell(self, hear: Callable[[Collection[Wake]], None]) -> None:
        """See `Listener.tell`; only in its event loop."""
        self._hear = hear
        self._notice()

    async def wait(self, seconds: float) -> list[Wake]:
        """Those since the last call. Raises StoreUnavailable("closed") when the store was closed."""
        while not self._box and not self.is_over and await self._arrived.wait(seconds):
            continue  # rung for what was taken out before
        if self._store_is_closed:
            raise StoreUnavailable("closed", "nobody will ring any more")
        return list(self._emptied())

    def end(self) -> None:
        """Lets who waits go; only in its event loop."""
        self.is_over = True
        self._arrived.ring()

    def end_with_store(self, end: Callable[[], None]) -> None:
        """The store was closed, in whatever thread; `end` is called in the event loop."""
        self._store_is_closed = True
        self._call(end)

    def _notice(self) -> None:
        if not self._box:  # somebody may have emptied it before the loop came to this
            return
        if self._hear is None:
            self._arrived.ring()
        else:
            self._hear(self._emptied())

    def _emptied(self) -> Collection[Wake]:
        with self._lock:
            box, self._box = self._box, {}
        return box.keys()

    def _call(self, callback: Callable[[], None]) -> None:
        if _running_loop() is self._loop:
            callback()
            return
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed, so nobody can be waiting in it
            self.is_over = True
            self._on_gone()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
