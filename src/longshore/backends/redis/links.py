"""This module is what the verbs talk to: scripts and commands go in, answers come out, whatever servers there are.

A store handle has one `Links`; it keeps connections per event loop, because a socket belongs to one.
"""

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from redis.exceptions import RedisError

from longshore.backends.redis.durability import Confirmer, level, refuse_unreachable
from longshore.backends.redis.faults import is_loss, meaning
from longshore.backends.redis.guarding import LOOK, Guard
from longshore.backends.redis.mending import Mender, Trip
from longshore.backends.redis.nodes import Lane, Node, Unsent
from longshore.backends.redis.requests import Call, Request
from longshore.backends.redis.routes import Route, route_of
from longshore.backends.redis.script import Script
from longshore.backends.redis.standing import Standing, take_stock
from longshore.backends.redis.url import Address, Host
from longshore.backends.redis.wire import Driver, Reply, Word
from longshore.core.clock import Clock, system_random
from longshore.core.durability import Durability
from longshore.core.errors import StoreUnavailable

__all__ = ["Call", "Lane", "Links", "Reply", "Script", "Word"]

STOCK_SECONDS = 20.0
"""Settings change: who asks for a durability relies on no older stock, and on none of other servers."""
LEAVING_SECONDS = 1.0
"""For the connections of another thread's event loop, which may have stopped."""


class Links:
    """The connections of one store handle, for any event loop that uses it."""

    def __init__(self, address: Address, clock: Clock, chance: random.Random | None = None) -> None:
        self.address = address
        self.journeys = 0
        """Round trips so far."""
        self.clock = clock
        self.chance = chance or system_random()
        self.standings: list[Standing] = []
        """As they were when stock was taken last."""
        self._stock_at = 0.0
        self._mender = Mender(self.clock, self.chance)
        self._confirmer = Confirmer(self._mender)
        self._guard = Guard()
        self._closing: dict[object, Callable[[], None]] = {}
        self._routes: dict[asyncio.AbstractEventLoop, Route] = {}
        self._is_closed = False
        self._lock = threading.Lock()

    async def open(self) -> None:
        """Connects, and takes stock. Raises StoreUnavailable."""
        self._is_closed = False
        await self.take_stock()

    async def close(self) -> None:
        """Ends every connection, of all event loops; calls that wait raise StoreUnavailable("closed"). Again: does
        nothing."""
        self._is_closed = True
        for close in list(self._closing.values()):
            close()
        with self._lock:
            routes, self._routes = self._routes, {}
        reason = StoreUnavailable("closed", "it was closed")
        for loop, route in routes.items():
            if loop is asyncio.get_running_loop():
                await route.close(reason)
            elif loop.is_running():
                await _end_elsewhere(route, loop, reason)

    async def call(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[Word], *, lane: Lane = Lane.CALL
    ) -> Reply:
        """Runs a script. Raises StoreUnavailable, or redis-py's ResponseError where the script itself is wrong."""
        [reply] = await self.call_each([Call(script, keys, arguments)], lane=lane)
        return reply

    async def call_each(
        self, calls: Sequence[Call], *, lane: Lane = Lane.CALL, durability: Durability | None = None
    ) -> list[Reply]:
        """Runs scripts, each for itself: in one round trip on one server, at the same time on a Cluster.

        With `durability` (only for scripts that may be repeated) it returns when they are so safe. Raises NotDurable
        when that was not confirmed in time, and InvalidOption, with nothing done, where it can never be.
        """
        is_adding = any(call.script.is_adding for call in calls)
        if durability is not None:
            await self.check_durability(durability)
            if not self.durability.reaches(durability):
                return await self._run_surely([Request.of(call) for call in calls], durability)
        return await self._run([Request.of(call) for call in calls], lane, is_adding=is_adding)

    async def command(self, *words: Word, key: bytes | None = None, lane: Lane = Lane.READ) -> Reply:
        """Asks a command that may be asked twice, of the server that has the key. Raises as `call` does."""
        [reply] = await self._run([Request(words, key, is_repeatable=True)], lane)
        return reply

    @property
    def durability(self) -> Durability:
        """How safe a write is as soon as it is answered, as it was when stock was taken last."""
        return level(self.standings)

    async def check_durability(self, durability: Durability | None) -> None:
        """Raises InvalidOption for a level that these servers can never confirm, as they are now."""
        if durability is None:
            return
        age = asyncio.get_running_loop().time() - self._stock_at
        trip = self._trip(Lane.READ)
        hosts = {node.host for node in await trip.route.all_nodes(trip.due)}
        if age > STOCK_SECONDS or hosts != {standing.host for standing in self.standings}:
            await self.take_stock()
        refuse_unreachable(durability, self.standings)

    async def take_stock(self) -> list[Standing]:
        """How every server that takes writes stands. Raises StoreUnavailable."""
        self.standings = await take_stock(self.survey, self.clock)
        self._stock_at = asyncio.get_running_loop().time()
        self._guard.prime(self.standings, self._stock_at)
        return self.standings

    async def survey(self, commands: Sequence[Sequence[Word]]) -> list[tuple[Host, list[Reply | Exception]]]:
        """What every server that takes writes answers to each of these commands; what it refused as a value.

        Raises StoreUnavailable when one of them cannot be reached.
        """
        trip = self._trip(Lane.READ)
        nodes = await trip.route.all_nodes(trip.due)
        self.journeys += 1
        answers = await asyncio.gather(*(node.ask(trip.lane, commands, trip.due) for node in nodes))
        for node, replies in zip(nodes, answers, strict=True):
            for reply in replies:
                if isinstance(reply, Unsent) or (isinstance(reply, Exception) and is_loss(reply)):
                    trip.route.doubt()
                    self._mender.good(node, reply)
        return [(node.host, list(replies)) for node, replies in zip(nodes, answers, strict=True)]

    async def line(self) -> Driver:
        """A connection for the caller alone, who closes it. Raises StoreUnavailable."""
        trip = self._trip(Lane.CALL)
        node = await trip.route.node(None, trip.due)
        try:
            return await node.connected(trip.due)
        except (RedisError, OSError) as error:
            trip.route.doubt()
            raise meaning(error, str(node.host)) from error

    def when_closed(self, who: object, close: Callable[[], None]) -> None:
        """Has `close` called when these links are closed, unless `who` is forgotten before."""
        self._closing[who] = close

    def forget(self, who: object) -> None:
        """Whoever was to be told of the closing has gone."""
        self._closing.pop(who, None)

    def _route(self) -> Route:
        """The way to the servers in this event loop."""
        if self._is_closed:
            raise StoreUnavailable("closed", "it was closed")
        loop = asyncio.get_running_loop()
        route = self._routes.get(loop)
        if route is None:
            with self._lock:  # other threads' loops may come at the same time
                for gone in [each for each in self._routes if each.is_closed()]:
                    del self._routes[gone]
                route = self._routes[loop] = route_of(self.address)
        return route

    def _trip(self, lane: Lane, *, is_adding: bool = False) -> Trip:
        due = asyncio.get_running_loop().time() + self.address.deadline_seconds
        return Trip(self._route(), lane, due, is_adding)

    async def _run(self, requests: Sequence[Request], lane: Lane, *, is_adding: bool = False) -> list[Reply]:
        if not requests:
            return []
        trip = self._trip(lane, is_adding=is_adding)
        self.journeys += 1
        if len(requests) == 1 or not trip.route.has_others:
            return await self._run_at(await trip.route.node(requests[0].key, trip.due), trip, requests)
        places: defaultdict[Node, list[int]] = defaultdict(list)
        for number, request in enumerate(requests):
            places[await trip.route.node(request.key, trip.due)].append(number)
        groups = await asyncio.gather(
            *(
                self._run_at(node, trip, [requests[number] for number in numbers])
                for node, numbers in places.items()
            ),
            return_exceptions=True,
        )
        return _in_order(places.values(), groups)

    async def _run_surely(self, requests: Sequence[Request], durability: Durability) -> list[Reply]:
        trip = self._trip(Lane.CALL)
        self.journeys += 1
        for request in requests:  # before any is sent
            node = await trip.route.node(request.key, trip.due)
            await self._guard.admit(node, asyncio.get_running_loop().time(), trip.due)
        outcomes = await asyncio.gather(
            *(self._confirmer.sure(trip, request, durability, self.standings) for request in requests),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return outcomes

    async def _run_at(self, node: Node, trip: Trip, requests: Sequence[Request]) -> list[Reply]:
        commands = [request.words for request in requests]
        now = asyncio.get_running_loop().time()
        if trip.is_adding and await self._guard.admit(node, now, trip.due):
            *replies, look = await node.ask(trip.lane, [*commands, LOOK], trip.due)
            self._guard.heed(node, look, now)
        else:
            replies = list(await node.ask(trip.lane, commands, trip.due))
        return [
            await self._mender.mended(trip, node, request, reply) if isinstance(reply, Exception) else reply
            for request, reply in zip(requests, replies, strict=True)
        ]


def _in_order(places: Iterable[list[int]], groups: Iterable[list[Reply] | BaseException]) -> list[Reply]:
    replies: dict[int, Reply] = {}
    for numbers, group in zip(places, groups, strict=True):
        if isinstance(group, BaseException):
            raise group
        replies.update(zip(numbers, group, strict=True))
    return [replies[number] for number in sorted(replies)]


async def _end_elsewhere(route: Route, loop: asyncio.AbstractEventLoop, reason: Exception) -> None:
    """Ends the connections of another thread's event loop, without a task, which a loop that stops now would leave."""
    ended: Future[None] = Future()

    def end() -> None:
        route.end(reason)
        ended.set_result(None)

    try:
        loop.call_soon_threadsafe(end)
    except RuntimeError:  # it was closed a moment ago, and its connections with it
        return
    await asyncio.wait({asyncio.wrap_future(ended)}, timeout=LEAVING_SECONDS)
