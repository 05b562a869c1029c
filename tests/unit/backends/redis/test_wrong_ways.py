"""URLs that lead to a server of another kind, and a driver of another time: one sentence each, with the way out."""

import pytest

from longshore.backends.redis import wire
from longshore.backends.redis.url import read_url
from longshore.core.errors import SettingsError, StoreUnavailable
from servers.server import Server, ServerLike
from tests.unit.backends.redis.conftest import Connect


def place_of(server: ServerLike) -> str:
    """Its host and port."""
    return server.url.removeprefix("redis://").partition("/")[0]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+cluster://{}/", "single server: write redis://"),
        ("redis+sentinel://{}/main/0", "no Sentinel: write redis://"),
        ("redis://{}/99", "fewer databases; see the number at the end of the URL"),
    ],
)
async def test_a_url_for_another_kind_of_server_says_what_to_write(
    own_server: Server, connect: Connect, url: str, says: str
) -> None:
    with pytest.raises(StoreUnavailable, match=says):
        await connect(url.format(place_of(own_server)))


async def test_tls_to_a_server_without_it_is_named_as_what_may_be_wrong(
    redis_server: ServerLike, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "LONGEST_DIAL_SECONDS", 0.3)
    with pytest.raises(StoreUnavailable, match="may speak no TLS on this port: then write redis://"):
        await connect(f"rediss://{place_of(redis_server)}/0", deadline_seconds=1)


async def test_a_driver_that_is_too_old_is_named(
    redis_server: ServerLike, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def old(**options: object) -> None:
        raise TypeError("unexpected keyword argument 'driver_info'")

    monkeypatch.setattr(wire, "_Plain", old)
    with pytest.raises(
        StoreUnavailable, match=r'redis library that is installed .*pip install "longshore\[redis\]"'
    ):
        await connect(redis_server.url)


def test_a_port_that_no_server_has_is_refused_before_anything_is_dialled() -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_url("redis://host:99999/0")
