"""Calls in lanes: who waits for whom, and what a caller that is cancelled or too slow leaves behind."""

import asyncio
import threading

import asyncpg
import pytest

from longshore.backends.postgres.links import Connection, Lane, Links
from longshore.core.errors import StoreUnavailable
from tests.unit.backends.postgres.asking import MakeLinks, Query, until


async def pid(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def pids(links: Links) -> dict[Lane, int]:
    return {lane: await links.run(lane, pid) for lane in Lane}


async def overlap(links: Links, first: Lane, second: Lane) -> bool:
    """Whether a call of one lane goes on while one of the other is under way."""
    is_within, go_on = asyncio.Event(), asyncio.Event()

    async def wait(connection: Connection) -> None:
        is_within.set()
        await go_on.wait()

    slow = asyncio.create_task(links.run(first, wait))
    await is_within.wait()
    quick = asyncio.create_task(links.run(second, pid))
    done, _ = await asyncio.wait({quick}, timeout=0.3)
    go_on.set()
    await asyncio.gather(slow, quick)
    return bool(done)


async def test_claiming_and_settling_and_adding_and_reading_go_on_side_by_side(links: Links) -> None:
    assert len(set((await pids(links)).values())) == len(Lane)
    assert await overlap(links, Lane.CLAIM, Lane.SETTLE)


async def test_a_heartbeat_waits_for_nobody_even_in_the_smallest_pool(make_links: MakeLinks) -> None:
    """S3.17: a lease is prolonged in time, whatever else goes on."""
    links = await make_links(pool=1)
    assert await overlap(links, Lane.SETTLE, Lane.LEASE)
    assert not await overlap(links, Lane.CLAIM, Lane.SETTLE)


@pytest.mark.parametrize(("pool", "connections"), [(1, 2), (2, 3), (3, 4), (4, 5)])
async def test_a_pool_is_as_large_as_it_says_and_one_for_leases(
    make_links: MakeLinks, pool: int, connections: int
) -> None:
    assert len(set((await pids(await make_links(pool=pool))).values())) == connections


async def test_connections_are_opened_when_they_are_first_needed(links: Links, query: Query) -> None:
    [(before,)] = await query("SELECT clock_timestamp()")
    await links.run(Lane.OTHER, pid)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'longshore %' AND backend_start >= $1"
    assert await query(ours, before) == [(1,)]


async def test_sessions_have_the_settings_that_claims_need(links: Links) -> None:
    async def settings(connection: Connection) -> list[str]:
        names = (
            "jit",
            "enable_seqscan",
            "default_transaction_isolation",
            "statement_timeout",
            "lock_timeout",
        )
        return [await connection.fetchval("SELECT current_setting($1)", name) for name in names]

    assert await links.run(Lane.CLAIM, settings) == ["off", "off", "read committed", "9s", "7500ms"]


# ---------------------------------------------------------------------------------------------------- cancelled


async def sleep(connection: Connection) -> None:
    await connection.execute("SELECT pg_sleep(30)")


ASLEEP = "FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)' AND state = 'active'"


async def test_a_caller_that_is_cancelled_harms_nobody_and_stops_the_server(
    links: Links, query: Query
) -> None:
    before = await links.run(Lane.OTHER, pid)
    slow = asyncio.create_task(links.run(Lane.OTHER, sleep))
    await until(query, f"SELECT count(*) > 0 {ASLEEP}")
    next_one = asyncio.create_task(links.run(Lane.OTHER, pid))
    await asyncio.sleep(0)
    slow.cancel()
    assert await next_one != before  # nobody waits for the end of what was cancelled
    with pytest.raises(asyncio.CancelledError):
        await slow
    await until(query, f"SELECT count(*) = 0 {ASLEEP}")


async def test_a_server_hears_that_it_should_stop_although_the_links_close(
    links: Links, query: Query
) -> None:
    """PgBouncer 1.18 ends itself over a request to cancel that breaks off: "bad client state: 1"."""
    slow = asyncio.create_task(links.run(Lane.OTHER, sleep))
    await until(query, f"SELECT count(*) > 0 {ASLEEP}")
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    await links.close()
    async with asyncio.timeout(4):  # unasked, the server stops after 9 s
        await until(query, f"SELECT count(*) = 0 {ASLEEP}")


async def test_a_caller_that_is_cancelled_leaves_no_transaction(
    links: Links, query: Query, schema: str
) -> None:
    await query(f"CREATE TABLE {schema}.witness (number integer)")
    is_within = asyncio.Event()

    async def half(connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(f"INSERT INTO {schema}.witness VALUES (1)")
            is_within.set()
            await sleep(connection)

    call = asyncio.create_task(links.run(Lane.OTHER, half))
    await is_within.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(query, f"SELECT count(*) = 0 {ASLEEP}")
    assert await query(f"SELECT count(*) FROM {schema}.witness") == [(0,)]


async def test_a_caller_that_is_cancelled_in_the_queue_costs_no_connection(links: Links) -> None:
    before = await links.run(Lane.OTHER, pid)
    go_on = asyncio.Event()

    async def wait(connection: Connection) -> None:
        await go_on.wait()

    first = asyncio.create_task(links.run(Lane.OTHER, wait))
    waiting = asyncio.create_task(links.run(Lane.OTHER, pid))
    await asyncio.sleep(0)
    waiting.cancel()
    go_on.set()
    await first
    assert await links.run(Lane.OTHER, pid) == before


async def test_work_that_leaves_a_transaction_open_costs_its_connection(links: Links, query: Query) -> None:
    before = await links.run(Lane.OTHER, pid)
    await links.run(Lane.OTHER, lambda c: c.execute("BEGIN"))
    async with asyncio.timeout(10):  # the server's own time-out for such a transaction is 20 s
        await until(query, "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1)", before)
    assert await links.run(Lane.OTHER, pid) != before


async def test_a_statement_that_is_wrong_costs_nothing_else(links: Links) -> None:
    before = await links.run(Lane.OTHER, pid)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await links.run(Lane.OTHER, lambda c: c.fetch("SELECT 1 / 0"))
    with pytest.raises(asyncpg.DataError):
        await links.run(Lane.OTHER, lambda c: c.fetch("SELECT $1::integer", "one"))
    assert await links.run(Lane.OTHER, pid) == before


# --------------------------------------------------------------------------------------------- deadlines, races


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(make_links: MakeLinks) -> None:
    links = await make_links(deadline=0.5)
    before = await links.run(Lane.OTHER, pid)
    with pytest.raises(StoreUnavailable) as raised:
        await links.run(Lane.OTHER, sleep)
    assert raised.value.reason == "busy"
    assert await links.run(Lane.OTHER, pid) == before


async def test_a_lock_of_somebody_else_is_named(make_links: MakeLinks, query: Query, schema: str) -> None:
    links = await make_links(deadline=0.5)
    await query("BEGIN")
    await query(f"LOCK TABLE {schema}.schema_version")
    with pytest.raises(StoreUnavailable) as raised:
        await links.run(Lane.OTHER, lambda c: c.fetch(f"SELECT * FROM {schema}.schema_version"))
    assert raised.value.reason == "locked"
    await query("ROLLBACK")


async def test_a_caller_waits_for_its_turn_no_longer_than_its_deadline(make_links: MakeLinks) -> None:
    links = await make_links(deadline=0.5)
    never = asyncio.Event()

    async def hang(connection: Connection) -> None:
        await never.wait()

    calls = [asyncio.create_task(links.run(Lane.OTHER, hang)) for _ in range(3)]
    async with asyncio.timeout(3):
        replies = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(reply) for reply in replies] == [StoreUnavailable] * 3


async def test_a_transaction_that_loses_a_race_is_tried_once_more(links: Links) -> None:
    attempts: list[int] = []

    async def lose(connection: Connection, times: int) -> int:
        attempts.append(await pid(connection))
        if len(attempts) <= times:
            await connection.execute("DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$")
        return len(attempts)

    assert await links.run(Lane.OTHER, lambda c: lose(c, 1)) == 2
    assert len(set(attempts)) == 1
    attempts.clear()
    with pytest.raises(StoreUnavailable) as raised:
        await links.run(Lane.OTHER, lambda c: lose(c, 5))
    assert (raised.value.reason, len(attempts)) == ("locked", 2)


# ------------------------------------------------------------------------------------------- loops, the end of it


async def test_other_threads_have_connections_of_their_own_and_leave_none(links: Links, query: Query) -> None:
    found: list[int] = []

    def work() -> None:
        async def ask() -> int:
            return await links.run(Lane.OTHER, pid)

        found.append(asyncio.run(ask()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    mine = await links.run(Lane.OTHER, pid)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert len({mine, *found}) == 4
    await until(query, "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = ANY($1))", found)


async def test_closing_ends_calls_and_says_so(make_links: MakeLinks, query: Query) -> None:
    links = await make_links(deadline=2)
    calls = [asyncio.create_task(links.run(lane, sleep)) for lane in (Lane.CLAIM, Lane.OTHER, Lane.OTHER)]
    await until(query, f"SELECT count(*) > 0 {ASLEEP}")
    await links.close()
    for call in calls:
        with pytest.raises(StoreUnavailable) as raised:
            await call
        assert raised.value.reason == "closed"
    with pytest.raises(StoreUnavailable, match="open\\(\\) the store"):
        await links.run(Lane.OTHER, pid)


async def test_a_child_of_a_fork_is_told_to_open_its_own(links: Links) -> None:
    links._process -= 1
    with pytest.raises(StoreUnavailable, match="open a store of its own"):
        await links.run(Lane.OTHER, pid)


async def test_every_statement_counts_as_a_journey(links: Links) -> None:
    await links.run(Lane.OTHER, pid)
    before = links.journeys

    async def twice_in_a_transaction(connection: Connection) -> None:
        async with connection.transaction():
            await pid(connection)
            await pid(connection)

    await links.run(Lane.OTHER, pid)
    assert links.journeys == before + 1
    await links.run(Lane.OTHER, twice_in_a_transaction)
    assert links.journeys == before + 5
