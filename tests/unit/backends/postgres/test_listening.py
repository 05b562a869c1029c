"""Wake-ups: heard at once, found again when the session is lost, and left to polling where they cannot work."""

import asyncio
import logging
from urllib.parse import quote

import pytest

from longshore.backends.postgres.links import Lane, Links
from longshore.core.errors import StoreUnavailable
from longshore.store.replies import Wake, WakeKind
from servers.proxy import Proxy
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import MakeLinks, Query, until

LISTENS = (
    "FROM pg_stat_activity WHERE application_name = 'longshore listen' AND query LIKE '%:' || $1 || ':%'"
)


async def tell(links: Links, *words: str) -> None:
    for word in words:
        await links.run(
            Lane.OTHER,
            lambda c, word=word: c.fetch("SELECT pg_notify($1, $2)", links.dsn.names.channel, word),
        )


async def end_the_ear(query: Query, links: Links) -> None:
    """Ends the session that listens, as a restart of the server would."""
    await query(f"SELECT pg_terminate_backend(pid) {LISTENS}", links.dsn.names.schema)


async def test_a_listener_hears_what_it_asked_for_and_nothing_else(links: Links) -> None:
    pending = await links.listen({WakeKind.PENDING}, {"mail"})
    anything = await links.listen({WakeKind.PENDING, WakeKind.CANCEL}, None)
    await tell(links, "pending:mail", "pending:other", "cancel:mail", "later-invented:mail")
    assert await pending.wait(5) == [Wake(WakeKind.PENDING, "mail")]
    heard = await anything.wait(5)
    while len(heard) < 3:
        heard += await anything.wait(5)
    assert set(heard) == {
        Wake(WakeKind.PENDING, "mail"),
        Wake(WakeKind.PENDING, "other"),
        Wake(WakeKind.CANCEL, "mail"),
    }
    await pending.close()
    await anything.close()


async def test_all_listeners_of_a_loop_share_one_session_and_the_last_one_ends_it(
    links: Links, query: Query
) -> None:
    listeners = [await links.listen({WakeKind.PENDING}, {str(number)}) for number in range(5)]
    assert await query(f"SELECT count(*) {LISTENS}", links.dsn.names.schema) == [(1,)]
    for listener in listeners:
        await listener.close()
    await until(query, f"SELECT count(*) = 0 {LISTENS}", links.dsn.names.schema)


async def test_who_listens_for_ends_of_jobs_is_known_to_those_who_end_them(links: Links, schema: str) -> None:
    ears = f"SELECT kind FROM {schema}.ear WHERE until_ms > extract(epoch FROM now()) * 1000"
    pending = await links.listen({WakeKind.PENDING}, None)
    assert await links.run(Lane.READ, lambda c: c.fetch(ears)) == []
    finished = await links.listen({WakeKind.FINISHED}, None)
    assert [row["kind"] for row in await links.run(Lane.READ, lambda c: c.fetch(ears))] == ["finished"]
    await pending.close()
    await finished.close()


async def test_a_session_that_is_lost_is_found_again_and_everybody_looks_once(
    links: Links, query: Query
) -> None:
    """S1.4: what was told in between is lost, so each listener is woken for all of its queues."""
    some = await links.listen({WakeKind.PENDING}, {"a", "b"})
    anything = await links.listen({WakeKind.CANCEL}, None)
    await end_the_ear(query, links)
    assert set(await some.wait(10)) == {Wake(WakeKind.PENDING, "a"), Wake(WakeKind.PENDING, "b")}
    assert await anything.wait(10) == [Wake(WakeKind.CANCEL, "")]
    await tell(links, "pending:a")
    assert await some.wait(10) == [Wake(WakeKind.PENDING, "a")]
    await some.close()
    await anything.close()


async def test_a_session_that_falls_silent_is_noticed_by_its_ping(
    make_links: MakeLinks, postgres: ServerLike, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longshore.backends.postgres.listen_session.PING_SECONDS", 0.1)
    links = await make_links(proxy.url_for(postgres.url), deadline=1)
    listener = await links.listen({WakeKind.PENDING}, {"a"})
    proxy.swallow()
    assert await listener.wait(10) == [Wake(WakeKind.PENDING, "a")]
    await listener.close()


async def test_listening_where_nobody_answers_is_refused_and_leaves_nothing(
    make_links: MakeLinks, postgres: ServerLike, proxy: Proxy
) -> None:
    links = await make_links(proxy.url_for(postgres.url), deadline=0.5)
    proxy.swallow(new_ones=True)
    with pytest.raises(StoreUnavailable) as raised:
        await links.listen({WakeKind.PENDING}, None)
    assert raised.value.reason == "unreachable"
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "longshore listen session"]


async def test_closing_the_store_ends_who_waits(links: Links) -> None:
    listener = await links.listen({WakeKind.PENDING}, None)
    waiting = asyncio.create_task(listener.wait(60))
    await asyncio.sleep(0)
    await links.close()
    with pytest.raises(StoreUnavailable) as raised:
        await waiting
    assert raised.value.reason == "closed"


async def test_a_listener_that_nobody_waits_for_may_be_cancelled_while_it_joins(links: Links) -> None:
    joining = asyncio.create_task(links.listen({WakeKind.PENDING}, None))
    await asyncio.sleep(0)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "longshore listen session"]


# ------------------------------------------------------------------------------------------------- through a pooler


async def test_through_a_pooler_nothing_is_heard_and_it_is_said_once(
    make_links: MakeLinks, pooler: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S1.4: LISTEN cannot work behind transaction pooling; listeners stay silent and polling goes on."""
    monkeypatch.setattr("longshore.backends.postgres.echoing.ECHO_SECONDS", 0.2)
    links = await make_links(pooler)
    with caplog.at_level(logging.WARNING):
        listeners = [await links.listen({WakeKind.PENDING}, None) for _ in range(2)]
    assert [record.getMessage() for record in caplog.records if "?notify=" in record.getMessage()]
    await tell(links, "pending:mail")
    assert await listeners[0].wait(0.1) == []
    for listener in listeners:
        await listener.close()
    assert len(caplog.records) == 1


async def test_a_direct_way_beside_the_pooler_hears(
    make_links: MakeLinks, pooler: str, postgres: ServerLike
) -> None:
    links = await make_links(pooler, notify=quote(postgres.url, safe=""))
    listener = await links.listen({WakeKind.PENDING}, None)
    await tell(links, "pending:mail")
    assert await listener.wait(5) == [Wake(WakeKind.PENDING, "mail")]
    await listener.close()


async def test_a_way_that_leads_to_another_database_is_deaf(
    make_links: MakeLinks, postgres: ServerLike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longshore.backends.postgres.echoing.ECHO_SECONDS", 0.2)
    other = postgres.url.rpartition("/")[0] + "/template1"
    links = await make_links(notify=quote(other, safe=""))
    listener = await links.listen({WakeKind.PENDING}, None)
    await tell(links, "pending:mail")
    assert await listener.wait(0.1) == []
    await listener.close()
