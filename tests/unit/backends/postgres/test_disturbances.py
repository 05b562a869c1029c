"""What servers and networks do to connections, and how soon the next call is well."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from pathlib import Path

import asyncpg
import pytest

from longshore.backends.postgres.connecting import session_settings
from longshore.backends.postgres.links import Connection, Lane, Links
from longshore.backends.postgres.url import parse
from longshore.core.errors import StoreUnavailable
from servers import transaction_pool
from servers.proxy import Proxy
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import MakeLinks, Query, until


async def pid(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def pids(links: Links) -> set[int]:
    return {await links.run(lane, pid) for lane in Lane}


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(StoreUnavailable) as raised:
        await call
    return raised.value.reason


async def write(connection: Connection) -> None:
    await connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS scratch (number integer)")


async def test_a_backend_that_is_killed_takes_all_idle_connections_along(links: Links, query: Query) -> None:
    """S3.19: whoever is told that the server shuts down trusts no other connection to it."""
    before = await pids(links)

    async def be_killed(connection: Connection) -> None:
        await connection.fetch("SELECT pg_terminate_backend(pg_backend_pid())")

    assert await reason(links.run(Lane.CLAIM, be_killed)) == "unreachable"
    assert not before & await pids(links)


async def test_a_backend_that_is_killed_while_idle_is_not_even_noticed(links: Links, query: Query) -> None:
    goodbye = asyncio.Event()

    async def listen(connection: Connection) -> int:
        connection.driver.add_termination_listener(lambda _: goodbye.set())
        return await pid(connection)

    before = await links.run(Lane.OTHER, listen)
    await query("SELECT pg_terminate_backend($1)", before)
    await asyncio.wait_for(goodbye.wait(), 30)
    assert await links.run(Lane.OTHER, pid) != before


async def test_a_primary_that_was_demoted_is_left_at_once(links: Links, query: Query) -> None:
    """S3.19: an error of a read-only server ends its connections, and the next call finds the new primary."""
    before = await pids(links)
    await links.run(Lane.OTHER, lambda c: c.execute("SET default_transaction_read_only = on"))
    assert (
        await reason(links.run(Lane.OTHER, lambda c: c.execute("CREATE TABLE never (number integer)")))
        == "read-only"
    )
    await links.run(Lane.OTHER, write)
    assert not before & await pids(links)


async def test_a_network_that_resets_connections_costs_one_call(
    make_links: MakeLinks, postgres: ServerLike, proxy: Proxy, query: Query
) -> None:
    links = await make_links(proxy.url_for(postgres.url))
    runs = asyncio.Queue[int]()

    async def run_long(connection: Connection) -> None:
        runs.put_nowait(await pid(connection))
        await connection.execute("SELECT pg_sleep(30)")

    calls = [asyncio.create_task(links.run(lane, run_long)) for lane in (Lane.CLAIM, Lane.SETTLE)]
    await links.run(Lane.READ, pid)
    for backend in [await runs.get(), await runs.get()]:
        asleep = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1"
        await until(query, asleep, backend)
    proxy.cut()
    assert [await reason(call) for call in calls] == ["unreachable"] * 2
    assert len(await pids(links)) == len(Lane)


async def test_a_black_hole_costs_no_more_than_the_deadline(
    make_links: MakeLinks, postgres: ServerLike, proxy: Proxy
) -> None:
    """S3.19: calls resume within two deadlines, though the old connections never end."""
    links = await make_links(proxy.url_for(postgres.url), deadline=1)
    await pids(links)
    proxy.swallow()
    began = time.monotonic()
    replies = await asyncio.gather(*(links.run(lane, pid) for lane in Lane), return_exceptions=True)
    assert {type(reply) for reply in replies} == {StoreUnavailable}
    assert len(await pids(links)) == len(Lane)
    assert time.monotonic() - began < 2


async def test_a_server_that_does_not_answer_new_connections_is_given_up(
    make_links: MakeLinks, postgres: ServerLike, proxy: Proxy
) -> None:
    links = await make_links(proxy.url_for(postgres.url), deadline=1)
    proxy.swallow(new_ones=True)
    assert await reason(links.run(Lane.OTHER, pid)) == "unreachable"
    proxy.heal()
    assert await links.run(Lane.OTHER, pid)


async def test_a_full_server_is_waited_for(
    postgres: ServerLike, make_links: MakeLinks, query: Query, schema: str
) -> None:
    """Each refusal makes the next wait longer; whoever waits gets the first place that is free."""
    role = f"{schema}_role"
    await query(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 2")
    await make_links()
    await query(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    await query(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    url = f"postgresql://{role}:x@{postgres.url.rpartition('@')[2]}"
    links = await make_links(url, deadline=2)
    await links.run(Lane.READ, pid)
    holder = await asyncpg.connect(url)
    call = asyncio.create_task(links.run(Lane.OTHER, pid))
    assert not (await asyncio.wait({call}, timeout=0.3))[0]
    await holder.close()
    assert await call
    assert await reason(links.run(Lane.CLAIM, pid)) == "busy"
    await links.close()
    await query(f"DROP OWNED BY {role}")
    await query(f"DROP ROLE {role}")


# --------------------------------------------------------------------------------------------- several hosts


def with_hosts(url: str, hosts: str) -> str:
    head, _, tail = url.rpartition("@")
    return f"{head}@{hosts.replace('LIVE', tail.partition('/')[0])}/{tail.partition('/')[2]}"


@pytest.mark.parametrize("hosts", ["127.0.0.1:1,LIVE", "LIVE,127.0.0.1:1", "no-such-host.invalid:5432,LIVE"])
async def test_the_first_host_that_takes_writes_is_used(
    make_links: MakeLinks, postgres: ServerLike, hosts: str
) -> None:
    links = await make_links(with_hosts(postgres.url, hosts))
    await links.run(Lane.OTHER, write)
    assert len(await pids(links)) == len(Lane)


async def test_a_host_that_swallows_connections_does_not_take_the_whole_deadline(
    make_links: MakeLinks, postgres: ServerLike, proxy: Proxy
) -> None:
    hole = proxy.url_for(postgres.url).rpartition("@")[2].partition("/")[0]
    proxy.swallow(new_ones=True)
    links = await make_links(with_hosts(postgres.url, f"{hole},LIVE"), deadline=4, connect_timeout=0.5)
    began = time.monotonic()
    assert len(await pids(links)) == len(Lane)
    assert time.monotonic() - began < 2  # the good host is remembered: nobody waits for the other one again


async def test_where_no_host_takes_writes_the_store_is_read_only(
    make_links: MakeLinks, postgres: ServerLike, query: Query, schema: str
) -> None:
    role = f"{schema}_reader"
    await query(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    await query(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    url = with_hosts(f"postgresql://{role}:x@{postgres.url.rpartition('@')[2]}", "127.0.0.1:1,LIVE,LIVE")
    with pytest.raises(StoreUnavailable) as raised:
        await make_links(url)
    assert raised.value.reason in {"read-only", "unreachable"}
    await query(f"DROP ROLE {role}")


# ---------------------------------------------------------------------------------------------- whose password


async def test_the_password_comes_from_where_users_of_postgresql_keep_it(
    make_links: MakeLinks, postgres: ServerLike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, _, where = postgres.url.removeprefix("postgresql://").rpartition("@")
    user, _, password = who.partition(":")
    host, _, port = where.partition("/")[0].partition(":")
    bare = f"postgresql://{user}@{where}"
    monkeypatch.setenv("PGPASSWORD", password)
    await (await make_links(bare)).run(Lane.OTHER, pid)
    monkeypatch.delenv("PGPASSWORD")
    kept = tmp_path / "pgpass"
    kept.write_text(f"{host}:{port}:*:{user}:{password}\n")
    kept.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(kept))
    await (await make_links(bare)).run(Lane.OTHER, pid)
    monkeypatch.delenv("PGPASSFILE")
    services = tmp_path / "services"
    services.write_text(
        f"[mine]\nhost={host}\nport={port}\nuser={user}\npassword={password}\ndbname=postgres\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    await (await make_links("postgresql:///", service="mine")).run(Lane.OTHER, pid)


async def test_a_wrong_password_is_unreachable_and_not_shown(
    make_links: MakeLinks, postgres: ServerLike
) -> None:
    where = postgres.url.rpartition("@")[2]
    with pytest.raises(StoreUnavailable) as raised:
        await make_links(f"postgresql://longshore:hunter2@{where}")
    assert raised.value.reason == "unreachable"
    assert "hunter2" not in str(raised.value)


# ------------------------------------------------------------------------------------------------- through a pooler


async def test_a_pooler_is_recognised_and_nothing_of_a_session_is_relied_upon(
    make_links: MakeLinks, pooler: str
) -> None:
    links = await make_links(pooler)

    async def is_pooled(connection: Connection) -> bool:
        return connection.is_pooled

    assert await links.run(Lane.OTHER, is_pooled)


async def test_a_pooler_that_takes_any_greeting_is_recognised_by_its_process(
    make_links: MakeLinks, postgres: ServerLike, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PgBouncer does when its ignore_startup_parameters names our settings: they are lost without a word."""
    words = {"application_name", *session_settings(parse(postgres.url))}
    monkeypatch.setattr("servers.transaction_pool.ALLOWED", transaction_pool.ALLOWED | words)
    with contextlib.closing(transaction_pool.TransactionPool(postgres.url, size=2)) as pool:
        links = await make_links(pool.url)

        async def is_pooled(connection: Connection) -> bool:
            return connection.is_pooled

        assert await links.run(Lane.OTHER, is_pooled)
        await links.close()


async def test_calls_through_a_pooler_may_each_reach_another_session(
    make_links: MakeLinks, pooler: str
) -> None:
    handles = [await make_links(pooler) for _ in range(4)]
    for _ in range(5):
        answers = await asyncio.gather(
            *(
                links.run(lane, lambda c: c.fetchval("SELECT $1::integer", 7))
                for links in handles
                for lane in Lane
            )
        )
        assert set(answers) == {7}


async def test_a_call_through_a_pooler_is_ended_by_its_deadline(make_links: MakeLinks, pooler: str) -> None:
    links = await make_links(pooler, deadline=0.5)
    assert await reason(links.run(Lane.OTHER, lambda c: c.execute("SELECT pg_sleep(3)"))) == "unreachable"
    assert await links.run(Lane.OTHER, pid)


async def test_a_direct_way_is_not_taken_for_a_pooler(links: Links) -> None:
    async def is_pooled(connection: Connection) -> bool:
        return connection.is_pooled

    assert not await links.run(Lane.OTHER, is_pooled)
