"""This module keeps room in a server's memory for what finishes jobs: from 85 % on, nothing is added.

A Redis that is full refuses every write that needs memory, those that would free some among them. How full it is
travels with the calls that add: now and then INFO is sent along, in the same round trip, the more often the less room
is left.
"""

from collections.abc import Iterable

import msgspec

from longshore.backends.redis.nodes import Lane, Node
from longshore.backends.redis.standing import Standing, read_info
from longshore.backends.redis.url import Host
from longshore.backends.redis.wire import Reply
from longshore.core.errors import StoreUnavailable

FULL = 0.85
"""Of maxmemory."""
LOOK = ("INFO", "memory")
FASTEST_BYTES = 500_000_000
"""In a second, more than a server takes in: it cannot fill up between two looks, however many add to it."""
LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS = 15.0, 0.02
FULL_PAUSE_SECONDS = 1.0


class Level(msgspec.Struct):
    """How full a server was when it was looked at."""

    used: int = 0
    limit: int = 0
    next: float = 0.0
    """When to look again; in the time of the event loops."""

    @property
    def is_full(self) -> bool:
        """Whether nothing is to be added."""
        return self.limit > 0 and self.used >= FULL * self.limit

    def read(self, used: int, limit: int, now: float) -> None:
        """Takes in a look, and sets when the next one is due."""
        self.used, self.limit = used, limit
        if self.is_full:
            self.next = now + FULL_PAUSE_SECONDS
            return
        pause = (FULL * limit - used) / FASTEST_BYTES if limit else LONGEST_PAUSE_SECONDS
        self.next = now + min(max(pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


class Guard:
    """What is known about the memory of each server; shared by all event loops of a store handle."""

    def __init__(self) -> None:
        self._levels: dict[Host, Level] = {}

    def prime(self, standings: Iterable[Standing], now: float) -> None:
        """What a survey has found."""
        for standing in standings:
            self._level(standing.host).read(standing.used_bytes, standing.limit_bytes, now)

    async def admit(self, node: Node, now: float, due: float) -> bool:
        """Whether a look shall be sent along with what is added. Raises StoreUnavailable("full") where nothing may
        be; a server that was full is asked first."""
        level = self._level(node.host)
        if level.is_full and now >= level.next:
            level.next = now + FULL_PAUSE_SECONDS
            [reply] = await node.ask(Lane.CALL, [LOOK], due)
            self.heed(node, reply, now)
        if level.is_full:
            raise StoreUnavailable(
                "full",
                f"{node.host} uses {level.used:,} of {level.limit:,} bytes, and from {FULL:.0%} on nothing is added, "
                "so that there is room to finish what is there; raise maxmemory, run more workers, or keep less",
            )
        if now < level.next:
            return False
        level.next = now + FULL_PAUSE_SECONDS  # only one of those who come at the same time looks
        return True

    def heed(self, node: Node, reply: Reply | Exception, now: float) -> None:
        """Takes in the answer to a look; where it was refused, what is known stays."""
        said = read_info(reply)
        if "used_memory" in said:
            self._level(node.host).read(int(said["used_memory"]), int(said.get("maxmemory", 0)), now)

    def _level(self, host: Host) -> Level:
        return self._levels.setdefault(host, Level())
