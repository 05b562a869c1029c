"""This module is one listener: a box for the wake-ups that it wants, filled by its event loop's listening session."""

from collections.abc import Awaitable, Callable, Collection

from longshore.backends.mailbox import Mailbox
from longshore.core.clock import Clock
from longshore.store.replies import Wake, WakeKind


class PostgresListener:
    """A stream of wake-ups for the event loop in which it was made."""

    def __init__(
        self,
        kinds: Collection[WakeKind],
        queues: Collection[str] | None,
        clock: Clock,
        leave: Callable[["PostgresListener"], Awaitable[None]],
    ) -> None:
        self.kinds = frozenset(kinds)
        self._queues = None if queues is None else frozenset(queues)
        self._leave = leave
        self._mailbox = Mailbox(clock)

    def offer(self, kind: WakeKind, queues: Collection[str]) -> None:
        """Takes note of what is wanted; no queues: any of them may be meant."""
        if kind not in self.kinds:
            return
        wanted = queues if self._queues is None else self._queues.intersection(queues or self._queues)
        if wanted or not queues:
            self._mailbox.put([Wake(kind, queue) for queue in sorted(wanted)] or [Wake(kind, "")])

    def wake(self) -> None:
        """Anything may have happened."""
        for kind in self.kinds:
            self.offer(kind, ())

    def tell(self, hear: Callable[[Collection[Wake]], None]) -> None:
        """See `Listener.tell`."""
        self._mailbox.tell(hear)

    async def wait(self, seconds: float) -> list[Wake]:
        """The wake-ups since the last call. A queue without a name stands for any.

        Raises StoreUnavailable("closed") when the store was closed.
        """
        return await self._mailbox.wait(seconds)

    async def close(self) -> None:
        """Ends it."""
        if not self._mailbox.is_over:
            self._mailbox.end()
            await self._leave(self)

    def end_with_store(self) -> None:
        """The store was closed, in whatever thread."""
        self._mailbox.end_with_store(self._mailbox.end)
