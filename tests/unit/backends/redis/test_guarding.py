"""Room in memory: from 85 % on nothing is added, and what finishes jobs still goes through."""

import pytest

from longshore.backends.redis.guarding import Level
from longshore.backends.redis.links import Call, Links, Script
from longshore.core.durability import Durability
from longshore.core.errors import StoreUnavailable
from servers.server import Server
from tests.unit.backends.redis.conftest import SET, Connect, key

PUSH = Script("push", "return redis.call('RPUSH', KEYS[1], ARGV[1])", is_adding=True)
POP = Script("pop", "return redis.call('LPOP', KEYS[1])")
BODY = "x" * 20_000


async def used_share(links: Links) -> float:
    [standing] = await links.take_stock()
    return standing.fill


async def fill(links: Links, refusals: list[str]) -> int:
    """Adds until it is refused; how many were taken."""
    for taken in range(10_000):
        try:
            await links.call(PUSH, [key(links)], [BODY])
        except StoreUnavailable as error:
            refusals.append(str(error))
            return taken
    return -1


async def test_nothing_is_added_from_85_percent_on_while_everything_else_goes_on(
    own_server: Server, connect: Connect
):
    """A10."""
    links = await connect(own_server.url)
    await links.command("CONFIG", "SET", "maxmemory", "100mb")  # several times what clients have in flight
    await links.take_stock()
    refusals: list[str] = []
    assert await fill(links, refusals) > 200
    assert "from 85% on nothing is added" in refusals[0]
    assert 0.75 <= await used_share(links) < 1  # what clients had in flight is freed again
    for _ in range(100):
        assert await links.call(SET, [key(links, name="ack")], ["x" * 1000]) == b"OK"
    with pytest.raises(StoreUnavailable, match="full"):
        await links.call(PUSH, [key(links)], [BODY])


async def test_adding_goes_on_when_there_is_room_again(own_newest: Server, connect: Connect):
    links = await connect(own_newest.url)
    await links.command("CONFIG", "SET", "maxmemory", "40mb")
    await links.take_stock()
    assert await fill(links, []) > 50
    await links.command("CONFIG", "SET", "maxmemory", "400mb")
    await links.take_stock()
    assert await links.call(PUSH, [key(links)], [BODY])


async def test_a_store_that_is_opened_on_a_full_server_knows_at_once(own_newest: Server, connect: Connect):
    links = await connect(own_newest.url)
    await links.call(SET, [key(links)], ["x"])
    await links.command("CONFIG", "SET", "maxmemory", "1mb")
    late = await connect(own_newest.url)
    with pytest.raises(StoreUnavailable, match="full"):
        await late.call(PUSH, [key(late)], [BODY])
    with pytest.raises(StoreUnavailable, match="full"):
        await late.call_each([Call(PUSH, [key(late)], [BODY])], durability=Durability.MEMORY)
    assert await late.call(POP, [key(late)], []) is None


async def test_a_server_over_its_limit_is_full(own_newest: Server, connect: Connect):
    links = await connect(own_newest.url)
    await links.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailable, match=r"full: .*maxmemory"):
        await links.call(SET, [key(links)], ["x" * 1000])


async def test_looking_costs_no_round_trip(own_newest: Server, connect: Connect):
    links = await connect(own_newest.url)
    await links.command("CONFIG", "SET", "maxmemory", "400mb")
    await links.take_stock()
    await links.call(PUSH, [key(links)], [BODY])
    before = links.journeys
    for _ in range(200):
        await links.call(PUSH, [key(links)], [BODY])
    assert links.journeys == before + 200


@pytest.mark.parametrize(
    ("used", "limit", "pause"),
    [
        (0, 0, 15.0),
        (0, 100 << 30, 15.0),
        (0, 500_000_000, 0.85),
        (424_000_000, 500_000_000, 0.02),
        (426_000_000, 500_000_000, 1.0),
    ],
)
def test_the_less_room_is_left_the_sooner_is_the_next_look(used: int, limit: int, pause: float):
    level = Level()
    level.read(used, limit, now=5.0)
    assert level.next - 5.0 == pytest.approx(pause)
