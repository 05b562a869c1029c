"""This module pools PostgreSQL's sessions by transaction, as PgBouncer does, for machines without PgBouncer.

A client keeps its connection, and each of its transactions may run in another session of the server. So nothing that
belongs to a session lasts: LISTEN, SET, prepared statements, advisory locks. Like PgBouncer it refuses settings in a
client's greeting that it does not know. It does not pass on requests to cancel.
"""

import asyncio
import contextlib
import struct
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from servers.background import Background

SSL_REQUEST, CANCEL_REQUEST = 80_877_103, 80_877_102
PROTOCOL = 196_608
ALLOWED = {
    "user",
    "database",
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "standard_conforming_strings",
    "application_name",
}
OK, CLEARTEXT = 0, 3


class Message(NamedTuple):
    """One message of PostgreSQL's protocol, version 3."""

    kind: bytes
    body: bytes

    @property
    def wire(self) -> bytes:
        """As it is sent."""
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


async def read_message(reader: asyncio.StreamReader) -> Message:
    """The next one. Raises IncompleteReadError at the end of the connection."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!I", head[1:])
    return Message(head[:1], await reader.readexactly(length - 4))


class Session:
    """A session of the server, logged in and idle."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.greeting: list[Message] = []

    @classmethod
    async def open(cls, url: str) -> Self:
        """Logs in with a password in plain text, which is what servers of `servers/` ask for."""
        target = urlsplit(url)
        session = cls(*await asyncio.open_connection(target.hostname, target.port))
        words = ["user", target.username or "", "database", target.path.lstrip("/"), ""]
        hello = struct.pack("!I", PROTOCOL) + "\0".join(words).encode() + b"\0"
        session.writer.write(struct.pack("!I", len(hello) + 4) + hello)
        while True:
            message = await read_message(session.reader)
            if message.kind == b"Z":
                return session
            if message.kind == b"E":
                raise ConnectionError(message.body.decode(errors="replace"))
            if message.kind == b"R" and struct.unpack("!I", message.body[:4])[0] == CLEARTEXT:
                session.writer.write(Message(b"p", (target.password or "").encode() + b"\0").wire)
            elif message.kind in b"SK":
                session.greeting.append(message)

    def close(self) -> None:
        """Ends it at once."""
        self.writer.close()


class TransactionPool:
    """A pool of `size` sessions on the server of `url`, for any number of clients at its own `url`."""

    version = "transaction pool"

    def __init__(self, url: str, *, size: int) -> None:
        self._target = url
        self._background = Background("transaction-pool")
        self._idle: asyncio.Queue[Session] = asyncio.Queue()
        self._greeting: list[Message] = []
        self._background.call(self._open(size))
        port = self._background.listen(self._serve)
        target = urlsplit(url)
        self.url = f"postgresql://{target.username}:{target.password or ''}@127.0.0.1:{port}{target.path}"

    def close(self) -> None:
        """Ends every connection."""
        self._background.call(self._part())
        self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    async def _open(self, size: int) -> None:
        for _ in range(size):
            session = await Session.open(self._target)
            self._idle.put_nowait(session)
            self._greeting = session.greeting

    async def _part(self) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._welcome(reader, writer):
                await self._transactions(Inbox(reader), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
        finally:
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Greets a client as the server would; False when it wanted something else."""
        while True:
            length, code = struct.unpack("!II", await reader.readexactly(8))
            rest = await reader.readexactly(length - 8)
            if code != SSL_REQUEST:
                break
            writer.write(b"N")
        if code == CANCEL_REQUEST:
            return False
        names = [word.decode() for word in rest.split(b"\0")][:-2:2]
        if unknown := [name for name in names if name not in ALLOWED]:
            text = f"unsupported startup parameter: {unknown[0]}"
            writer.write(Message(b"E", f"SFATAL\0C08P01\0M{text}\0\0".encode()).wire)
            await writer.drain()
            return False
        ready = [Message(b"R", struct.pack("!I", OK)), *self._greeting, Message(b"Z", b"I")]
        writer.write(b"".join(message.wire for message in ready))
        return True

    async def _transactions(self, inbox: "Inbox", writer: asyncio.StreamWriter) -> None:
        """One after the other, each in whichever session is free."""
        while True:
            await inbox.arrival()
            session = await self._idle.get()
            try:
                await _transaction(inbox, session, writer)
            except Exception:  # whatever state it is in, the next client must not find it there
                session.close()
                self._idle.put_nowait(await Session.open(self._target))
                raise
            except asyncio.CancelledError:
                session.close()
                raise
            self._idle.put_nowait(session)


class Inbox:
    """What a client sends. A message that has begun to arrive is not lost when nobody waits for it any more."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._next: asyncio.Task[Message] | None = None

    def next(self) -> asyncio.Task[Message]:
        """The arrival of the next message, the same one until it is taken."""
        self._next = self._next or asyncio.ensure_future(read_message(self._reader))
        return self._next

    async def arrival(self) -> None:
        """Until there is one. Raises ConnectionResetError when it is a goodbye."""
        await asyncio.wait({self.next()})
        self._look()

    def take(self) -> Message:
        """The message that has arrived. Raises ConnectionResetError when it is a goodbye."""
        message, self._next = self._look(), None
        return message

    def _look(self) -> Message:
        message = self.next().result()
        if message.kind == b"X":
            raise ConnectionResetError
        return message


async def _transaction(inbox: Inbox, session: Session, writer: asyncio.StreamWriter) -> None:
    """Carries messages both ways until the server is ready, outside of a transaction, and owes no answer."""
    owed = 0  # answers that end with "ready for query"
    answers = asyncio.ensure_future(read_message(session.reader))
    try:
        while True:
            await asyncio.wait({inbox.next(), answers}, return_when=asyncio.FIRST_COMPLETED)
            if inbox.next().done():
                message = inbox.take()
                session.writer.write(message.wire)
                owed += message.kind in {b"Q", b"S"}
            if answers.done():
                answer = answers.result()
                writer.write(answer.wire)
                owed -= answer.kind == b"Z"
                if answer == (b"Z", b"I") and not owed:
                    return
                answers = asyncio.ensure_future(read_message(session.reader))
    finally:
        answers.cancel()
