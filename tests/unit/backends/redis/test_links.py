"""Links to one server: shared connections, lost ones, and callers that give up."""

import asyncio
import threading

import pytest
from redis.exceptions import ResponseError

from longshore.backends.redis.links import Call, Links, Script
from longshore.core.errors import StoreUnavailable
from servers.proxy import Proxy
from servers.server import Server, ServerLike
from tests.unit.backends.redis.conftest import ADD, GET, SET, Connect, key, with_deadline

PATIENCE = 20


async def kill_connections(links: Links) -> None:
    """As an operator does who empties the client list; the connection that asks stays."""
    await links.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def test_calls_of_many_tasks_each_get_their_own_answer(links: Links):
    answers = await asyncio.gather(
        *(links.call(Script("echo", "return ARGV[1]"), [key(links)], [number]) for number in range(200))
    )
    assert answers == [str(number).encode() for number in range(200)]


async def test_several_scripts_are_one_round_trip(links: Links):
    await links.call(ADD, [key(links)], [0])
    before = links.journeys
    assert await links.call_each([Call(ADD, [key(links)], [1])] * 3) == [1, 2, 3]
    assert links.journeys == before + 1


async def test_no_calls_are_no_round_trip(links: Links):
    before = links.journeys
    assert await links.call_each([]) == []
    assert links.journeys == before


async def test_a_caller_that_gives_up_takes_nobody_elses_answer(links: Links):
    for _ in range(20):
        calls = [
            asyncio.create_task(links.call(Script("echo", "return ARGV[1]"), [key(links)], [number]))
            for number in range(20)
        ]
        await asyncio.sleep(0)
        for call in calls[::3]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        kept = [(number, answer) for number, answer in enumerate(answers) if number % 3]
        assert kept == [(number, str(number).encode()) for number, _ in kept]


async def test_who_gives_up_while_it_is_dialled_does_not_end_the_dialling_of_others(
    redis_server: ServerLike, connect: Connect
):
    links = await connect(redis_server.url)
    first, second = (asyncio.create_task(links.call(SET, [key(links)], [n])) for n in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"OK"


async def test_a_flushed_script_is_loaded_again(links: Links):
    for _ in range(2):
        assert await links.call(SET, [key(links)], ["x"]) == b"OK"
        await links.command("SCRIPT", "FLUSH")


async def test_a_wrong_script_is_its_own_fault_and_not_the_stores(links: Links):
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await links.call(
            Script("wrong", "redis.call('SET', KEYS[1], 1); return redis.call('LPUSH', KEYS[1], 1)"),
            [key(links)],
            [],
        )
    assert await links.call(GET, [key(links)], []) == b"1"


async def test_killed_connections_are_made_anew(links: Links):
    for _ in range(3):
        assert await links.call(SET, [key(links)], ["x"]) == b"OK"
        await kill_connections(links)
        assert await links.call(GET, [key(links)], []) == b"x"


async def test_a_restarted_server_is_found_again(own_server: Server, connect: Connect):
    links = await connect(own_server.url)
    for _ in range(3):
        await links.call(SET, [key(links)], ["x"])
        own_server.kill()
        own_server.start()
        assert await links.call(GET, [key(links)], []) is None


async def test_a_server_that_is_not_there_is_said_to_be_unreachable(own_server: Server, connect: Connect):
    links = await connect(own_server.url)
    own_server.stop()
    with pytest.raises(StoreUnavailable, match=rf"unreachable: 127\.0\.0\.1:{own_server.port}: .*connect"):
        await links.call(SET, [key(links)], ["x"])


async def test_a_frozen_server_ends_every_call_at_its_deadline(own_server: Server, connect: Connect):
    links = await connect(own_server.url)
    with_deadline(links, 0.3)
    own_server.freeze()
    try:
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(
                *(links.call(GET, [key(links)], []) for _ in range(3)), return_exceptions=True
            )
    finally:
        own_server.thaw()
    assert [getattr(answer, "reason", answer) for answer in answers] == ["unreachable"] * 3
    with_deadline(links, 10)
    assert await links.call(SET, [key(links)], ["x"]) == b"OK"


async def test_a_swallowed_connection_is_given_up_and_a_new_one_serves(
    redis_server: ServerLike, connect: Connect
):
    with Proxy() as proxy:
        links = await connect(proxy.url_for(redis_server.url))
        await links.call(SET, [key(links)], ["x"])
        proxy.swallow()
        with_deadline(links, 0.3)
        with pytest.raises(StoreUnavailable, match="unreachable"):
            await links.call(ADD, [key(links, name="n")], [1])
        with_deadline(links, 10)
        assert await links.call(GET, [key(links)], []) == b"x"


async def test_a_script_that_may_run_twice_is_sent_again_when_its_answer_got_lost(
    redis_server: ServerLike, connect: Connect
):
    with Proxy() as proxy:
        links = await connect(proxy.url_for(redis_server.url))
        proxy.drop_replies(0.05)
        lost = 0
        for number in range(200):
            try:
                await links.call(SET, [key(links)], [number])
            except StoreUnavailable:
                lost += 1
        assert proxy.dropped > 0
        assert lost < proxy.dropped


async def test_a_script_that_must_not_run_twice_is_sent_once(redis_server: ServerLike, connect: Connect):
    with Proxy() as proxy:
        links = await connect(proxy.url_for(redis_server.url))
        await links.call(ADD, [key(links)], [0])
        reasons: set[str] = set()
        proxy.drop_replies(0.05)
        for _ in range(200):
            try:
                await links.call(ADD, [key(links)], [1])
            except StoreUnavailable as error:
                reasons.add(error.reason)
        proxy.heal()
        assert reasons == {"unreachable"}
        assert await links.call(ADD, [key(links)], [0]) == 200
        assert proxy.dropped > 0


async def test_closing_ends_calls_that_wait(own_server: Server, connect: Connect):
    links = await connect(own_server.url)
    own_server.freeze()
    try:
        waiting = asyncio.create_task(links.call(GET, [key(links)], []))
        await asyncio.wait([waiting], timeout=0.01)
        await links.close()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(StoreUnavailable, match="closed"):
                await waiting
    finally:
        own_server.thaw()
    with pytest.raises(StoreUnavailable, match="closed"):
        await links.call(GET, [key(links)], [])


async def test_every_event_loop_has_connections_of_its_own(links: Links):
    answers: list[bytes] = []

    def elsewhere() -> None:
        async def ask() -> None:
            answers.append(await links.call(SET, [key(links)], ["x"]))

        asyncio.run(ask())

    threads = [threading.Thread(target=elsewhere) for _ in range(3)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert answers == [b"OK"] * 3
    assert await links.call(GET, [key(links)], []) == b"x"


async def test_a_wrong_password_names_the_cure_and_not_the_password(own_server: Server, connect: Connect):
    links = await connect(own_server.url)
    await links.command("CONFIG", "SET", "requirepass", "right")
    try:
        with pytest.raises(StoreUnavailable, match="user and password in the URL") as raised:
            await connect(own_server.url.replace("redis://", "redis://:wrongsecret@"))
        assert "wrongsecret" not in str(raised.value)
        with pytest.raises(StoreUnavailable, match="user and password in the URL"):
            await connect(own_server.url)
    finally:
        await links.command("CONFIG", "SET", "requirepass", "")


async def test_a_node_of_a_cluster_that_is_used_alone_says_what_to_write(
    redis_cluster: ServerLike, connect: Connect
):
    host = redis_cluster.url.removeprefix("redis+cluster://").partition(",")[0]
    links = await connect(f"redis://{host}/0")
    calls = [Call(SET, [key(links, queue)], ["x"]) for queue in "abcdefgh"]  # in more slots than one node has
    with pytest.raises(StoreUnavailable, match=r"redis\+cluster://"):
        await links.call_each(calls)
