"""This module carries messages over a socket, each with its length before it (4 bytes, big-endian).

The worker's end never blocks its event loop: a child that stops in the middle of a message harms only itself.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator

LENGTH_BYTES = 4
CHUNK_BYTES = 65_536


class Frames:
    """Puts messages together from the pieces in which they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The messages that are complete with this piece."""
        self._buffer += piece
        while len(self._buffer) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
            if len(self._buffer) < end:
                return
            message = bytes(self._buffer[LENGTH_BYTES:end])
            del self._buffer[:end]
            yield message


def framed(message: bytes) -> bytes:
    """The message with its length."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


class BlockingEnd:
    """The child's end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: bytes) -> None:
        """Raises OSError when the worker is gone."""
        self._connection.sendall(framed(message))

    def messages(self) -> Iterator[bytes]:
        """Messages as they come, until the worker closes its end or is gone."""
        frames = Frames()
        while piece := self._connection.recv(CHUNK_BYTES):
            yield from frames.feed(piece)


class LoopEnd:
    """The worker's end. `on_message` is called on the event loop, and `on_close` once when the child's end closes."""

    def __init__(
        self,
        connection: socket.socket,
        *,
        on_message: Callable[[bytes], None],
        on_close: Callable[[], None],
    ) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the socket's own spelling
        self._connection = connection
        self._on_message, self._on_close = on_message, on_close
        self._frames = Frames()
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection, self.pull)

    def send(self, message: bytes) -> None:
        """Sends as far as the child reads, the rest when it does. To a closed end: nothing."""
        if not self._unsent and self._connection.fileno() >= 0:
            self._loop.add_writer(self._connection, self._push)
        self._unsent += framed(message)
        self._push()

    def pull(self) -> None:
        """Takes what has arrived."""
        while self._connection.fileno() >= 0:
            try:
                piece = self._connection.recv(CHUNK_BYTES)
            except BlockingIOError:
                return
            except OSError:  # reset: the child died with something of ours unread
                piece = b""
            if not piece:
                self.close()
                self._on_close()
                return
            for message in self._frames.feed(piece):
                self._on_message(message)

    def close(self) -> None:
        """Ends the conversation from here; `on_close` is not called."""
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()

    def _push(self) -> None:
        if self._connection.fileno() < 0:
            return
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:  # the child is gone, which `pull` is about to find out
            sent = len(self._unsent)
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._connection)
