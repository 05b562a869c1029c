"""This module tries again where an errand failed, as long as that is safe and may help.

Safe is what was certainly not done (the server refused it, or was not reached), and what may be done twice.
"""

import asyncio
import random
from typing import NamedTuple

from redis.exceptions import AskError, MovedError, NoScriptError, ReadOnlyError

from longshore.backends.redis.errands import Errand
from longshore.backends.redis.faults import PASSING, is_loss, meaning
from longshore.backends.redis.nodes import Lane, Node, Unsent
from longshore.backends.redis.routes import Route
from longshore.backends.redis.wire import Reply
from longshore.core.clock import Clock

LOADS = 3
"""So often a script is loaded for one errand: more than once only where somebody flushes all the time."""
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.5


class Trip(NamedTuple):
    """What the errands of one call have in common."""

    route: Route
    lane: Lane
    due: float
    """In the time of the event loop."""
    is_adding: bool = False


class Mender:
    """Brings the answer to an errand after all, or raises why there is none."""

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

    async def mended(self, trip: Trip, node: Node, errand: Errand, reply: Reply | Exception) -> Reply:
        """Raises as `good` does, at the latest when the time is over."""
        tries = loads = 0
        while isinstance(reply, Exception):
            if asyncio.get_running_loop().time() >= trip.due:
                return self.good(node, reply)
            commands = [errand.words]
            if isinstance(reply, NoScriptError) and errand.script is not None and loads < LOADS:
                loads += 1
                commands = [("SCRIPT", "LOAD", errand.script.text), errand.words]
            elif isinstance(reply, AskError):  # of which MovedError is a kind
                node = trip.route.redirected(reply, node)
                commands = commands if isinstance(reply, MovedError) else [("ASKING",), errand.words]
            elif _may_pass(reply, errand, tries, has_others=trip.route.has_others):
                node = await self._elsewhere(trip, node, errand, reply, tries)
            else:
                return self.good(node, reply)
            tries += 1
            *_, reply = await node.ask(trip.lane, commands, trip.due)
        return reply

    async def _elsewhere(self, trip: Trip, node: Node, errand: Errand, reply: Exception, tries: int) -> Node:
        """Where to try next, after a pause that grows."""
        if isinstance(reply, ReadOnlyError):
            node.lose(reply)  # another server may stand behind the same name by now
        trip.route.doubt()
        if trip.route.has_others:
            pause = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2**tries) * self._chance.uniform(
                0.5, 1
            )
            await self._clock.sleep(max(0, min(pause, trip.due - asyncio.get_running_loop().time())))
        return await trip.route.node(errand.key, trip.due)


def _may_pass(reply: Exception, errand: Errand, tries: int, *, has_others: bool) -> bool:
    """Whether the same errand may succeed a moment later. A server that is alone gets one more chance where it was
    there a moment ago: it may have restarted, and its connections with it."""
    if isinstance(reply, Unsent):
        return has_others
    if isinstance(reply, PASSING):
        return has_others or (isinstance(reply, ReadOnlyError) and tries == 0)
    return is_loss(reply) and errand.is_repeatable and (has_others or tries == 0)
