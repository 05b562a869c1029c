"""This module keeps the worker's session alive, from a thread with an event loop and a store of its own.

A task that blocks the worker's event loop for a minute, or fills it with work, must not cost the worker its jobs: the
heartbeat shares neither the loop nor the store's connection with them. It also brings the wish to cancel: the store
answers each beat with the jobs that somebody wants stopped, and a CANCEL wake-up makes it beat at once.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from random import Random

from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import JobId
from longshore.core.service import Alarm, Patience
from longshore.store.commands import Lease
from longshore.store.contract import Listener, Store
from longshore.store.replies import WakeKind
from longshore.worker.tenure import Tenure

log = logging.getLogger("longshore.worker")


class Heartbeat:
    """Beats every third of the lease. `lost` and `cancel` are called on the worker's event loop."""

    def __init__(
        self,
        store: Store,
        tenure: Tenure,
        lease_seconds: float,
        queues: Sequence[str],
        *,
        lost: Callable[[str], None],
        cancel: Callable[[Sequence[JobId]], None],
        renewed: Callable[[], None],
        clock: Clock,
        random: Random,
    ) -> None:
        self._original = store
        self._tenure = tenure
        self._lease_seconds = lease_seconds
        self._queues = tuple(queues)
        self._lost = lost
        self._cancel = cancel
        self._renewed = renewed
        self._clock = clock
        self._patience = Patience(random, first_seconds=lease_seconds / 60, last_seconds=lease_seconds / 6)
        self._random = random
        self._home = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._home.create_future()
        self._thread = threading.Thread(target=self._live, name="longshore-heartbeat", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._alarm = Alarm(clock)
        self._is_stopping = False

    async def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Ends the thread; the session lives on until its lease is over, or ended."""
        self._is_stopping = True
        if self._thread.ident is None:  # it was never started
            return
        if self._loop is not None:
            self._call(self._loop, self._end)
        await self._ended

    def beat_now(self) -> None:
        """Does not wait for the next beat's time. Callable from any thread."""
        if self._loop is not None:
            self._call(self._loop, self._alarm.ring)

    # ----------------------------------------------------------------------------------------------- in the thread

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            log.debug("The heartbeat was told to end.")
        except Exception:
            log.exception("The heartbeat died; the worker's session will be over when its lease is.")
        finally:
            self._call(self._home, lambda: None if self._ended.done() else self._ended.set_result(None))

    async def _run(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        if self._is_stopping:
            return
        store = await self._connect()
        listening = asyncio.create_task(self._listen(store))
        try:
            while True:
                pause = await self._beat(store)
                await self._alarm.wait(pause)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await store.close()

    def _end(self) -> None:
        if self._main is not None:
            self._main.cancel()

    async def _connect(self) -> Store:
        while True:
            try:
                return await self._original.twin()
            except StoreUnavailable as error:
                log.warning("The heartbeat waits for the store: %s", error)
                await self._clock.sleep(self._patience.next_seconds())

    async def _beat(self, store: Store) -> float:
        """One beat; says how long to wait for the next. Errors are tried again soon: the lease is running."""
        session, asked_at = self._tenure.session, self._clock.monotonic()
        was_late = asked_at > self._tenure.until
        try:
            lease = Lease(session=session, lease_ms=round(self._lease_seconds * 1000), queues=self._queues)
            [reply] = await store.extend([lease])
        except StoreUnavailable as error:
            if self._patience.failures == 0:
                log.warning("The worker's lease could not be prolonged: %s", error)
            return self._patience.next_seconds()
        except Exception:
            log.exception("A heartbeat failed; it is tried again.")
            return self._patience.next_seconds()
        if self._patience.failures and reply.held:
            log.info("Prolonging the worker's lease goes on.")
        self._patience.reset()
        if not reply.held:
            self._say(self._lost, session)
            return self._lease_seconds / 3
        self._tenure.prolong(session, asked_at + self._lease_seconds)
        if was_late:
            self._say(self._renewed)
        if reply.cancel:
            self._say(self._cancel, reply.cancel)
        return self._lease_seconds / 3

    async def _listen(self, store: Store) -> None:
        """Has it beat at each wake-up, and whenever listening begins anew: what was wished before that no wake-up
        tells."""
        patience = Patience(self._random)
        while True:
            try:
                listener: Listener = await store.listen({WakeKind.CANCEL}, self._queues)
                try:
                    self._alarm.ring()
                    while True:
                        if await listener.wait(self._lease_seconds):
                            self._alarm.ring()
                        patience.reset()
                finally:
                    await listener.close()
            except StoreUnavailable:
                await self._clock.sleep(patience.next_seconds())
            except Exception:
                log.exception("Listening for cancellations failed; they come with the next beat.")
                await self._clock.sleep(patience.next_seconds())

    def _say(self, hear: Callable[..., None], *arguments: object) -> None:
        self._call(self._home, hear, *arguments)

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
        try:
            loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            log.debug("The other event loop has ended already.")
