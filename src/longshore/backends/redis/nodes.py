"""This module is one server, with a connection of its own for each lane, made when it is needed."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as LateAnswer

from longshore.backends.redis.url import Address, Host
from longshore.backends.redis.wire import Driver, Login, Reply, Wire, Word, connected


class Lane(StrEnum):
    """What must not wait behind what: a page of a thousand jobs on its way holds up whoever shares the connection."""

    CALL = "call"
    READ = "read"
    LEASE = "lease"
    CONFIRM = "confirm"


class Unsent(Exception):
    """The server could not be reached, so nothing was sent."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason
        """redis-py's error."""


class Node:
    """A server and the connections to it, for one event loop."""

    def __init__(self, address: Address, host: Host) -> None:
        self.host = host
        self._address = address
        self._wires: dict[Lane, Wire] = {}
        self._dialing: dict[Lane, asyncio.Task[Wire]] = {}
        self._reason: Exception = ConnectionResetError("given up")
        self._end: Exception | None = None

    async def ask(
        self, lane: Lane, commands: Sequence[Sequence[Word]], due: float
    ) -> Sequence[Reply | Exception]:
        """The answers, in one round trip. Where there is none, redis-py's error stands in its place, or Unsent.

        Raises StoreUnavailable("closed") after `close`.
        """
        if self._end is not None:
            raise self._end
        wire = self._wires.get(lane)
        try:
            if wire is None or wire.is_lost:
                wire = await self._dialled(lane, due)
            answers = wire.ask(commands, due)
        except (RedisError, OSError) as error:
            return [Unsent(error)] * len(commands)
        if len(answers) > 1:
            replies = await asyncio.gather(*answers, return_exceptions=True)
        else:
            try:
                replies = [await answers[0]]
            except (RedisError, OSError) as error:
                replies = [error]
        if isinstance(replies[-1], LateAnswer):
            self._distrust(replies[-1])
        return replies

    def _distrust(self, reason: LateAnswer) -> None:
        """Drops the connections that nobody waits for: a way that has gone silent for one is silent for all, and each
        would cost the next caller a deadline of its own."""
        for wire in self._wires.values():
            if wire.is_idle:
                wire.lose(reason)

    def lose(self, reason: Exception) -> None:
        """Drops every connection: the next call makes new ones. Calls that wait get the reason."""
        self._reason = reason
        for dialing in self._dialing.values():
            dialing.cancel()
        for wire in self._wires.values():
            wire.lose(reason)

    def end(self, reason: Exception) -> None:
        """Drops every connection for good."""
        self._end = reason
        self.lose(reason)

    async def close(self, reason: Exception) -> None:
        """Drops every connection for good and waits until their sockets are closed."""
        self.end(reason)
        if self._dialing:
            await asyncio.wait(self._dialing.values())
        for wire in list(self._wires.values()):
            await wire.close(reason)

    async def _dialled(self, lane: Lane, due: float) -> Wire:
        """A new connection, which all who need it at the same time share. Who is cancelled does not end the dialling:
        others may wait for it. Who came to one that was about to be given up, and has time left, begins another."""
        before = self._dialing.get(lane)
        if before is not None:
            try:
                return await self._shared(before, due)
            except LateAnswer:
                if due <= asyncio.get_running_loop().time():
                    raise
        dialing = self._dialing.get(lane)
        if dialing is None:
            dialing = asyncio.get_running_loop().create_task(self._dial(lane, due))
            self._dialing[lane] = dialing
            dialing.add_done_callback(lambda task: self._dialled_now(lane, task))
        return await self._shared(dialing, due)

    async def _shared(self, dialing: "asyncio.Task[Wire]", due: float) -> Wire:
        await asyncio.wait({dialing}, timeout=due - asyncio.get_running_loop().time())
        if not dialing.done():
            raise LateAnswer("no connection in time")
        if dialing.cancelled():
            raise self._reason
        return dialing.result()

    async def connected(self, due: float) -> Driver:
        """A connection for the caller alone. Raises redis-py's errors."""
        address = self._address
        seconds = due - asyncio.get_running_loop().time()
        return await connected(
            address, self.host, Login(address.username, address.password, address.db), seconds=seconds
        )

    async def _dial(self, lane: Lane, due: float) -> Wire:
        wire = self._wires[lane] = Wire(await self.connected(due), self.host)
        return wire

    def _dialled_now(self, lane: Lane, dialing: "asyncio.Task[Wire]") -> None:
        del self._dialing[lane]
        if not dialing.cancelled():
            dialing.exception()  # whoever waits for it raises it, and all may have given up
