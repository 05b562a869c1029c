"""This module reads and changes limits at run time: how each stands, and what holds instead of what the code says."""

from collections.abc import Mapping
from typing import Any, Final

from longshore.core.errors import InvalidOption
from longshore.core.limit_errors import UnknownLimit
from longshore.core.limits import Concurrency, Kind, Limit, Rate, rate_from
from longshore.core.names import check_name
from longshore.core.rules import LimitKind
from longshore.flow.overrides import look, override_of, set_override, withdraw_override
from longshore.manager.blocking import blocking
from longshore.manager.figures import LimitState
from longshore.manager.limiting import Named, queue_limits, task_limits
from longshore.manager.part import Part
from longshore.store.commands import JobQuery, MeterAsk
from longshore.store.contract import Store
from longshore.store.replies import MeterReading

_KINDS: Mapping[LimitKind, Kind] = {
    LimitKind.BUCKET: "bucket",
    LimitKind.SLIDING: "sliding",
    LimitKind.FIXED: "fixed",
}
LOOK_BACK = 100
"""Jobs that are looked at for a limit that nobody uses now."""
LimitLike = Limit | str | Mapping[str, Any]


class Limits(Part):
    """Limits while they are at work."""

    async def set_limit(
        self, queue: str, limit: LimitLike, *, task: str | None = None, name: str | None = None
    ) -> int:
        """Makes this limit hold instead of what the code says, in all processes within two seconds and after the next
        deploy too, until `reset_limit`; says how many meters changed at once (one for each key that is in use).

        The limit is that of the queue, or of a task; `name` says which where there are several: its own name, or
        "rate", "rate-2", "concurrency", … as `get_limits` shows them. `by` and `cost` stay as the code has them, and so
        do the kind and, capped by the new limit, the burst of a rate that is said as text, or as a Rate without them.
        Raises InvalidOption, and UnknownLimit where the code that is known here has no such limit.
        """
        queue, read = check_name("queue", queue), _read(limit)
        rule = self._rule(queue, task, name or read.name or read.word)
        engine = await self.runtime.engines.here()
        known = dict(self._known(queue)).get(rule) or await _in_use(engine.store, queue, rule)
        if known is not None and isinstance(known, Concurrency) is not isinstance(read, Concurrency):
            raise InvalidOption("limit", limit, f"a {type(known).__name__}, which limit '{rule}' is")
        if isinstance(read, Rate) and isinstance(known, Rate):
            read = read.shaped_as(known)
        override = override_of(queue, read.flow_key(rule, "", 1))
        tuned = await set_override(engine.store, override)
        await look(engine.store, self.runtime.overrides)
        return tuned

    async def reset_limit(self, queue: str, name: str, *, task: str | None = None) -> None:
        """Lets the code's limit hold again, at once where the code is known here. Raises UnknownLimit like
        `set_limit`."""
        queue = check_name("queue", queue)
        rule = self._rule(queue, task, name)
        engine = await self.runtime.engines.here()
        await withdraw_override(engine.store, queue, rule)
        await look(engine.store, self.runtime.overrides)
        limit = dict(self._known(queue)).get(rule)
        if limit is not None:
            await engine.store.tune([override_of(queue, limit.flow_key(rule, "", 1)).tune()])

    async def get_limits(self, queue: str) -> list[LimitState]:
        """How each limit of the queue stands, one entry for each key that is in use, by name."""
        engine = await self.runtime.engines.here()
        [readings] = await engine.store.gauge([MeterAsk(check_name("queue", queue))])
        now_ms = self.runtime.clock.now_ms()
        return [state_of(queue, reading, now_ms) for reading in readings]

    set_limit_sync: Final = blocking(set_limit)
    reset_limit_sync: Final = blocking(reset_limit)
    get_limits_sync: Final = blocking(get_limits)

    def _rule(self, queue: str, task: str | None, name: str) -> str:
        rule = name if task is None else f"{check_name('task', task).replace(':', ';')}/{name}"
        known = [each for each, _ in self._known(queue)]
        if known and rule not in known:
            raise UnknownLimit(rule, queue, known)
        return rule

    def _known(self, queue: str) -> list[Named]:
        """The limits of the queue and its tasks, as far as their code is known here."""
        named = queue_limits(self.runtime.options_of(queue)) if queue in self.runtime.queues else []
        for handler, told in self.runtime.tasks_of(queue):
            named += task_limits(handler.name, told.limits)
        return named


def state_of(queue: str, reading: MeterReading, now_ms: int) -> LimitState:
    """A meter's reading as figures."""
    rule, _, key = reading.name.partition(":")
    return LimitState(
        queue=queue,
        name=rule,
        key=key,
        kind=LimitKind(reading.kind).name.lower(),
        limit=reading.limit,
        per=reading.per_ms / 1000 if reading.per_ms else None,
        burst=reading.burst or None,
        free=reading.room,
        used=reading.used,
        held=reading.held,
        free_in=None if reading.next_ms is None else max(0.0, (reading.next_ms - now_ms) / 1000),
    )


def _read(limit: LimitLike) -> Limit:
    read = limit if isinstance(limit, Concurrency) else rate_from(limit, "limit", _expected(limit))
    if read.picks() or read.cost != 1:
        raise InvalidOption("limit", limit, "a limit without by= and cost=, which stay as the code has them")
    return read


def _expected(limit: object) -> str:
    number = limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else 4
    return f'Concurrency({number}) for so many at once, a Rate such as Rate(100, per=60), or "100/minute"'


async def _in_use(store: Store, queue: str, rule: str) -> Limit | None:
    """The limit as jobs carry it, for who does not know the code: those that it serves now, else the newest of all."""
    [readings] = await store.gauge([MeterAsk(queue)])
    for reading in readings:
        if reading.name.partition(":")[0] == rule:
            return _shape(reading.kind, reading.limit, reading.per_ms, reading.burst)
    [page] = await store.scan([JobQuery(queues=(queue,), limit=LOOK_BACK)])
    for job in page.jobs:
        for key in job.rules.flow if job.rules is not None else ():
            if key.rule == rule:
                return _shape(key.kind, key.limit, key.per_ms, key.burst)
    return None


def _shape(kind: int, limit: int, per_ms: int, burst: int) -> Limit:
    """The limit of a meter or a key, as far as they tell."""
    if kind == LimitKind.CONCURRENCY:
        return Concurrency(max(1, limit))
    told = burst if kind == LimitKind.BUCKET and burst != limit else None
    return Rate(limit, per=per_ms / 1000, burst=told, kind=_KINDS[LimitKind(kind)])
