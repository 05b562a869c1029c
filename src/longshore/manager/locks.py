"""This module gives out locks, to code with an event loop and to code without one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from longshore.core.retry import Seconds
from longshore.manager.lock import LOCK_SECONDS, Lock
from longshore.manager.part import Part
from longshore.manager.portal import Portal


class Locking(Part):
    """Taking locks."""

    def lock(self, key: str, *, ttl: Seconds = LOCK_SECONDS, timeout: Seconds | None = None) -> Lock:
        """A lock that one holds at a time, over all processes that share the store:
        `async with manager.lock("invoice:7", ttl=30) as lock:`.

        It waits for its turn, up to `timeout` seconds (0: one try), and raises TimeoutError then. While the block runs
        the lock is renewed; where its holder dies it is free after `ttl` seconds. Those who wait in one event loop get
        it in the order in which they came; between processes there is no order. Raises InvalidName, InvalidOption.
        """
        return Lock(self.runtime, key, ttl=ttl, timeout=timeout)

    def lock_sync(
        self, key: str, *, ttl: Seconds = LOCK_SECONDS, timeout: Seconds | None = None
    ) -> AbstractContextManager[Lock]:
        """`lock` for code without an event loop: `with manager.lock_sync("invoice:7") as lock:`. Nothing can cancel the
        block when the lock is lost: ask `lock.is_held`, or `lock.check()`."""
        return held_in_thread(self.portal, self.lock(key, ttl=ttl, timeout=timeout))


@contextmanager
def held_in_thread(portal: Portal, lock: Lock) -> Iterator[Lock]:
    """The lock, held while a block runs that has no event loop. Raises LockLost at the block's end where it was lost,
    unless the block raises."""
    portal.call(lock.take())
    try:
        yield lock
    finally:
        portal.call(lock.give_back())
    lock.check()
