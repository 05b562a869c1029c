"""This module is what the verbs talk to: scripts and commands go in, answers come out, whatever servers there are.

A store handle has one `Links`; it keeps connections per event loop, because a socket belongs to one.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import NoScriptError

from longshore.backends.redis.faults import is_loss, meaning
from longshore.backends.redis.nodes import Lane, Node, Unsent
from longshore.backends.redis.script import Script
from longshore.backends.redis.url import Address
from longshore.backends.redis.wire import Reply, Word
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable

__all__ = ["Call", "Lane", "Links", "Reply", "Script", "Word"]


class Call(NamedTuple):
    """One run of a script. All keys lie in one slot."""

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[Word]


class Links:
    """The connections of one store handle."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self.address = address
        self.journeys = 0
        """Round trips so far."""
        self._clock = clock
        self._nodes: dict[asyncio.AbstractEventLoop, Node] = {}
        self._is_closed = False

    async def open(self) -> None:
        """Connects. Again: does nothing. Raises StoreUnavailable."""
        self._is_closed = False
        await self.command("PING")

    async def close(self) -> None:
        """Ends every connection; calls that wait raise StoreUnavailable("closed"). Again: does nothing."""
        self._is_closed = True
        nodes, self._nodes = self._nodes, {}
        for node in nodes.values():
            await node.close(StoreUnavailable("closed", "its connections were closed"))

    async def call(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[Word], *, lane: Lane = Lane.CALL
    ) -> Reply:
        """Runs a script. Raises StoreUnavailable, or redis-py's ResponseError where the script itself is wrong."""
        [reply] = await self.call_each([Call(script, keys, arguments)], lane=lane)
        return reply

    async def call_each(self, calls: Sequence[Call], *, lane: Lane = Lane.CALL) -> list[Reply]:
        """Runs scripts, each for itself: in one round trip on one server, at the same time on a Cluster."""
        if not calls:
            return []
        node = self._node()
        due = asyncio.get_running_loop().time() + self.address.deadline_seconds
        commands = [_evalsha(call) for call in calls]
        replies = await self._ask(node, lane, commands, due)
        return [await self._mended(node, lane, *each, due) for each in zip(calls, replies, strict=True)]

    async def command(self, *words: Word, lane: Lane = Lane.READ) -> Reply:
        """Asks one command. Raises as `call` does."""
        node = self._node()
        due = asyncio.get_running_loop().time() + self.address.deadline_seconds
        [reply] = await self._ask(node, lane, [words], due)
        return _good(node, reply)

    def _node(self) -> Node:
        if self._is_closed:
            raise StoreUnavailable("closed", "it was closed")
        loop = asyncio.get_running_loop()
        if loop not in self._nodes:
            self._nodes[loop] = Node(self.address, self.address.hosts[0])
        return self._nodes[loop]

    async def _ask(
        self, node: Node, lane: Lane, commands: Sequence[Sequence[Word]], due: float
    ) -> list[Reply | Exception]:
        self.journeys += 1
        try:
            return await node.ask(lane, commands, due)
        except Unsent as unsent:
            raise meaning(unsent.reason, str(node.host)) from unsent.reason

    async def _mended(
        self, node: Node, lane: Lane, call: Call, reply: Reply | Exception, due: float
    ) -> Reply:
        if isinstance(reply, NoScriptError):
            _, reply = await self._ask(
                node, lane, [("SCRIPT", "LOAD", call.script.text), _evalsha(call)], due
            )
        elif isinstance(reply, Exception) and is_loss(reply) and call.script.is_repeatable:
            [reply] = await self._ask(node, lane, [_evalsha(call)], due)
        return _good(node, reply)


def _evalsha(call: Call) -> tuple[Word, ...]:
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments)


def _good(node: Node, reply: Reply | Exception) -> Reply:
    if isinstance(reply, Exception):
        raise meaning(reply, str(node.host)) from reply
    return reply
