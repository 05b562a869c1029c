"""What a worker learns about limits and providers, how often, and what it tells."""

import pytest

from longshore import Concurrency, QueueManager
from longshore.core.limits import Limit
from longshore.flow.overrides import override_of, set_override, withdraw_override
from longshore.flow.parking import parked
from longshore.manager.rule_watch import LOOK_SECONDS, REST_SECONDS, TUNE_EVERY, TUNINGS, RuleWatch
from longshore.store.commands import ClaimAsk, Lease


def override(limit: Limit):
    return override_of("q", limit.flow_key("concurrency", "", 1))


@pytest.fixture
async def shop(tmp_path):
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:

        @manager.queue("q", limit=Concurrency(1)).task
        async def work(): ...

        manager.work = work
        yield manager


async def watch_of(manager):
    return RuleWatch(await manager.runtime.engines.here(), manager.runtime)


async def allowed(manager):
    return [limit.limit for limit in await manager.get_limits("q")]


async def test_a_worker_knows_of_a_changed_limit_and_tunes_again_what_late_producers_brought(shop):
    """B.6: within two seconds; whoever added a job meanwhile did not know yet."""
    store = await shop.store()
    watch = await watch_of(shop)
    await shop.work.enqueue()
    await set_override(store, override(Concurrency(5)))
    await watch.look()
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
    watch = await watch_of(shop)
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
    watch = await watch_of(shop)
    shop.runtime.parking.park("here", 60)
    await watch.look()
    assert list(await parked(store)) == ["here"]
    async with QueueManager(shop.url) as elsewhere:
        await elsewhere.park_provider("there", 60)
    await watch.look()
    assert shop.runtime.parking.seconds("there") > 0
    assert shop.runtime.parking.soonest(["here", "there", "free"]) == 0


@pytest.fixture
async def plain(tmp_path):
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:

        @manager.queue("q").task
        async def work(): ...

        yield manager


async def pause_of(manager):
    return await (await watch_of(manager)).look()


async def test_a_worker_without_limits_and_providers_hardly_looks(plain):
    assert await pause_of(plain) >= 0.9 * REST_SECONDS


async def test_a_worker_with_limits_looks_a_second_after_it_claims_and_rests_when_it_rests(shop):
    """B.6: a limit that was set while it rested holds in time for the jobs behind the first."""
    engine = await shop.runtime.engines.here()
    watch = RuleWatch(engine, shop.runtime)
    hastened = []
    watch.hasten = hastened.append
    await watch.start()
    try:
        assert await watch.look() >= 0.9 * REST_SECONDS
        await shop.work.enqueue()
        await engine.store.extend([Lease(session="w", lease_ms=60_000, queues=("q",), opens=True)])
        await engine.claim([ClaimAsk("q", 5, "w")])
        assert hastened == [LOOK_SECONDS]
        await engine.claim([ClaimAsk("q", 5, "w")])
        assert hastened == [LOOK_SECONDS]
        assert await watch.look() == LOOK_SECONDS
        assert await watch.look() >= 0.9 * REST_SECONDS
    finally:
        await watch.stop()
    await shop.work.enqueue()
    await engine.claim([ClaimAsk("q", 5, "w")])
    assert hastened == [LOOK_SECONDS]


async def test_a_claim_hastens_no_look_of_a_worker_without_limits(plain):
    engine = await plain.runtime.engines.here()
    watch = RuleWatch(engine, plain.runtime)
    hastened = []
    watch.hasten = hastened.append
    await watch.start()
    await plain.add_job("q", "work", {})
    await engine.store.extend([Lease(session="w", lease_ms=60_000, queues=("q",), opens=True)])
    [claimed] = await engine.claim([ClaimAsk("q", 5, "w")])
    assert len(claimed.jobs) == 1
    await watch.stop()
    assert hastened == []


async def test_a_worker_looks_once_a_second_where_a_task_names_a_provider(plain):
    @plain.task(provider="gateway")
    async def send(): ...

    assert await pause_of(plain) == LOOK_SECONDS


async def test_a_worker_looks_once_a_second_when_another_process_has_parked_a_provider(plain):
    async with QueueManager(plain.url) as elsewhere:
        await elsewhere.park_provider("gateway", 60)
    assert await pause_of(plain) == LOOK_SECONDS


async def test_a_worker_that_rests_looks_at_once_when_a_job_picks_a_provider(plain):
    looks = []
    plain.runtime.parking.watch(lambda: looks.append(1))
    assert plain.runtime.parking.soonest([]) == 0
    assert looks == []
    assert plain.runtime.parking.seconds("gateway") == 0
    assert plain.runtime.parking.seconds("gateway") == 0
    assert looks == [1]
    assert await pause_of(plain) == LOOK_SECONDS
