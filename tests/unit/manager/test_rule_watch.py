"""What a worker learns once a second about limits and providers, and what it tells."""

import pytest

from longshore import Concurrency, QueueManager
from longshore.core.limits import Limit
from longshore.flow.overrides import override_of, set_override, withdraw_override
from longshore.flow.parking import parked
from longshore.manager.rule_watch import LOOK_SECONDS, TUNE_EVERY, TUNINGS, RuleWatch


def override(limit: Limit):
    return override_of("q", limit.flow_key("concurrency", "", 1))


@pytest.fixture
async def shop(tmp_path):
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:

        @manager.queue("q", limit=Concurrency(1)).task
        async def work(): ...

        manager.work = work
        yield manager


async def allowed(manager):
    return [limit.limit for limit in await manager.get_limits("q")]


async def test_a_worker_knows_of_a_changed_limit_and_tunes_again_what_late_producers_brought(shop):
    """B.6: within two seconds; whoever added a job meanwhile did not know yet."""
    store = await shop.store()
    watch = RuleWatch(store, shop.runtime)
    await shop.work.enqueue()
    await set_override(store, override(Concurrency(5)))
    assert await watch.look() == LOOK_SECONDS
    assert shop.runtime.overrides.get("q", "concurrency").limit == 5
    async with QueueManager(shop.url) as late:
        late.queue("q", limit=Concurrency(1))
        late.runtime.overrides.looked_at = late.runtime.clock.monotonic()
        await late.add_job("q", "work", {})
    assert await allowed(shop) == [1]
    await watch.look()
    assert await allowed(shop) == [5]


async def test_meters_are_tuned_from_time_to_time_as_long_as_a_limit_is_changed(shop):
    store = await shop.store()
    watch = RuleWatch(store, shop.runtime)
    await set_override(store, override(Concurrency(5)))
    await shop.work.enqueue()
    for _ in range(TUNINGS):
        await watch.look()
    await store.tune([override(Concurrency(2)).tune()])
    for _ in range(TUNE_EVERY - TUNINGS):
        await watch.look()
        assert await allowed(shop) == [2]
    await watch.look()
    assert await allowed(shop) == [5]
    await withdraw_override(store, "q", "concurrency")
    await watch.look()
    assert shop.runtime.overrides.get("q", "concurrency") is None


async def test_a_provider_that_is_parked_here_is_told_to_all_and_the_other_way_round(shop):
    """B.8"""
    store = await shop.store()
    watch = RuleWatch(store, shop.runtime)
    shop.runtime.parking.park("here", 60)
    await watch.look()
    assert list(await parked(store)) == ["here"]
    async with QueueManager(shop.url) as elsewhere:
        await elsewhere.park_provider("there", 60)
    await watch.look()
    assert shop.runtime.parking.seconds("there") > 0
    assert shop.runtime.parking.soonest(["here", "there", "free"]) == 0
