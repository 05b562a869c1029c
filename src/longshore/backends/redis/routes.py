"""This module knows which server has a key: the only one, the master that the Sentinels name, or one of a Cluster."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from redis.exceptions import AskError, MovedError, RedisError

from longshore.backends.redis.faults import meaning
from longshore.backends.redis.nodes import Node
from longshore.backends.redis.slots import read_slots, slot_of
from longshore.backends.redis.url import Address, Host, Kind
from longshore.backends.redis.wire import Login, Reply, Word, dial
from longshore.core.errors import StoreUnavailable

Found = TypeVar("Found")


class Route(Protocol):
    """The way to the servers, for one event loop."""

    @property
    def has_others(self) -> bool:
        """Whether another server may take over, so that waiting a moment is worth it."""

    async def node(self, key: bytes | None, due: float, /) -> Node:
        """The server that has the key; without one, any that takes writes. Raises StoreUnavailable."""

    async def all_nodes(self, due: float, /) -> list[Node]:
        """Every server that takes writes. Raises StoreUnavailable."""

    def doubt(self) -> None:
        """What is known may be out of date: the next `node` looks again."""

    def redirected(self, to: AskError, by: Node, /) -> Node:
        """Where a server has sent us: for good (MOVED) or for this one question (ASK). Raises StoreUnavailable."""

    def end(self, reason: Exception) -> None:
        """Ends every connection."""

    async def close(self, reason: Exception) -> None:
        """Ends every connection and waits until their sockets are closed."""


def route_of(address: Address) -> Route:
    """The one for this kind of address."""
    kinds: dict[Kind, Callable[[Address], Route]] = {
        Kind.SINGLE: Single,
        Kind.SENTINEL: Sentinels,
        Kind.CLUSTER: Cluster,
    }
    return kinds[address.kind](address)


class Single:
    """One server, which is what it is."""

    has_others = False

    def __init__(self, address: Address) -> None:
        self._node = Node(address, address.hosts[0])

    async def node(self, _key: bytes | None, _due: float, /) -> Node:
        return self._node

    async def all_nodes(self, _due: float, /) -> list[Node]:
        return [self._node]

    def doubt(self) -> None:
        """There is nothing to look up."""

    def redirected(self, _to: AskError, by: Node, /) -> Node:
        raise _is_of_a_cluster(by)

    def end(self, reason: Exception) -> None:
        self._node.end(reason)

    async def close(self, reason: Exception) -> None:
        await self._node.close(reason)


class _Lookup(ABC):
    """Servers that are kept by their host, and a question to those who know that many callers ask together."""

    has_others = True

    def __init__(self, address: Address) -> None:
        self._address = address
        self._nodes: dict[Host, Node] = {}
        self._looking: asyncio.Task[None] | None = None
        self._end: Exception | None = None

    def _node_at(self, host: Host) -> Node:
        if self._end is not None:  # nothing new is dialled after the end
            raise self._end
        if host not in self._nodes:
            self._nodes[host] = Node(self._address, host)
        return self._nodes[host]

    def end(self, reason: Exception) -> None:
        self._end = reason
        if self._looking is not None:
            self._looking.cancel()
        for node in self._nodes.values():
            node.end(reason)

    async def close(self, reason: Exception) -> None:
        self.end(reason)
        if self._looking is not None:
            await asyncio.wait({self._looking})
        for node in list(self._nodes.values()):
            await node.close(reason)

    @abstractmethod
    async def _look(self, due: float) -> None: ...

    async def _looked(self, due: float) -> None:
        """Has looked, once for all who wait. Who is cancelled does not end the look of the others."""
        if self._end is not None:
            raise self._end
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look(due))
            self._looking.add_done_callback(self._has_looked)
        looking = self._looking
        await asyncio.wait({looking}, timeout=due - asyncio.get_running_loop().time())
        if not looking.done():
            raise StoreUnavailable("unreachable", f"{self._address.url}: no answer in time", is_absent=True)
        if looking.cancelled() and self._end is not None:
            raise self._end
        looking.result()

    def _has_looked(self, looking: "asyncio.Task[None]") -> None:
        self._looking = None
        if not looking.cancelled():
            looking.exception()  # whoever waited for it raises it, and all may have been cancelled

    async def _first_answer(
        self, hosts: Collection[Host], login: Login, words: tuple[Word, ...], due: float
    ) -> tuple[Host, Reply]:
        """Asks one server after the other, on a connection for this question only; the first answer that is one."""
        trouble: Exception = StoreUnavailable("unreachable", f"{self._address.url}: nobody to ask")
        loop = asyncio.get_running_loop()
        for number, host in enumerate(hosts):
            share = (due - loop.time()) / (len(hosts) - number)
            try:
                wire = await dial(self._address, host, login, seconds=share)
                try:
                    [answer] = wire.ask([words], min(due, loop.time() + share))
                    reply = await answer
                finally:
                    await wire.close(ConnectionResetError("no more questions"))
                if reply is not None and not isinstance(reply, Exception):
                    return host, reply
                trouble = reply if isinstance(reply, Exception) else LookupError(f"{host} does not know it")
            except (RedisError, OSError) as error:
                trouble = error
        raise self._unknown(trouble)

    def _unknown(self, trouble: Exception) -> Exception:
        found = meaning(trouble, self._address.url)
        return found if isinstance(found, StoreUnavailable) else StoreUnavailable("unreachable", f"{found}")


class Sentinels(_Lookup):
    """A master that changes; the Sentinels say which server it is."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._master: Node | None = None

    async def node(self, _key: bytes | None, due: float, /) -> Node:
        while self._master is None:
            await self._looked(due)
        return self._master

    async def all_nodes(self, due: float, /) -> list[Node]:
        return [await self.node(None, due)]

    def doubt(self) -> None:
        self._master = None

    def redirected(self, _to: AskError, by: Node, /) -> Node:
        raise _is_of_a_cluster(by)

    async def _look(self, due: float) -> None:
        address = self._address
        login = Login(address.sentinel_username, address.sentinel_password)
        words = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master)
        _, (name, port) = await self._first_answer(address.hosts, login, words, due)
        self._master = self._node_at(Host(name.decode(), int(port)))

    def _unknown(self, trouble: Exception) -> Exception:
        if isinstance(trouble, LookupError):
            return StoreUnavailable("unreachable", f"no Sentinel knows a master '{self._address.master}'")
        return super()._unknown(trouble)


class Cluster(_Lookup):
    """Servers that share 16,384 slots; any of them knows who has which."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._hosts: list[Host | None] = []
        """By slot; empty when it must be asked for."""
        self._known: tuple[Host, ...] = address.hosts

    async def node(self, key: bytes | None, due: float, /) -> Node:
        while not self._hosts:
            await self._looked(due)
        host = self._hosts[slot_of(key)] if key is not None else next(filter(None, self._hosts), None)
        if host is None:
            self.doubt()
            raise StoreUnavailable(
                "unreachable", f"{self._address.url}: a slot has no server; see CLUSTER INFO"
            )
        return self._node_at(host)

    async def all_nodes(self, due: float, /) -> list[Node]:
        while not self._hosts:
            await self._looked(due)
        return [self._node_at(host) for host in self._known]

    def doubt(self) -> None:
        self._hosts = []

    def redirected(self, to: AskError, by: Node, /) -> Node:
        host = Host(
            to.host or by.host.name, to.port
        )  # a server that does not know its own name leaves it out
        if isinstance(to, MovedError) and self._hosts:
            self._hosts[to.slot_id] = host
        return self._node_at(host)

    async def _look(self, due: float) -> None:
        address = self._address
        login = Login(address.username, address.password)
        known = dict.fromkeys((*self._known, *address.hosts))
        asked, reply = await self._first_answer(known, login, ("CLUSTER", "SLOTS"), due)
        self._hosts = hosts = read_slots(reply, asked)
        self._known = tuple(sorted({host for host in hosts if host is not None}))
        for gone in set(self._nodes) - set(self._known):
            self._nodes.pop(gone).lose(
                ConnectionResetError(f"{gone} has left the cluster, or has no slots any more")
            )


def _is_of_a_cluster(node: Node) -> StoreUnavailable:
    return StoreUnavailable(
        "unreachable", f"{node.host} is part of a Cluster; write redis+cluster:// in the URL"
    )
