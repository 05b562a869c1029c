"""This module wakes whoever listens to a memory store, in whatever thread their event loop runs."""

import asyncio
import threading
from collections.abc import Callable, Collection

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Wake, WakeKind


class Bell:
    """Tells listeners what happened. Rung under the store's lock; costs one look when nobody listens."""

    def __init__(self) -> None:
        self._listeners: dict[WakeKind, list[MemoryListener]] = {kind: [] for kind in WakeKind}
        self._heard: frozenset[WakeKind] = frozenset()

    def join(self, listener: "MemoryListener", kinds: Collection[WakeKind]) -> None:
        """Lets a listener hear these kinds."""
        for kind in set(kinds):
            self._listeners[kind] = [*self._listeners[kind], listener]
        self._count()

    def leave(self, listener: "MemoryListener") -> None:
        """The listener hears nothing any more."""
        for kind, listeners in self._listeners.items():
            self._listeners[kind] = [other for other in listeners if other is not listener]
        self._count()

    def ring(self, kind: WakeKind, queue: str) -> None:
        """Wakes those who listen to this kind and queue."""
        if kind not in self._heard:
            return
        for listener in self._listeners[kind]:
            if listener.queues is None or queue in listener.queues:
                listener.offer(Wake(kind, queue))

    def _count(self) -> None:
        self._heard = frozenset(kind for kind, listeners in self._listeners.items() if listeners)


class MemoryListener:
    """A stream of wake-ups for the event loop in which it was made. Equal wake-ups are told once."""

    def __init__(
        self, clock: Clock, queues: Collection[str] | None, leave: Callable[["MemoryListener"], None]
    ) -> None:
        self.queues = None if queues is None else frozenset(queues)
        self._clock = clock
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._lock = threading.Lock()
        self._box: dict[Wake, None] = {}
        self._over = False
        self._store_is_closed = False

    def offer(self, wake: Wake) -> None:
        """Puts a wake-up into the box; called under the store's lock, from any thread."""
        with self._lock:
            was_empty = not self._box
            self._box[wake] = None
        if was_empty:
            self._call(self._notice)

    async def wait(self, seconds: float) -> list[Wake]:
        """The wake-ups since the last call. Raises StoreUnavailable("closed") when the store was closed."""
        if not self._box and not self._over:
            await self._arrival(seconds)
        if self._store_is_closed:
            raise StoreUnavailable("closed", "nobody will ring any more")
        self._arrived.clear()
        with self._lock:
            box, self._box = self._box, {}
        return list(box)

    async def close(self) -> None:
        """Ends it."""
        self._leave(self)
        self._end()

    def end_with_store(self) -> None:
        """The store was closed, in whatever thread."""
        self._store_is_closed = True
        self._call(self._end)

    def _notice(self) -> None:
        if self._box:  # somebody may have emptied it before the loop came to this
            self._arrived.set()

    def _end(self) -> None:
        self._over = True
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
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed, so nobody can be waiting in it
            self._over = True
