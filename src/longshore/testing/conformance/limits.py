"""This module makes the rules that the tests of limits speak of, and looks at meters."""

from collections.abc import Iterable

from longshore.core.ids import JobId
from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules
from longshore.core.states import State
from longshore.store.commands import MeterAsk, Tune
from longshore.store.contract import Store
from longshore.store.replies import MeterReading
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND
from longshore.testing.conformance.steps import states


def at_once(limit: int, key: str = "", *, cost: int = 1, rule: str = "slots") -> FlowKey:
    """A concurrency limit."""
    return FlowKey(rule, key, LimitKind.CONCURRENCY, limit, cost=cost)


def a_second(
    limit: int,
    key: str = "",
    *,
    burst: int = 1,
    cost: int = 1,
    rule: str = "rate",
    kind: LimitKind = LimitKind.BUCKET,
) -> FlowKey:
    """A rate; the burst counts for a bucket only."""
    return FlowKey(rule, key, kind, limit, SECOND, burst if kind is LimitKind.BUCKET else 0, cost)


def under(*flow: FlowKey, fair: str | None = None, weight: float = 1.0) -> Rules:
    """The rules of a job under these limits."""
    return Rules(flow=flow, fair=None if fair is None else FairKey(fair, weight))


def reading(limit: int, used: int, held: int = 0) -> MeterReading:
    """A concurrency limit that stands so."""
    return MeterReading(
        name="slots:",
        kind=LimitKind.CONCURRENCY,
        limit=limit,
        room=limit - used,
        used=used,
        held=held,
        next_ms=None,
    )


async def meter(
    store: Store, name: str = "slots:", *, queue: str = QUEUE, now_ms: int = NOW
) -> MeterReading | None:
    """How one meter stands; None where it is idle."""
    [readings] = await store.gauge([MeterAsk(queue, (name,))], now_ms=now_ms)
    return readings[0] if readings else None


async def tune(store: Store, key: FlowKey, *, queue: str = QUEUE, now_ms: int = NOW) -> int:
    """Gives the meters of a rule another limit; how many there are."""
    [tuned] = await store.tune([Tune(queue, key)], now_ms=now_ms)
    return tuned


ONE, TWO = under(at_once(1)), under(at_once(2))


async def those(store: Store, state: State, jobs: Iterable[JobId], *, now_ms: int = NOW) -> list[JobId]:
    """Which of the jobs are in that state, in the order in which they were given."""
    wanted = list(jobs)
    found = await states(store, wanted, now_ms=now_ms)
    return [job_id for job_id, there in zip(wanted, found, strict=True) if there is state]
