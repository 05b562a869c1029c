"""Real servers for the links: one that is shared, and one of its own for each test that hurts it."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from longshore.backends.redis.links import Links, Script
from longshore.backends.redis.url import read_url
from longshore.core.clock import SystemClock
from servers import redis_versions, start_redis
from servers.server import Server, ServerLike

Connect = Callable[..., Awaitable[Links]]

ADD = Script("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
"""Twice is not the same as once."""
SET = Script("set", "return redis.call('SET', KEYS[1], ARGV[1])", is_repeatable=True)
GET = Script("get", "return redis.call('GET', KEYS[1])", is_repeatable=True)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens links to a URL, with a prefix of their own, and closes them."""
    opened: list[Links] = []

    async def opens(url: str, **fields: object) -> Links:
        address = read_url(url)
        known = {name: getattr(address, name) for name in address.__struct_fields__}
        links = Links(type(address)(**{**known, "prefix": uuid.uuid4().hex, **fields}), SystemClock())
        opened.append(links)
        await links.open()
        return links

    yield opens
    for links in opened:
        await links.close()


@pytest.fixture
async def links(redis_server: ServerLike, connect: Connect) -> Links:
    """To the server that all tests share."""
    return await connect(redis_server.url)


@pytest.fixture(params=redis_versions())
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server that the test may restart, freeze and misconfigure; of each version."""
    with start_redis(request.param, tmp_path) as server:
        yield server


def with_deadline(links: Links, seconds: float) -> None:
    """From now on its calls end after so long; while it connects, a busy machine may be slow."""
    links.address = msgspec.structs.replace(links.address, deadline_seconds=seconds)


def key(links: Links, queue: str = "q", name: str = "key") -> bytes:
    """A key that no other test has."""
    return f"{links.address.prefix}:{{{queue}}}:{name}".encode()


@pytest.fixture
def own_newest(tmp_path: Path) -> Iterator[Server]:
    """As `own_server`, of the newest version only."""
    with start_redis(redis_versions()[-1], tmp_path) as server:
        yield server
