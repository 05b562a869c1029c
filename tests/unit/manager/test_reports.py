"""Figures: counts, what happened lately, health."""

import pytest

from longshore import DrainTimeout, QueueManager, Retry, Thresholds
from longshore.core.clock import ManualClock
from longshore.core.states import State
from longshore.manager.reports import stats_of
from longshore.store.replies import QueueCounts


def test_stats_count_each_state_once():
    """S4.6: total is the sum of the seed's five words."""
    counts = QueueCounts(
        queue="q",
        states={state: 2**place for place, state in enumerate(State)},
        oldest_pending_ms=None,
        next_due_ms=None,
    )
    stats = stats_of([counts, counts])
    assert stats.total == 2 * (2 ** len(State) - 1)
    assert stats.total == sum(
        stats[word] for word in ("pending", "processing", "completed", "failed", "cancelled")
    )
    assert (stats.processing, stats["failed"]) == (2 * 16, 2 * 128)
    with pytest.raises(KeyError):
        stats["totals"]


async def test_metrics_say_what_waits_and_what_happened_lately(manager):
    """S3.11 S3.17: waiting, active, completed, failed, delayed, stalled, throughput, mean time."""

    @manager.queue("q", retry=Retry(2, initial=3600)).task
    async def picky(n: int) -> int:
        if n < 0:
            raise ValueError(n)
        return n

    jobs = await picky.enqueue_many([(1,), (2,), (-1,), (-2,)])
    for job in jobs:
        await manager.process_job(job.id)
    await manager.process_job(jobs[3].id)
    await picky.options(delay=60).enqueue(3)
    await picky.enqueue(4)
    metrics = await manager.get_queue_metrics("q")
    shown = {
        word: metrics[word] for word in ("waiting", "active", "completed", "failed", "delayed", "stalled")
    }
    assert shown == {"waiting": 1, "active": 0, "completed": 2, "failed": 1, "delayed": 2, "stalled": 0}
    assert metrics.throughput == pytest.approx(2 / 300)
    assert metrics.error_rate == pytest.approx(3 / 5)
    assert metrics.mean_time >= 0
    await manager.pause_queue("q")
    [only] = await manager.get_all_metrics()
    assert (only.queue, only.paused, only.retried) == ("q", True, 2)
    assert (await manager.get_queue_metrics("unheard-of")).mean_time is None


async def test_health_names_what_is_over_its_threshold_and_calls_the_hook(url):
    """S1.11"""
    heard = []
    async with QueueManager(url, thresholds=Thresholds(pending=1, workers=1)) as manager:
        manager.on("unhealthy", lambda event: heard.append(event.data["health"]))
        await manager.add_bulk("q", [{"name": "t"}] * 2)
        health = await manager.health()
        assert not health.healthy
        assert health.store_reachable
        assert health.problems == (
            "'q' has 2 pending jobs; the limit is 1.",
            "0 workers are alive; there should be at least 1.",
        )
        assert heard == [health]
        assert (await manager.health(Thresholds())).healthy
        manager.register_processor("q", lambda job: None)
        await manager.start_workers()
        await manager.drain(10)
        calm = await manager.health()
        assert (calm.healthy, calm.workers, calm.pending) == (True, 1, 0)


async def test_lag_is_the_age_of_the_oldest_pending_job_that_may_run():
    """S1.11"""
    clock = ManualClock()
    async with QueueManager("memory://", clock=clock) as manager:
        await manager.add_job("slow", "t", None)
        clock.advance(90)
        await manager.add_job("quick", "t", None)
        health = await manager.health(Thresholds(lag=60))
        assert (health.lag, health.oldest_queue) == (90, "slow")
        assert health.problems == ("A job of 'slow' has waited 90 s; the limit is 60 s.",)
        assert (await manager.get_queue_metrics("slow")).lag == 90
        await manager.pause_queue("slow")
        assert (await manager.health(Thresholds(lag=60))).healthy


async def test_a_store_that_cannot_be_reached_is_unhealthy_and_no_error(tmp_path):
    """S1.11"""
    (tmp_path / "folder").write_text("a file where a folder should be")
    manager = QueueManager(f"sqlite:///{tmp_path}/folder/jobs.db")
    health = await manager.health()
    assert (health.healthy, health.store_reachable) == (False, False)
    assert len(health.problems) == 1
    await manager.shutdown()


async def test_drain_says_what_is_left(manager):
    await manager.add_job("q", "t", None)
    with pytest.raises(DrainTimeout) as caught:
        await manager.drain(0)
    assert caught.value.left == {"q": 1}


async def test_status_says_what_this_process_knows(manager):
    """S4.6: getStatus"""

    @manager.queue("q").task
    async def quick() -> None: ...

    await manager.pause_queue("other")
    status = await manager.get_status()
    assert (status.running, status.tasks, status.queues) == (False, ("quick",), ("q",))
    assert (status.paused, status.in_flight) == (("other",), 0)
