"""This module tries again where a request failed, as long as that is safe and may help.

Safe is what was certainly not done (the server refused it, or was not reached), and what may be done twice.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
)

from longshore.backends.redis.faults import is_loss, may_pass, meaning
from longshore.backends.redis.nodes import Lane, Node, Unsent
from longshore.backends.redis.requests import Request
from longshore.backends.redis.routes import Route
from longshore.backends.redis.wire import Reply, Word
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable

AT_ONCE = 4
"""So many tries follow each other without a pause, where a server said what to do."""
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.5


_SAME_AS_LATE = (MasterDownError, ClusterDownError)
"""Refusals that mean the same as no answer: the server is not there yet."""

Step = tuple[Node, Sequence[Sequence[Word]]]


class Trip(NamedTuple):
    """What the requests of one call have in common."""

    route: Route
    lane: Lane
    due: float
    """In the time of the event loop."""
    is_adding: bool = False


class Mender:
    """Brings the answer to a request after all, or raises why there is none."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance

    def good(self, node: Node, reply: Reply | Exception) -> Reply:
        """The answer. Raises StoreUnavailable where it is an error, or the error where only one command is wrong."""
        if not isinstance(reply, Exception):
            return reply
        reason = reply.reason if isinstance(reply, Unsent) else reply
        found = meaning(reason, str(node.host))
        raise found from (None if found is reason else reason)

    async def mended(self, trip: Trip, node: Node, request: Request, reply: Reply | Exception) -> Reply:
        """Raises as `good` does, at the latest when the time is over."""
        tries, refusal = 0, reply
        while isinstance(reply, Exception):
            refusal = reply if may_pass(reply) else refusal
            if asyncio.get_running_loop().time() >= trip.due:
                return self.good(node, _said(refusal, reply))
            step = await self._step(trip, node, request, reply, tries)
            tries += 1
            if step is not None:
                node, commands = step
                *_, reply = await node.ask(trip.lane, commands, trip.due)
        return reply

    async def _step(
        self, trip: Trip, node: Node, request: Request, reply: Exception, tries: int
    ) -> Step | None:
        """What to ask next, and whom; None where nobody knows whom, and what went wrong before says more.

        Raises what the request came to where nothing more may help.
        """
        if tries > AT_ONCE:  # nothing is loaded, and no slot moves, so often
            await self._pause(trip, tries - AT_ONCE)
        if isinstance(reply, NoScriptError) and request.script is not None:
            return node, [("SCRIPT", "LOAD", request.script.text), request.words]
        if isinstance(reply, AskError):  # of which MovedError is a kind
            words = [request.words] if isinstance(reply, MovedError) else [("ASKING",), request.words]
            return trip.route.redirected(reply, node), words
        if not _is_worth_it(reply, request, tries, has_others=trip.route.has_others):
            self.good(node, reply)
        if isinstance(reply, ReadOnlyError):
            node.lose(reply)  # another server may stand behind the same name by now
        trip.route.doubt()
        if trip.route.has_others:
            await self._pause(trip, tries)
        try:
            return await trip.route.node(request.key, trip.due), [request.words]
        except StoreUnavailable as error:
            if error.reason == "closed":
                raise
            return None

    async def _pause(self, trip: Trip, tries: int) -> None:
        """Longer each time, but never beyond the end."""
        seconds = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2.0**tries) * self._chance.uniform(
            0.5, 1
        )
        await self._clock.sleep(max(0.0, min(seconds, trip.due - asyncio.get_running_loop().time())))


def _is_worth_it(reply: Exception, request: Request, tries: int, *, has_others: bool) -> bool:
    """Whether the same request may succeed a moment later. A server that is alone gets one more chance where it was
    there a moment ago: it may have restarted, and its connections with it."""
    if isinstance(reply, Unsent):
        return has_others
    if may_pass(reply):
        return has_others or (isinstance(reply, ReadOnlyError) and tries == 0)
    return is_loss(reply) and request.is_repeatable and (has_others or tries == 0)


def _said(refusal: Reply | Exception, last: Exception) -> Exception:
    """What says more: why a server has refused the request, or that the last try came too late for an answer."""
    is_late = is_loss(last.reason if isinstance(last, Unsent) else last)
    return refusal if is_late and isinstance(refusal, _SAME_AS_LATE) else last
