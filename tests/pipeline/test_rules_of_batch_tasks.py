"""Batch tasks under limits, fairness, unique keys and room: their jobs keep to rules like all others."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from longshore import Concurrency, InvalidOption, QueueFull, QueueManager, Rate, Unique


@pytest.fixture
async def manager():
    async with QueueManager(f"memory://{uuid4().hex}", grace=5) as opened:
        yield opened


def batches_of(queue, item: Any = dict, **words):
    """A batch task on the queue, and the batches that it was called with."""
    seen = []

    async def send(items):
        seen.append([each["n"] for each in items])
        return [True] * len(items)

    send.__annotations__ = {"items": list[item]}
    return queue.batch_task(size=10, max_wait=0.05, **words)(send), seen


@pytest.mark.parametrize(
    "words",
    [
        {"limit": Concurrency(2)},
        {"limit": Concurrency(1, by="tenant")},
        {"limit": Concurrency(1, by=lambda item: item["tenant"])},
        {"concurrency_key": "tenant"},
    ],
)
@pytest.mark.parametrize("owner", ["task", "queue"])
async def test_no_batch_holds_more_jobs_than_their_limit_lets_in(manager, words, owner):
    """S0.1, B.6"""
    if owner == "queue" and "concurrency_key" not in words:
        send, seen = batches_of(manager.queue("q", **words))
    else:
        send, seen = batches_of(manager.queue("q"), **words)
    await send.enqueue_many([{"tenant": n % 2, "n": n} for n in range(6)])
    await manager.run_until_empty()
    assert sorted(n for batch in seen for n in batch) == list(range(6))
    assert max(map(len, seen)) <= 2


async def test_jobs_of_a_batch_task_keep_to_a_rate(manager):
    """S3.6"""
    send, seen = batches_of(manager.queue("q", rate_limit=Rate(1, per=60, burst=2)))
    await send.enqueue_many([{"n": n} for n in range(3)])
    assert [limit.held for limit in await manager.get_limits("q")] == [1]
    jobs = await manager.get_jobs(state="held")
    await jobs[0].cancel()
    await manager.run_until_empty()
    assert seen == [[0, 1]]


async def test_an_item_that_waits_already_is_not_added_again(manager):
    """B.5"""
    send, seen = batches_of(manager.queue("q"), unique=Unique(by="n"))
    jobs = await send.enqueue_many([{"n": 1}, {"n": 2}, {"n": 1}])
    assert [job.conflict for job in jobs] == [False, False, True]
    await manager.run_until_empty()
    assert seen == [[1, 2]]


async def test_a_full_queue_turns_items_away(manager):
    """S0.8"""
    send, _ = batches_of(manager.queue("q", max_size=2))
    with pytest.raises(QueueFull, match="full: 2 jobs"):
        await send.enqueue_many([{"n": n} for n in range(3)])


async def test_tenants_take_turns_in_batches(manager):
    """B.7"""
    send, seen = batches_of(manager.queue("q", fair_by="tenant"))
    await send.enqueue_many(
        [*({"tenant": "big", "n": 0} for _ in range(30)), *({"tenant": "small", "n": 1} for _ in range(5))]
    )
    await manager.run_until_empty()
    assert [*seen[0], *seen[1]].count(1) == 5


@dataclass
class Item:
    """What a batch task may take."""

    tenant: str
    n: int = 0


async def test_a_misspelt_field_of_a_known_item_is_refused_where_the_task_is_defined(manager):
    with pytest.raises(InvalidOption, match=r"\(tenant, n\), perhaps 'tenant'"):
        batches_of(manager.queue("q"), Item, limit=Concurrency(1, by="tenent"))
