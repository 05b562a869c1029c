"""The store contract, on two tiers of which the jobs of most tests are in the quick one."""

import msgspec
import pytest

from longshore.backends.memory import MemoryStore
from longshore.backends.tiers import TwoTiers
from longshore.core.clock import SystemClock
from longshore.core.edges import Edge, Edges
from longshore.core.errors import InvalidOption
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.core.verdict import crashed
from longshore.store.commands import Cancel, ClaimAsk, JobQuery, Lease
from longshore.store.replies import Settled
from longshore.testing.conformance import THEMES, conform
from longshore.testing.conformance.families import ELSEWHERE
from longshore.testing.conformance.jobs import QUEUE, settlement

FAMILIES = ("edges", "cascades", "parents", "blocked", "rejoining")
"""The themes about jobs that wait for others, in whatever queue: those lie in one tier."""


def tiers(place, quick):
    memory = MemoryStore(name=f"tier of {place}")
    return TwoTiers(MemoryStore(name=f"slow tier of {place}"), memory, quick, SystemClock())


TestTwoTiers = conform(
    lambda place: tiers(place, {QUEUE}),
    round_trips=lambda store: store.memory.round_trips,
    themes=[theme for theme in THEMES if theme not in FAMILIES],
)
TestOneOfTwoTiers = conform(
    lambda place: tiers(place, {QUEUE, ELSEWHERE, "a", "b", "c"}),
    round_trips=lambda store: store.memory.round_trips,
    themes=FAMILIES,
)


@pytest.mark.parametrize(("parent", "child"), [("lasting", "quick"), ("quick", "lasting")])
async def test_no_job_waits_for_one_in_the_other_tier(parent, child):
    """S3.8"""
    store = await filled(0, 0)
    first = NewJob(id=new_id(), queue=parent, name="t", payload=b"{}")
    waits = Edges((Edge(first.id, parent),))
    second = NewJob(id=new_id(), queue=child, name="t", payload=b"{}", edges=waits)
    with pytest.raises(InvalidOption, match=f"from {parent} to {child}.*all durable, or all in memory"):
        await store.insert([first, second])
    [page] = await store.scan([JobQuery()])
    assert page.jobs == []


async def filled(durable, quick):
    """Two tiers with so many jobs each."""
    store = TwoTiers(MemoryStore(), MemoryStore(), {"quick"}, SystemClock())
    await store.open()
    await store.insert(
        [NewJob(id=new_id(), queue="lasting", name="t", payload=b"{}") for _ in range(durable)]
    )
    await store.insert([NewJob(id=new_id(), queue="quick", name="t", payload=b"{}") for _ in range(quick)])
    return store


@pytest.mark.parametrize(("durable", "quick"), [(0, 5), (1, 5), (2, 5), (3, 5), (4, 1), (4, 0), (5, 5)])
async def test_pages_over_both_tiers_tell_each_job_once_and_end(durable, quick):
    """S4.1"""
    store = await filled(durable, quick)
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        [page] = await store.scan([JobQuery(limit=2, cursor=cursor)])
        found += [job.queue for job in page.jobs]
        cursor, pages = page.cursor, pages + 1
        assert len(page.jobs) <= 2
    assert found == ["lasting"] * durable + ["quick"] * quick
    assert pages <= (durable + quick) // 2 + 2


NOW = 1_700_000_000_000


@pytest.mark.parametrize("queue", ["lasting", "quick"])
async def test_a_silent_session_lives_as_long_as_nobody_has_rescued_from_it_in_either_tier(queue):
    """S4.1: where it runs nothing it is forgotten, and begun again."""
    store = await filled(1, 1)
    lease = Lease(session="worker", lease_ms=1000)
    await store.extend([msgspec.structs.replace(lease, opens=True)], now_ms=NOW)
    [claimed] = await store.claim([ClaimAsk(queue, 1, "worker")], now_ms=NOW)
    await store.promote(10, now_ms=NOW + 5000)
    [reply] = await store.extend([lease], now_ms=NOW + 5000)
    assert reply.held
    await store.promote(10, now_ms=NOW + 10_000)
    rescue = settlement(claimed.jobs[0], crashed(0), if_lost=True)
    assert await store.settle([rescue], now_ms=NOW + 10_000) == [Settled.APPLIED]
    [reply] = await store.extend([lease], now_ms=NOW + 10_000)
    assert not reply.held


async def test_a_session_that_may_have_been_rescued_from_in_one_tier_is_over():
    """S4.1"""
    store = await filled(1, 1)
    lease = Lease(session="worker", lease_ms=1000)
    await store.extend([msgspec.structs.replace(lease, opens=True)], now_ms=NOW)
    claims = await store.claim([ClaimAsk(each, 1, "worker") for each in ("lasting", "quick")], now_ms=NOW)
    rescue = settlement(claims[0].jobs[0], crashed(0), if_lost=True)
    await store.settle([rescue], now_ms=NOW + 5000)
    [reply] = await store.extend([lease], now_ms=NOW + 5000)
    assert not reply.held


@pytest.mark.parametrize(("durable", "quick"), [(2, 3), (3, 3), (4, 0), (0, 4)])
async def test_an_edit_of_many_that_is_repeated_while_there_is_more_reaches_both_tiers(durable, quick):
    """S4.1"""
    store = await filled(durable, quick)
    changed, more = 0, True
    while more:
        [reply] = await store.change([Cancel(where=JobQuery(states=(State.PENDING,), limit=2))])
        assert len(reply.ids) <= 2
        changed, more = changed + len(reply.ids), reply.more
    assert changed == durable + quick
