"""This module stands between a client and a server and does what networks do: it loses replies, cuts, delays, swallows.

    with Proxy() as proxy:
        url = proxy.url_for(server.url)         # the same URL through a port of the proxy
        proxy.drop_replies(0.1)                 # 10 % of replies never arrive, and their connections are cut:
                                                # the server has done what the client does not hear of
        proxy.cut()                             # every connection, at once, by a reset
        proxy.swallow(); proxy.heal()           # open connections stay open and nothing passes any more
        proxy.delay(0.5)                        # each reply comes so much later

It runs in a thread of its own, so tests may block. Names of faults are those of toxiproxy where it has them.
"""

import asyncio
import random
import socket
import struct
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from servers.background import Background

CHUNK_BYTES = 65_536
SPARED_REPLIES = 12
"""So many of a connection's first replies are not dropped: they belong to its greeting, in which nothing is written."""


class Line:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.replies = 0
        self.is_swallowed = False

    def cut(self) -> None:
        """Resets both sides: no goodbye, what was on the way is lost."""
        for side in (self.client, self.server):
            raw = side.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.transport.abort()


class Proxy:
    """A proxy for any number of servers, all with the same faults. `seed` makes its dice repeatable."""

    def __init__(self, *, seed: int = 1) -> None:
        self.dropped = 0
        self._chance = random.Random(seed)
        self._drop_share = 0.0
        self._delay_seconds = 0.0
        self._swallows_new = False
        self._lines: set[Line] = set()
        self._ports: dict[tuple[str, int], int] = {}
        self._background = Background("proxy")

    def url_for(self, url: str) -> str:
        """The URL by which the server of `url` is reached through the proxy."""
        parts = urlsplit(url)
        target = (parts.hostname or "127.0.0.1", parts.port or 0)
        if target not in self._ports:
            self._ports[target] = self._background.listen(
                lambda reader, writer: self._serve(reader, writer, target)
            )
        who = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{who}127.0.0.1:{self._ports[target]}"))

    def drop_replies(self, share: float) -> None:
        """From now on this share of replies is lost, each with its connection; 0 ends it. `dropped` counts them."""
        self._drop_share = share

    def delay(self, seconds: float) -> None:
        """Each reply comes so much later."""
        self._delay_seconds = seconds

    def cut(self) -> None:
        """Resets every open connection."""
        self._background.call(self._cut())

    def swallow(self, *, new_ones: bool = False) -> None:
        """Nothing passes any more through the connections that are open, for ever; with `new_ones`, nor through new
        ones, which are accepted, until `heal`.
        """
        self._swallows_new = new_ones
        self._background.call(self._swallow())

    def heal(self) -> None:
        """No faults for new connections; those that were swallowed stay dead, as behind a router that was restarted."""
        self._drop_share = self._delay_seconds = 0.0
        self._swallows_new = False

    def close(self) -> None:
        """Cuts all, and ends the thread."""
        self.cut()
        self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    async def _cut(self) -> None:
        for line in self._lines:
            line.cut()

    async def _swallow(self) -> None:
        for line in self._lines:
            line.is_swallowed = True

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]
    ) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*target)
        except OSError:
            writer.transport.abort()
            return
        line = Line(writer, far_writer)
        line.is_swallowed = self._swallows_new
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(reader, line))
                both.create_task(self._replies(far_reader, line))
        except* (OSError, EOFError):
            line.cut()
        finally:
            self._lines.discard(line)
            writer.transport.abort()
            far_writer.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, line: Line) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if not line.is_swallowed:
                line.server.write(data)
                await line.server.drain()
        if not line.is_swallowed:
            raise EOFError  # the client has gone, so the other side goes too

    async def _replies(self, reader: asyncio.StreamReader, line: Line) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if line.is_swallowed:
                continue
            line.replies += 1
            if line.replies > SPARED_REPLIES and self._chance.random() < self._drop_share:
                self.dropped += 1
                raise EOFError
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            line.client.write(data)
            await line.client.drain()
        if not line.is_swallowed:
            raise EOFError
