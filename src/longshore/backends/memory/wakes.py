"""This module wakes whoever listens to a memory store, in whatever thread their event loop runs."""

from collections.abc import Callable, Collection

from longshore.backends.mailbox import Mailbox
from longshore.core.clock import Clock
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
    """A stream of wake-ups for the event loop in which it was made."""

    def __init__(
        self, clock: Clock, queues: Collection[str] | None, leave: Callable[["MemoryListener"], None]
    ) -> None:
        self.queues = None if queues is None else frozenset(queues)
        self._leave = leave
        self._mailbox = Mailbox(clock)

    def offer(self, wake: Wake) -> None:
        """Puts a wake-up into the box; called under the store's lock, from any thread."""
        self._mailbox.put((wake,))

    def tell(self, hear: Callable[[Collection[Wake]], None]) -> None:
        """See `Listener.tell`."""
        self._mailbox.tell(hear)

    async def wait(self, seconds: float) -> list[Wake]:
        """The wake-ups since the last call. Raises StoreUnavailable("closed") when the store was closed."""
        return await self._mailbox.wait(seconds)

    async def close(self) -> None:
        """Ends it."""
        self._leave(self)
        self._mailbox.end()

    def end_with_store(self) -> None:
        """The store was closed, in whatever thread."""
        self._mailbox.end_with_store(self._mailbox.end)
