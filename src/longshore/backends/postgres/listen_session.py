"""This module hears wake-ups: one session for each event loop that listens, found again when it is lost.

A notification that was sent while nobody was connected is gone, and a session whose peer has vanished stays silent for
ever. So the order is: LISTEN first, then wake everybody once, and ask the session regularly whether it lives. Where
LISTEN cannot work, because a pooler gives each transaction another session, listeners hear nothing and polling goes on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.echoing import echoes
from longshore.backends.postgres.faults import is_fault
from longshore.backends.postgres.listening import PostgresListener
from longshore.backends.postgres.second_looks import SecondLooks
from longshore.core.clock import Clock, system_random
from longshore.core.errors import StoreError, StoreUnavailable
from longshore.core.service import Alarm, Patience
from longshore.store.replies import WakeKind

PING_SECONDS = 15.0
"""So long may a session be dead before anybody notices; polling bridges that time."""
DEAF_SECONDS = 60.0
"""Until it is tried again whether LISTEN works."""
ON_REQUEST = frozenset({WakeKind.FINISHED})
"""Kinds that verbs tell only while somebody is known to listen for them."""
ANNOUNCED_SECONDS = 4 * PING_SECONDS
KINDS: Mapping[str, WakeKind] = {kind.value: kind for kind in WakeKind}

log = logging.getLogger(__name__)


class ListenSession:
    """The session of one event loop, open while somebody listens."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        ring: Callable[[str], Awaitable[object]],
        announce: Callable[[WakeKind, float], Awaitable[object]],
        channel: str,
        clock: Clock,
        *,
        deadline_seconds: float,
        ping: str,
        is_another_way: bool,
    ) -> None:
        """`ring` notifies a channel in the way that verbs do, and `announce` tells the verbs for how many seconds a
        kind of wake-up is listened for; `is_another_way` says that `connect` goes another way than those."""
        self._connect = connect
        self._ring = ring
        self._announce = announce
        self._channel = channel
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._ping = ping
        self._is_another_way = is_another_way
        self._alarm = Alarm(clock)
        self._listeners: list[PostgresListener] = []
        self._joining: dict[asyncio.Future[None], PostgresListener] = {}
        self._second_looks = SecondLooks(clock, lambda queue: self._offer(WakeKind.PENDING, [queue]))
        self._task: asyncio.Task[None] | None = None
        self._has_heard = False
        self._has_warned = False

    async def join(self, kinds: Collection[WakeKind], queues: Collection[str] | None) -> PostgresListener:
        """A listener that hears from now on. Raises the driver's error where there is no session to be had."""
        listener = PostgresListener(kinds, queues, self._clock, self.leave)
        self._listeners.append(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="longshore listen session")
        hears = asyncio.get_running_loop().create_future()
        self._joining[hears] = listener
        self._alarm.ring()
        try:
            await hears
        except BaseException:
            await self.leave(listener)
            raise
        finally:
            self._joining.pop(hears, None)
        return listener

    def claimed(self, queues: Collection[str]) -> None:
        """A claim of this loop got jobs of these queues: they are looked at again, in case somebody could not tell."""
        if self._listeners:
            self._second_looks.claimed(queues)

    async def leave(self, listener: PostgresListener) -> None:
        """One listener less; the last one ends the session."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners:
            await asyncio.gather(*self._stop(), return_exceptions=True)

    def end_with_store(self) -> list[asyncio.Task[None]]:
        """The store was closed; called in the loop of this session. Gives what is still under way."""
        for listener in self._listeners:
            listener.end_with_store()
        self._listeners = []
        self._answer(self._joining, StoreUnavailable("closed", "nobody listens any more"))
        return self._stop()

    def _stop(self) -> list[asyncio.Task[None]]:
        self._second_looks.stop()
        task, self._task = self._task, None
        self._has_heard = False
        if task is None:
            return []
        task.cancel()
        return [task]

    # ------------------------------------------------------------------------------------------------ the session

    async def _run(self) -> None:
        """One session after the other, for as long as anybody listens."""
        patience = Patience(system_random())
        while True:
            try:
                await self._session(patience)
            except (StoreError, TimeoutError) as error:
                self._answer(self._joining, error)
            except Exception as error:
                if not is_fault(error):
                    log.exception("Listening failed; it is tried again, and polling goes on.")
                self._answer(self._joining, error)
            await self._clock.sleep(patience.next_seconds())

    async def _session(self, patience: Patience) -> None:
        """From connecting to the loss of the connection, which is raised; or a while in which nothing can be heard."""
        async with self._deadline():
            connection = await self._connect()
        try:
            connection.driver.add_termination_listener(lambda _: self._alarm.ring())
            if await self._hears_itself(connection):
                patience.reset()
                await self._listen(connection)
        finally:
            connection.terminate()
        await self._be_deaf()

    async def _listen(self, connection: Connection) -> None:
        """Hears until the session is lost, and raises that."""
        async with self._deadline():
            await connection.driver.add_listener(self._channel, self._hear)
        if self._has_heard:  # and may have missed something since
            for listener in self._listeners:
                listener.wake()
        self._has_heard = True
        while True:
            hearing = list(self._joining)
            await self._announce_what_is_rare()
            self._answer(hearing, None)
            was_rung = await self._alarm.wait(PING_SECONDS)
            if connection.driver.is_closed():
                raise ConnectionError("the session that listens was ended")
            if not was_rung:
                async with self._deadline():
                    await connection.driver.execute(self._ping)

    async def _announce_what_is_rare(self) -> None:
        """A NOTIFY takes a lock of the whole database at its commit: verbs do not tell what nobody waits for."""
        wanted = {kind for listener in self._listeners for kind in listener.kinds}
        for kind in sorted(wanted & ON_REQUEST):
            await self._announce(kind, ANNOUNCED_SECONDS)

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        word, _, queue = str(payload).partition(":")
        kind = KINDS.get(word)
        if kind is not None:  # newer versions may tell more
            self._offer(kind, [queue] if queue else [])

    def _offer(self, kind: WakeKind, queues: Collection[str]) -> None:
        for listener in self._listeners:
            listener.offer(kind, queues)

    # ------------------------------------------------------------------------------------------------ being deaf

    async def _hears_itself(self, connection: Connection) -> bool:
        """Whether what a verb would notify arrives. It does in a session of one's own; through a pooler, or by a way
        of its own that may lead to another database, only an echo proves it."""
        if not connection.is_pooled and not self._is_another_way:
            return True
        return await echoes(connection, self._ring, self._deadline_seconds)

    async def _be_deaf(self) -> None:
        """Leaves everybody to polling for a while."""
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "LISTEN does not work here, as behind PgBouncer's transaction mode, so workers find jobs by polling. "
                "Name a direct way to the server in the URL: ?notify=postgresql://..."
            )
        until = self._clock.monotonic() + DEAF_SECONDS
        while (left := until - self._clock.monotonic()) > 0:
            self._answer(self._joining, None)
            await self._alarm.wait(left)

    def _answer(self, joining: Collection["asyncio.Future[None]"], error: Exception | None) -> None:
        """Tells those who wait to hear."""
        for hears in list(joining):
            if not hears.done():
                if error is None:
                    hears.set_result(None)
                else:
                    hears.set_exception(error)

    def _deadline(self) -> asyncio.Timeout:
        return asyncio.timeout(self._deadline_seconds)
