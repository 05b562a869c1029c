"""This module is one connection that many callers share: questions go out as they come, and answers return in the same
order.

redis-py connects, authenticates, speaks TLS and parses; who asked what is kept here. That gives three things which a
pool of its connections does not: a caller that is cancelled leaves nothing behind (its answer is read and dropped),
calls of many tasks share packets (19 µs of CPU a call from 20 tasks, where redis-py's client takes 100), and one timer
notices a dead connection for all of them.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as LateAnswer

from longshore.backends.redis.faults import refined
from longshore.backends.redis.url import Address, Host
from longshore.core.errors import StoreUnavailable

LONGEST_DIAL_SECONDS = 5.0
"""Within a call's deadline, so that a second server can still be tried."""

NO_TLS = "; it may speak no TLS on this port: then write redis:// in the URL"

Word = str | bytes | int | float
Reply = Any
"""What a server answers: bytes, numbers, None, lists of them, and a ResponseError where it refused."""


def encoded(words: Sequence[Word]) -> bytes:
    """A command as it is sent. redis-py's own packer takes 0.4 µs a word and 15 µs more for the keys of a script."""
    pieces = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word if isinstance(word, bytes) else str(word).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(pieces)


class Driver(Protocol):
    """What is used of a redis-py connection."""

    async def connect(self) -> None: ...
    async def disconnect(self, *, nowait: bool) -> None: ...
    async def read_response(self, *, timeout: float) -> Reply: ...  # noqa: ASYNC109 - redis-py's name
    def pack_command(self, *words: Word) -> list[bytes]: ...
    def write(self, packed: Iterable[bytes]) -> None: ...
    def abort(self) -> None: ...


class _Writing:
    """Sends without waiting. redis-py's own sending waits for the socket, and whoever is cancelled there would take
    the connection down with everybody's answers; here the callers' waiting for answers is what bounds the buffer."""

    _writer: asyncio.StreamWriter | None

    def write(self, packed: Iterable[bytes]) -> None:
        if self._writer is None:
            raise LostConnection("the connection is closed")
        self._writer.writelines(packed)

    def abort(self) -> None:
        writer, self._writer = self._writer, None  # redis-py takes one that is left for a leak
        if writer is not None:
            writer.transport.abort()


class _Plain(_Writing, Connection):
    pass


class _Secure(_Writing, SSLConnection):
    pass


class _Question(NamedTuple):
    answer: "asyncio.Future[Reply]"
    due: float


class Wire:
    """A live connection, until `is_lost`."""

    def __init__(self, driver: Driver, host: Host) -> None:
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        self._open: deque[_Question] = deque()
        self._unsent: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self._loss: Exception | None = None
        self._reading = self._loop.create_task(self._read(), name=f"longshore redis {host}")
        self.host = host

    @property
    def is_lost(self) -> bool:
        """Nothing can be asked any more."""
        return self._loss is not None

    @property
    def is_idle(self) -> bool:
        """Nobody waits for an answer."""
        return not self._open

    def ask(self, commands: Sequence[Sequence[Word]], due: float) -> "list[asyncio.Future[Reply]]":
        """Sends commands in one go; the answers come in futures, an error of the server as a value.

        Not to be answered by `due`, in the time of the event loop, ends the connection: every open future raises
        redis-py's ConnectionError or TimeoutError. Raises that itself, and has sent nothing, when the wire is lost.
        """
        if self._loss is not None:
            raise self._loss
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.extend(map(encoded, commands))
        answers = [self._loop.create_future() for _ in commands]
        self._open.extend(_Question(answer, due) for answer in answers)
        if self._watch is None or due < self._watch.when():
            self._watch_until(due)
        return answers

    def _send(self) -> None:
        """What the tasks of one turn of the event loop have to ask goes out in one piece: a system call costs 10 µs."""
        pieces, self._unsent = self._unsent, []
        if self._loss is None:
            try:
                self._driver.write(pieces)
            except LostConnection as error:
                self.lose(error)

    def lose(self, reason: Exception) -> None:
        """Ends it at once, in its event loop; who waits gets the reason."""
        if self._loss is not None:
            return
        self._loss = reason
        if self._watch is not None:
            self._watch.cancel()
        self._driver.abort()
        if asyncio.current_task() is not self._reading:
            self._reading.cancel()
        for question in self._open:
            if not question.answer.done():
                question.answer.set_exception(reason)
        self._open.clear()

    async def close(self, reason: Exception) -> None:
        """Ends it and waits until its socket is closed."""
        self.lose(reason)
        await asyncio.wait({self._reading})

    async def _read(self) -> None:
        try:
            while True:
                try:
                    reply: Reply = await self._driver.read_response(timeout=math.inf)
                except ResponseError as refusal:
                    reply = refined(refusal)
                if not self._open:
                    raise LostConnection(f"an answer that nobody asked for: {reply!r:.100}")
                answer = self._open.popleft().answer
                if not answer.done():  # done: whoever asked was cancelled
                    answer.set_result(reply)
        except (RedisError, OSError) as error:
            self.lose(error)
        finally:
            await self._driver.disconnect(nowait=True)

    def _watch_until(self, due: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._watch = None
        if not self._open:
            return
        due = min(question.due for question in self._open)
        if due <= self._loop.time():
            self.lose(LateAnswer("no answer in time"))
        else:
            self._watch_until(due)


class Login(NamedTuple):
    """Who connects, and to which database."""

    username: str | None
    password: str | None
    db: int = 0


async def dial(address: Address, host: Host, login: Login, *, seconds: float) -> Wire:
    """A new connection, logged in and in its database, in at most so many seconds and LONGEST_DIAL_SECONDS.

    Raises redis-py's errors; a refused login is its AuthenticationError.
    """
    return Wire(await connected(address, host, login, seconds=seconds), host)


async def connected(address: Address, host: Host, login: Login, *, seconds: float) -> Driver:
    """As `dial`, for who wants to talk in another way than by questions and answers."""
    seconds = min(max(seconds, 0.01), LONGEST_DIAL_SECONDS)
    driver = _driver(address, host, login, seconds)
    try:
        async with asyncio.timeout(seconds):
            await driver.connect()
    except TimeoutError:
        driver.abort()
        raise LateAnswer(
            f"{host} did not answer within {seconds:g} s" + (NO_TLS if address.is_tls else "")
        ) from None
    except BaseException:
        driver.abort()
        raise
    return driver


def _driver(address: Address, host: Host, login: Login, seconds: float) -> Driver:
    options: dict[str, Any] = {
        "host": host.name,
        "port": host.port,
        **login._asdict(),
        "client_name": "longshore",
        "driver_info": None,
        "protocol": 2,  # the same shape of answers from every version of every server
        "socket_timeout": None,
        "socket_connect_timeout": seconds,
    }
    if address.is_tls:
        options |= {
            "ssl_ca_certs": address.ca_file,
            "ssl_certfile": address.cert_file,
            "ssl_keyfile": address.key_file,
        }
    try:
        return cast("Driver", (_Secure if address.is_tls else _Plain)(**options))
    except TypeError as error:  # it knows less than we ask of it
        raise StoreUnavailable(
            "unreachable",
            f"the redis library that is installed ({redis.__version__}) is none that Longshore works with; "
            'pip install "longshore[redis]" brings one',
        ) from error
