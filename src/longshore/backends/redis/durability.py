"""This module says how safe a stored job is, and has the server confirm more where more is asked for.

A call and WAIT or WAITAOF go over the same connection, with a small write between them: the server waits for the last
write of a connection, and a repeated insert writes nothing. Calls that come while others are being confirmed go
together in the next round, so that a server that syncs once a second confirms any number of them in that second.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from longshore.backends.redis.mending import Mender, Trip
from longshore.backends.redis.nodes import Lane, Node
from longshore.backends.redis.requests import Request
from longshore.backends.redis.standing import Standing
from longshore.backends.redis.wire import Reply, Word
from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption, NotDurable, StoreUnavailable

TRIES = 3
SHARE_OF_DEADLINE = 0.8
"""For the server's waiting, so that it answers, with whatever is reached by then, before we give the connection up."""
MARK_MS = 60_000


def level(standings: Iterable[Standing]) -> Durability:
    """What a write reaches unasked, on the weakest of these servers."""
    return min(map(_level, standings), key=list(Durability).index, default=Durability.MEMORY)


def refuse_unreachable(asked: Durability, standings: Iterable[Standing]) -> None:
    """Raises InvalidOption for a level that one of these servers can never confirm."""
    for standing in standings:
        reachable = _reachable(standing)
        if not reachable.reaches(asked):
            expected = (
                f"at most '{reachable}', which is all that {standing.host} ({_setup(standing)}) can confirm"
            )
            raise InvalidOption("durability", str(asked), expected)


def _level(standing: Standing) -> Durability:
    if not standing.has_aof:
        return Durability.MEMORY
    return Durability.FSYNC if standing.fsync == "always" else Durability.OS


def _reachable(standing: Standing) -> Durability:
    if standing.replicas:
        return Durability.REPLICATED
    if standing.can_confirm_syncs:
        return Durability.FSYNC
    return _level(standing)


def _setup(standing: Standing) -> str:
    log = f"appendfsync {standing.fsync}" if standing.has_aof else "appendonly no"
    version = ".".join(map(str, standing.version or ("of an unknown version",)))
    return f"{standing.name} {version}, {log}, {standing.replicas} replicas"


class _Going(NamedTuple):
    """A call that waits for its round."""

    request: Request
    answer: "asyncio.Future[tuple[Reply | Exception, Sequence[Reply | Exception]]]"
    due: float


class _Rounds:
    """The calls to one server at one level: one round at a time."""

    def __init__(self, node: Node, waits: Sequence[tuple[Word, ...]]) -> None:
        self._node = node
        self._waits = waits
        self._going: list[_Going] = []
        self._task: asyncio.Task[None] | None = None

    async def join(
        self, request: Request, due: float
    ) -> tuple[Reply | Exception, Sequence[Reply | Exception]]:
        """The answer to the call, and those to the waits of its round."""
        loop = asyncio.get_running_loop()
        going = _Going(request, loop.create_future(), due)
        self._going.append(going)
        if self._task is None:
            self._task = loop.create_task(self._run(), name="longshore redis confirming")
        return await going.answer

    async def _run(self) -> None:
        try:
            while self._going:
                batch, self._going = self._going, []
                await self._round([going for going in batch if not going.answer.done()])
        finally:
            self._task = None

    async def _round(self, batch: Sequence[_Going]) -> None:
        if not batch:
            return
        due = max(going.due for going in batch)
        patience_ms = max(1, round((due - asyncio.get_running_loop().time()) * SHARE_OF_DEADLINE * 1000))
        mark = ("SET", _mark(batch[0].request.key or b""), "1", "PX", MARK_MS)
        commands = [*(going.request.words for going in batch), mark]
        try:
            replies = await self._node.ask(
                Lane.CONFIRM, [*commands, *((*wait, patience_ms) for wait in self._waits)], due
            )
        except StoreUnavailable as error:
            replies = [error] * (len(commands) + len(self._waits))
        marked = replies[len(batch)]
        waits = [marked] if isinstance(marked, Exception) else replies[len(commands) :]
        for going, reply in zip(batch, replies, strict=False):
            if not going.answer.done():
                going.answer.set_result((reply, waits))


class Confirmer:
    """Runs calls and has them confirmed."""

    def __init__(self, mender: Mender) -> None:
        self._mender = mender
        self._rounds: WeakKeyDictionary[Node, dict[Durability, _Rounds]] = WeakKeyDictionary()

    async def sure(
        self, trip: Trip, request: Request, asked: Durability, standings: Sequence[Standing]
    ) -> Reply:
        """The answer to a call that may be repeated, when it is as safe as asked. Raises NotDurable, and as
        `Mender.mended`."""
        first: Reply | None = None
        reason = "the server was lost again and again"
        for _ in range(TRIES):
            node = await trip.route.node(request.key, trip.due)
            reply, waits = await self._at(node, asked, standings).join(request, trip.due)
            if isinstance(reply, Exception):  # it is stored in the usual way, and asked for again
                reply = await self._mended(trip, node, request, reply, is_stored=first is not None)
                waits = [ConnectionResetError("stored without a confirmation")]
            first = reply if first is None else first
            if all(map(_is_confirmed, waits)):
                return first
            words = ", ".join(str(wait[0]) for wait in _waits(asked, standings))
            reason = f"{node.host} answered {', '.join(map(str, waits))} to {words}"
            if not any(isinstance(wait, Exception) for wait in waits) or _is_late(trip):
                break
        raise NotDurable(asked, level(standings), reason)

    async def _mended(
        self, trip: Trip, node: Node, request: Request, reply: Exception, *, is_stored: bool
    ) -> Reply:
        """What is not stored yet may fail as any call; what is stored is only not confirmed."""
        try:
            return await self._mender.mended(trip, node, request, reply)
        except StoreUnavailable as error:
            if is_stored:
                return error
            raise

    def _at(self, node: Node, asked: Durability, standings: Sequence[Standing]) -> _Rounds:
        levels = self._rounds.setdefault(node, {})
        if asked not in levels:
            levels[asked] = _Rounds(node, _waits(asked, standings))
        return levels[asked]


def _waits(asked: Durability, standings: Iterable[Standing]) -> list[tuple[Word, ...]]:
    """The commands that confirm a level, without their time."""
    waits: list[tuple[Word, ...]] = []
    if all(standing.can_confirm_syncs for standing in standings):
        waits.append(("WAITAOF", 1, 0))
    if asked is Durability.REPLICATED:
        waits.append(("WAIT", 1))
    return waits


def _is_late(trip: Trip) -> bool:
    return asyncio.get_running_loop().time() >= trip.due


def _is_confirmed(reply: Reply | Exception) -> bool:
    """WAIT answers how many replicas have it, WAITAOF how many disks: ours, and those of replicas."""
    counts = reply if isinstance(reply, list) else [reply]
    return isinstance(counts[0], int) and counts[0] >= 1


def _mark(key: bytes) -> bytes:
    """A key in the slot of another: what is written there matters to nobody."""
    head, brace, rest = key.partition(b"{")
    return head + brace + rest.partition(b"}")[0] + (b"}" if brace else b"") + b":confirmed"
