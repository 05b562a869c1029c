"""This module is a lock: held by one at a time over all processes that share the store, kept while its block runs, and
free again by itself when its holder has died."""

import asyncio
import logging
import os
import socket
from types import TracebackType
from typing import Self

from longshore.core.clock import Timer
from longshore.core.conflict_errors import LockLost
from longshore.core.errors import InvalidOption, StoreUnavailable, UsageError
from longshore.core.ids import format_id, new_id
from longshore.core.names import check_name
from longshore.core.retry import Seconds, seconds
from longshore.core.service import Alarm
from longshore.flow import locking
from longshore.flow.locking import Grip, Held
from longshore.manager.local_locks import Pauses
from longshore.manager.option_parsing import duration
from longshore.manager.runtime import Runtime
from longshore.store.contract import Store

log = logging.getLogger("longshore.locks")

LOCK_SECONDS = 30.0
LEAST_SECONDS = 0.1
RENEWALS = 3
"""Within one time to live, so that one or two that fail cost nothing."""


class Lock:
    """A lock: `async with manager.lock("invoice 7") as lock:`. Not reentrant; each one is used once.

    It is renewed while its block runs. When that fails for `ttl` seconds, or it is found in other hands, the block is
    cancelled, and LockLost is raised instead. `fence` is above that of every earlier holder of the key: give it to
    resources that can refuse what comes from an older one.
    """

    _end: Timer | None

    def __init__(
        self,
        runtime: Runtime,
        key: str,
        /,
        *,
        ttl: Seconds = LOCK_SECONDS,
        timeout: Seconds | None = None,
        session: str | None = None,
    ) -> None:
        self._runtime = runtime
        self.key: str = check_name("lock", key)
        self._ttl_ms = _ttl_ms(ttl)
        self._timeout = duration(timeout)
        self._session = session
        self._grip: Grip | None = None
        self._line: asyncio.Lock | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._alarm = Alarm(runtime.clock)
        """Rung when nothing is to be renewed any more."""
        self._end = None
        self._block: asyncio.Task[object] | None = None
        self._cancels = 0
        self._lost: LockLost | None = None
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Lock {self.key} {'held' if self.is_held else 'not held'}>"

    @property
    def is_held(self) -> bool:
        """Whether it is known to be held now."""
        return self._grip is not None and self._lost is None and not self._is_over

    @property
    def fence(self) -> int:
        """Above that of every earlier holder of the key. Raises UsageError before the lock was taken."""
        if self._grip is None:
            raise UsageError(f"Lock '{self.key}' has no fence before it is held: `async with … as lock:`.")
        return self._grip.slip.fence

    async def __aenter__(self) -> Self:
        """Waits for its turn. Raises TimeoutError after `timeout` seconds, StoreUnavailable, and LockLost where the
        attempt that wants it has lost its worker's session."""
        await self.take()
        self._block = asyncio.current_task()
        self._cancels = 0 if self._block is None else self._block.cancelling()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        block, self._block = self._block, None
        await self.give_back()
        if self._lost is None or block is None:
            return
        if kind is None:
            raise self._lost
        if issubclass(kind, asyncio.CancelledError) and block.uncancel() <= self._cancels:
            raise self._lost from error

    async def take(self) -> None:
        """Waits for its turn, like `async with`, and holds the lock until `give_back`: nobody is cancelled when it is
        lost."""
        if self._line is not None:
            raise UsageError(f"This lock '{self.key}' was used before; ask the manager for another one.")
        services = await self._runtime.engines.services()
        clock = self._runtime.clock
        until = None if self._timeout is None else clock.monotonic() + self._timeout
        line = self._line = services.locks.lock(f"lock {self.key}")
        try:
            async with asyncio.timeout(self._timeout):
                await line.acquire()
        except TimeoutError:
            raise self._late(_HERE) from None
        try:
            await self._take(services.engine.store, until)
        except BaseException:
            line.release()
            raise

    async def give_back(self) -> None:
        """Frees the lock. Whoever waits for it need not wait for the end of its time."""
        if self._grip is not None and self._line is not None and self._line.locked():
            await asyncio.shield(asyncio.ensure_future(self._give_back(self._line)))

    def check(self) -> None:
        """Raises LockLost when the lock was lost: for blocks that nobody can cancel."""
        if self._lost is not None:
            raise self._lost

    # ------------------------------------------------------------------------------------------------- taking

    async def _take(self, store: Store, until: float | None) -> None:
        clock, pauses = self._runtime.clock, Pauses(self._runtime.random)
        while True:
            began = clock.monotonic()
            taken: Grip | Held | None = await self._ask(store)
            if isinstance(taken, Grip):
                self._hold(store, taken, began)
                return
            while taken is not None:
                left = LOCK_SECONDS if until is None else until - clock.monotonic()
                if left <= 0:
                    raise self._late(taken.holder)
                await clock.sleep(min(left, pauses.next_seconds()))
                taken = await locking.look(store, self.key)

    async def _ask(self, store: Store) -> Grip | Held:
        asking = asyncio.ensure_future(
            locking.take(
                store,
                self.key,
                token=format_id(new_id()),
                holder=self._session or _HERE,
                ttl_ms=self._ttl_ms,
                session=self._session,
            )
        )
        try:
            taken = await asyncio.shield(asking)
        except asyncio.CancelledError:
            await self._take_nothing(store, asking)
            raise
        if taken is None:
            raise LockLost(self.key, "the session of its worker is over")
        return taken

    async def _take_nothing(self, store: Store, asking: "asyncio.Future[Grip | Held | None]") -> None:
        """Who was cancelled while the store was asked leaves no lock behind."""
        await asyncio.wait([asking])
        if (
            not asking.cancelled()
            and asking.exception() is None
            and isinstance(grip := asking.result(), Grip)
        ):
            await self._free(store, grip)

    def _late(self, holder: str) -> TimeoutError:
        return TimeoutError(f"Lock '{self.key}' was not free within {self._timeout:g} s: {holder} has it.")

    # ------------------------------------------------------------------------------------------------ holding

    def _hold(self, store: Store, grip: Grip, began: float) -> None:
        self._grip = grip
        self._last_until(began)
        self._renewing = asyncio.ensure_future(self._renew(store, grip))

    def _last_until(self, began: float) -> None:
        """It lasts so long after the store was asked, which was before the store has answered: never too long."""
        if self._end is not None:
            self._end.cancel()
        left = began + self._ttl_ms / 1000 - self._runtime.clock.monotonic()
        self._end = self._runtime.clock.call_later(left, self._expire)

    def _expire(self) -> None:
        self._lose("it could not be renewed in time")

    async def _renew(self, store: Store, grip: Grip) -> None:
        often = self._ttl_ms / 1000 / RENEWALS
        pause = often
        while not await self._alarm.wait(pause):
            began = self._runtime.clock.monotonic()
            try:
                kept = await locking.keep(store, grip)
            except StoreUnavailable as error:
                log.warning("Lock '%s' could not be renewed yet: %s", self.key, error)
                pause = often / RENEWALS
                continue
            if kept is None:
                self._lose("it was found in other hands")
                return
            pause, grip, self._grip = often, kept, kept
            if self._lost is None:
                self._last_until(began)

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = LockLost(self.key, reason)
            log.warning("%s", self._lost)
            if self._block is not None:
                self._block.cancel()

    # ----------------------------------------------------------------------------------------------- giving back

    async def _give_back(self, line: asyncio.Lock) -> None:
        try:
            self._alarm.ring()
            if self._renewing is not None:  # a renewal under way would change what is freed
                await asyncio.wait([self._renewing])
            if self._end is not None:
                self._end.cancel()
            if self._grip is not None and self._lost is None:
                services = await self._runtime.engines.services()
                if not await self._free(services.engine.store, self._grip):
                    self._lost = LockLost(self.key, "it was found in other hands when it was given back")
        finally:
            self._is_over = True
            line.release()

    async def _free(self, store: Store, grip: Grip) -> bool:
        try:
            return await locking.free(store, grip)
        except StoreUnavailable as error:
            log.warning("Lock '%s' will be free in %g s: %s", self.key, self._ttl_ms / 1000, error)
            return True


def _ttl_ms(ttl: Seconds) -> int:
    plain = seconds("ttl", ttl)
    if plain < LEAST_SECONDS:
        raise InvalidOption("ttl", ttl, f"at least {LEAST_SECONDS:g} seconds")
    return round(plain * 1000)


_HERE = f"{socket.gethostname()}:{os.getpid()}"
