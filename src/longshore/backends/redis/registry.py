"""This module knows the names of all queues: a set beside them, because keys cannot be listed."""

from collections.abc import Iterable

from longshore.backends.redis.keys import Keys
from longshore.backends.redis.links import Links


class Registry:
    """The queues of a store. A name is added before the first job: whoever dies in between leaves an empty queue."""

    def __init__(self, links: Links, keys: Keys) -> None:
        self._links = links
        self._keys = keys
        self._added: set[str] = set()
        self._known: list[str] = []

    @property
    def known(self) -> list[str]:
        """Those that were there at the last look, and those added since; perhaps not all."""
        return sorted(self._added.union(self._known))

    def has_added(self, name: str) -> bool:
        """Whether `add` need not be called for it."""
        return name in self._added

    async def add(self, names: Iterable[str]) -> None:
        """Makes queues known; goes to the server only for those that this handle never used."""
        new = [name for name in dict.fromkeys(names) if name not in self._added]
        if new:
            await self._links.command("SADD", self._keys.queues, *new, key=self._keys.queues)
            self._added.update(new)

    async def names(self) -> list[str]:
        """All queues, sorted."""
        await self.learn(await self._links.command("SMEMBERS", self._keys.queues, key=self._keys.queues))
        return self.known

    async def learn(self, found: Iterable[bytes]) -> list[str]:
        """Takes note of what is on the server, and gives what is new here. What this handle has added and is missing
        there is added again: somebody has emptied the server."""
        before = set(self.known)
        self._known = [name.decode() for name in found]
        forgotten = self._added.difference(self._known)
        if forgotten:
            await self._links.command("SADD", self._keys.queues, *forgotten, key=self._keys.queues)
        return [name for name in self.known if name not in before]
