"""This module reports how the queues stand: counts, figures of the last minutes, and health."""

from collections.abc import Collection, Iterable
from typing import Final

from longshore.core.errors import StoreUnavailable
from longshore.core.events import Event
from longshore.core.names import check_name
from longshore.core.states import State
from longshore.flow import pausing
from longshore.manager.blocking import blocking
from longshore.manager.figures import Health, QueueMetrics, Stats, Thresholds
from longshore.manager.part import Part
from longshore.manager.worker_cards import workers_alive
from longshore.store.replies import QueueCounts

MINUTES = 5
"""The window of figures that are about a while, unless told otherwise."""

WAITING = (State.PENDING, State.HELD, State.BLOCKED)
DELAYED = (State.SCHEDULED, State.RETRYING)


class Reports(Part):
    """How the queues stand."""

    async def get_stats(self) -> Stats:
        """All jobs that are kept, over all queues."""
        engine = await self.runtime.engines.here()
        return stats_of(await engine.store.count(None))

    async def get_queue_metrics(self, name: str, minutes: int = MINUTES) -> QueueMetrics:
        """One queue's figures, with what happened in the last `minutes`."""
        engine = await self.runtime.engines.here()
        [counts] = await engine.store.count([check_name("queue", name)], minutes=minutes)
        return self._metrics(counts, await pausing.paused(engine.store), minutes)

    async def get_all_metrics(self, minutes: int = MINUTES) -> list[QueueMetrics]:
        """The figures of every queue that ever had a job, by name."""
        engine = await self.runtime.engines.here()
        counts = await engine.store.count(None, minutes=minutes)
        paused = await pausing.paused(engine.store)
        return [self._metrics(each, paused, minutes) for each in counts]

    async def health(self, thresholds: Thresholds | None = None) -> Health:
        """Whether the store answers and the queues are within the thresholds (those of the manager unless given).

        Where they are not, the event "unhealthy" is told, with the Health as `data["health"]`. Never raises.
        """
        health = await self._health(thresholds or self.runtime.thresholds)
        if not health.healthy and self.runtime.bus.wants("unhealthy"):
            await self.runtime.bus.tell(Event(name="unhealthy", data={"health": health}))
        return health

    get_stats_sync: Final = blocking(get_stats)
    get_queue_metrics_sync: Final = blocking(get_queue_metrics)
    get_all_metrics_sync: Final = blocking(get_all_metrics)
    health_sync: Final = blocking(health)

    async def _health(self, limits: Thresholds) -> Health:
        try:
            engine = await self.runtime.engines.here()
            counts = await engine.store.count(None)
            paused = await pausing.paused(engine.store)
            alive = len(await workers_alive(engine.store))
        except StoreUnavailable as error:
            return _unreachable(str(error))
        now_ms = self.runtime.clock.now_ms()
        lags = {each.queue: _lag(each, now_ms) for each in counts if each.queue not in paused}
        oldest = max(lags, key=lambda queue: lags[queue], default=None)
        problems = tuple(_problems(limits, counts, lags, alive))
        return Health(
            healthy=not problems,
            store_reachable=True,
            lag=0.0 if oldest is None else lags[oldest],
            oldest_queue=oldest if oldest is not None and lags[oldest] > 0 else None,
            pending=sum(each.states.get(State.PENDING, 0) for each in counts),
            failed=sum(each.states.get(State.FAILED, 0) for each in counts),
            workers=alive,
            problems=problems,
        )

    def _metrics(self, counts: QueueCounts, paused: Collection[str], minutes: int) -> QueueMetrics:
        completed = sum(minute.completed for minute in counts.minutes)
        retried = sum(minute.retried for minute in counts.minutes)
        failed = sum(minute.failed for minute in counts.minutes)
        ended = completed + retried + failed
        run_ms = sum(minute.run_ms for minute in counts.minutes)
        return QueueMetrics(
            queue=counts.queue,
            waiting=_sum(counts, WAITING),
            held=_sum(counts, [State.HELD]),
            active=_sum(counts, [State.RUNNING]),
            completed=_sum(counts, [State.COMPLETED]),
            failed=_sum(counts, [State.FAILED]),
            delayed=_sum(counts, DELAYED),
            cancelled=_sum(counts, [State.CANCELLED, State.SKIPPED]),
            stalled=sum(minute.crashed for minute in counts.minutes),
            retried=retried,
            throughput=completed / (minutes * 60) if minutes else 0.0,
            error_rate=(retried + failed) / ended if ended else 0.0,
            mean_time=run_ms / ended / 1000 if ended else None,
            lag=_lag(counts, self.runtime.clock.now_ms()),
            paused=counts.queue in paused,
            max_size=self.runtime.options_of(counts.queue).max_size,
            rejected=self.runtime.rejected[counts.queue],
            dropped=self.runtime.dropped[counts.queue],
            minutes=minutes,
        )


def stats_of(counts: Iterable[QueueCounts]) -> Stats:
    """The counts of all queues together."""
    counts = list(counts)
    pending = sum(_sum(each, (*WAITING, *DELAYED)) for each in counts)
    processing = sum(_sum(each, [State.RUNNING]) for each in counts)
    completed = sum(_sum(each, [State.COMPLETED]) for each in counts)
    failed = sum(_sum(each, [State.FAILED]) for each in counts)
    cancelled = sum(_sum(each, [State.CANCELLED, State.SKIPPED]) for each in counts)
    return Stats(
        total=pending + processing + completed + failed + cancelled,
        pending=pending,
        processing=processing,
        completed=completed,
        failed=failed,
        cancelled=cancelled,
    )


def _problems(
    limits: Thresholds, counts: list[QueueCounts], lags: dict[str, float], alive: int
) -> Iterable[str]:
    for each in counts:
        pending = each.states.get(State.PENDING, 0)
        failed = each.states.get(State.FAILED, 0)
        lag = lags.get(each.queue, 0.0)
        if limits.lag is not None and lag > limits.lag:
            yield f"A job of '{each.queue}' has waited {lag:.0f} s; the limit is {limits.lag:g} s."
        if limits.pending is not None and pending > limits.pending:
            yield f"'{each.queue}' has {pending:,} pending jobs; the limit is {limits.pending:,}."
        if limits.failed is not None and failed > limits.failed:
            yield f"'{each.queue}' keeps {failed:,} dead letters; the limit is {limits.failed:,}."
    if limits.workers is not None and alive < limits.workers:
        yield f"{alive} workers are alive; there should be at least {limits.workers}."


def _unreachable(problem: str) -> Health:
    return Health(
        healthy=False,
        store_reachable=False,
        lag=0.0,
        oldest_queue=None,
        pending=0,
        failed=0,
        workers=0,
        problems=(problem,),
    )


def _lag(counts: QueueCounts, now_ms: int) -> float:
    oldest = counts.oldest_pending_ms
    return 0.0 if oldest is None else max(0, now_ms - oldest) / 1000


def _sum(counts: QueueCounts, states: Iterable[State]) -> int:
    return sum(counts.states.get(state, 0) for state in states)
