"""A network that swallows what is sent: connections stay open, nothing answers."""

import pytest

from longshore.backends import open_store
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.store.commands import ClaimAsk, JobQuery, Lease
from servers import running
from servers.proxy import Proxy

URLS = {
    "postgres": lambda name: f"{running.postgres().url}?schema={name}",
    "redis": lambda name: f"{running.redis().url}?prefix={name}",
}


@pytest.fixture(params=URLS)
async def store_and_proxy(request, tmp_path):
    with Proxy() as proxy:
        url = proxy.url_for(URLS[request.param](running.name_for(tmp_path)))
        store = open_store(f"{url}&deadline=0.5")
        await store.open()
        yield store, proxy
        await store.close()


def job():
    return NewJob(id=new_id(), queue="mail", name="send", payload=b"1")


async def use_every_connection(store):
    """One call of each kind, so that each connection is there."""
    lease = Lease(session="s", lease_ms=60_000, queues=("mail",), opens=True)
    await store.extend([lease])
    await store.insert([job()])
    await store.claim([ClaimAsk("mail", 1, "s")])
    await store.scan([JobQuery()])


async def test_after_one_deadline_every_call_takes_a_new_way(store_and_proxy):
    """One silent call costs one deadline; the next ones, on whatever connection, are answered."""
    store, proxy = store_and_proxy
    await use_every_connection(store)
    proxy.swallow()
    with pytest.raises(StoreUnavailable):
        await store.claim([ClaimAsk("mail", 1, "s")])
    await use_every_connection(store)
