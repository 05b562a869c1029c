"""This module calls the scripts of verbs: it adds the time, the channels and the keys to what they are asked."""

from collections.abc import Iterable, Sequence

from longshore.backends.redis.foresight import Foresight
from longshore.backends.redis.keys import HOME, Keys, Line
from longshore.backends.redis.links import Call, Lane, Links, Reply, Word
from longshore.backends.redis.registry import Registry
from longshore.backends.redis.scripts import verb
from longshore.core.durability import Durability


class Caller:
    """The scripts of one store handle. Without `now_ms`, which only tests give, the server reads its own clock."""

    def __init__(self, links: Links, keys: Keys) -> None:
        self.links = links
        self.keys = keys
        self.registry = Registry(links, keys)
        self.foresight = Foresight()

    def prepared(
        self, name: str, queues: Sequence[str | Line], words: Iterable[Word], now_ms: int | None
    ) -> Call:
        """A call of a verb for these queues, of which there are several only where they lie together."""
        found = verb(name)
        time = b"" if now_ms is None else now_ms
        return Call(found.script, found.keys(self.keys, *queues), (time, self.keys.channels, *words))

    def prepared_shared(self, name: str, place: str, words: Iterable[Word], now_ms: int | None) -> Call:
        """A call of a verb that needs shared keys only, as a queue sees them or HOME."""
        found = verb(name)
        time = b"" if now_ms is None else now_ms
        return Call(found.script, found.shared_keys(self.keys, place), (time, self.keys.channels, *words))

    async def each(
        self, calls: Sequence[Call], lane: Lane = Lane.CALL, *, durability: Durability | None = None
    ) -> list[Reply]:
        """The replies, in one round trip where there is one server. Raises NotDurable."""
        return await self.links.call_each(calls, lane=lane, durability=durability)

    async def at_home(
        self, name: str, words: Iterable[Word], now_ms: int | None, lane: Lane = Lane.CALL
    ) -> Reply:
        """The reply of a verb about what belongs to no queue."""
        [reply] = await self.each([self.prepared_shared(name, HOME, words, now_ms)], lane)
        return reply
