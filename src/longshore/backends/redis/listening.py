"""This module is one listener: a connection that hears what scripts publish, and a box for it.

Plain publish and subscribe serves one server, Sentinels and a Cluster alike: a Cluster carries a message to all of its
nodes, so a listener needs one connection whatever the number of its queues. Sharded channels (since 7.0) would spare
that, at one connection per node and none of the patterns that "all queues" needs; scripts publish only on the edge.

What was published while nobody listened is lost. So whenever a connection is there again, everything that is listened
for rings once, after the subscription is confirmed.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as LateAnswer

from longshore.backends.mailbox import Mailbox
from longshore.backends.redis.faults import meaning
from longshore.backends.redis.links import Links
from longshore.backends.redis.wire import Driver, Line, Reply, encoded
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Wake, WakeKind

PING_SECONDS = 50.0
"""A connection on which nothing came for so long is asked whether it still lives: about a command a minute. The kernel
asks sooner (TCP keepalive), but not where something in between answers for a dead server."""
PONG_SECONDS = 5.0
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0
KINDS = {kind.value: kind for kind in WakeKind}


def channel(prefix: str, queue: str, kind: WakeKind) -> str:
    """Where a queue's wake-ups of a kind are published. What is published does not matter."""
    return f"{prefix}:{{{queue}}}:wake:{kind.value}"


async def listen(
    links: Links, kinds: Collection[WakeKind], queues: Collection[str] | None
) -> "RedisListener":
    """See `Store.listen`: returns when the server has confirmed. Raises StoreUnavailable."""
    listener = RedisListener(links, kinds, queues)
    try:
        await listener.hears()
    except BaseException:
        await listener.close()
        raise
    return listener


class Subscription:
    """One connection that is subscribed."""

    def __init__(self, driver: Driver, take: Callable[[Reply], None]) -> None:
        self._take = take
        self._missing = 0
        self._has_heard = False
        self._turn = asyncio.Event()
        """Every channel is confirmed, something came after a silence, or the connection is lost."""
        self._loss: Exception | None = None
        self._line = Line(driver, self._answered, self._lost)

    async def subscribe(self, verb: str, channels: Sequence[str]) -> None:
        """Returns when every channel is confirmed. What is published from then on is heard."""
        self._missing = len(channels)
        self._line.write([encoded([verb, *channels])])
        if not await self._turned(PONG_SECONDS):
            raise LateAnswer("a subscription was not confirmed in time")

    async def hear(self) -> None:
        """Tells what comes, until the connection breaks or does not answer a ping, which it raises."""
        while True:
            self._has_heard = False
            await self._turned(PING_SECONDS)
            if not self._has_heard:
                self._line.write([encoded(["PING"])])
                if not await self._turned(PONG_SECONDS):
                    raise LateAnswer("no answer to a ping")

    async def close(self) -> None:
        """Ends it; returns when the socket is closed."""
        self._line.abort()
        await asyncio.wait({self._line.closed})

    async def _turned(self, seconds: float) -> bool:
        """Whether what is waited for came in this time. Raises what the connection was lost by."""
        self._turn.clear()
        if self._loss is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._turn.wait()
        if self._loss is not None:
            raise self._loss
        return self._turn.is_set()

    def _answered(self, reply: Reply) -> None:
        if isinstance(reply, Exception):
            self._lost(reply)
            return
        self._has_heard = True
        if reply[0] in {b"message", b"pmessage"}:
            self._take(reply)
        else:
            self._missing -= reply[0] in {b"subscribe", b"psubscribe"}
            if self._missing <= 0:
                self._turn.set()

    def _lost(self, reason: Exception) -> None:
        self._loss = self._loss or reason
        self._turn.set()


class RedisListener:
    """A stream of wake-ups for the event loop in which it was made."""

    def __init__(self, links: Links, kinds: Collection[WakeKind], queues: Collection[str] | None) -> None:
        self._links = links
        self._kinds = sorted(set(kinds))
        self._queues = None if queues is None else sorted(set(queues))
        self._mailbox = Mailbox(links.clock, on_gone=lambda: links.forget(self))
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="longshore redis listener")
        links.when_closed(self, lambda: self._mailbox.end_with_store(self._end))

    async def hears(self) -> None:
        """Returns when the first subscription is confirmed. Raises StoreUnavailable where it cannot be had."""
        await self._first

    def tell(self, hear: Callable[[Collection[Wake]], None]) -> None:
        """See `Listener.tell`."""
        self._mailbox.tell(hear)

    async def wait(self, seconds: float) -> list[Wake]:
        """See `Listener.wait`. Raises StoreUnavailable("closed") when the store was closed."""
        return await self._mailbox.wait(seconds)

    async def close(self) -> None:
        """Ends it."""
        self._end()
        await asyncio.wait({self._task})

    def _end(self) -> None:
        self._links.forget(self)
        self._task.cancel()
        if not self._first.done():
            self._first.set_exception(StoreUnavailable("closed", "the listener was closed"))
            self._first.exception()  # nobody need be waiting for it
        self._mailbox.end()

    async def _run(self) -> None:
        if not self._kinds or self._queues == []:
            self._first.set_result(None)
            return
        failures = 0
        while True:
            try:
                subscription = Subscription(await self._links.line(), self._take)
                try:
                    await subscription.subscribe(
                        "SUBSCRIBE" if self._queues is not None else "PSUBSCRIBE", list(self._channels())
                    )
                    failures = 0
                    self._is_there()
                    await subscription.hear()
                finally:
                    await subscription.close()
            except (RedisError, OSError, StoreUnavailable) as error:
                if not self._first.done():
                    self._first.set_exception(meaning(error, self._links.address.url))
                    return
            pause = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2**failures)
            failures = min(failures + 1, 10)
            await self._links.clock.sleep(pause * self._links.chance.uniform(0.5, 1))

    def _take(self, reply: Reply) -> None:
        place, _, kind = reply[-2].decode().partition("}:wake:")
        self._mailbox.put([Wake(KINDS[kind], place.partition("{")[2])])

    def _channels(self) -> Iterator[str]:
        for kind in self._kinds:
            for queue in ["*"] if self._queues is None else self._queues:
                yield channel(self._links.address.prefix, queue, kind)

    def _is_there(self) -> None:
        """The subscription stands: the first time nothing was missed, later everything may have been."""
        if not self._first.done():
            self._first.set_result(None)
            return
        queues = [""] if self._queues is None else self._queues
        self._mailbox.put([Wake(kind, queue) for kind in self._kinds for queue in queues])
