"""TLS: what goes over the network is encrypted, and a server that cannot prove who it is gets nothing.

The key beside this test guards nothing: it was made for it, once, with `openssl req -x509`, and is valid for a century.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longshore.backends.redis.examining import examine
from longshore.core.errors import StoreUnavailable
from servers.server import ServerLike
from tests.unit.backends.redis.conftest import SET, Connect, key

FILES = Path(__file__).parent / "tls"


@pytest.fixture
async def secure_port(redis_server: ServerLike) -> AsyncIterator[int]:
    """A port that takes TLS and hands what it reads to the server."""
    host, _, port = redis_server.url.removeprefix("redis://").partition("/")[0].partition(":")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(FILES / "cert.pem", FILES / "key.pem")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        both = asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)
        await both
        for side in (writer, far_writer):
            side.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_calls_go_through_tls(secure_port: int, connect: Connect):
    links = await connect(f"rediss://localhost:{secure_port}/0?ca_file={FILES}/cert.pem")
    assert await links.call(SET, [key(links)], ["x" * 100_000]) == b"OK"
    assert "no-tls" not in {finding.code for finding in await examine(links)}


async def test_a_server_whose_certificate_nobody_vouches_for_is_refused(secure_port: int, connect: Connect):
    with pytest.raises(StoreUnavailable, match=r"unreachable: .*certificate"):
        await connect(f"rediss://localhost:{secure_port}/0")


async def test_a_certificate_for_another_name_is_refused(secure_port: int, connect: Connect):
    with pytest.raises(StoreUnavailable, match=r"unreachable: .*certificate"):
        await connect(f"rediss://127.0.0.1:{secure_port}/0?ca_file={FILES}/cert.pem")
