"""This module hands back jobs that were claimed here and that no slot has begun: unharmed, nothing charged."""

import logging
from collections.abc import Callable, Iterable
from random import Random

from longshore.core.job import JobRecord
from longshore.core.verdict import RELEASED, Charge, Verdict
from longshore.engine.herald import Herald, News
from longshore.engine.judge import judge_unknown
from longshore.store.commands import Settlement
from longshore.worker.completer import Completer
from longshore.worker.registry import Registry
from longshore.worker.stats import Stats

log = logging.getLogger("longshore.worker")


class Handback:
    """Gives jobs back, for one reason or another."""

    _told: set[tuple[str, str]]
    """Tasks that were found missing: said once."""

    def __init__(
        self, registry: Registry, completer: Completer, herald: Herald, stats: Stats, *, random: Random
    ) -> None:
        self.on_left: Callable[[JobRecord], None] = lambda _: None
        """Called with each job that is given back."""
        self._registry = registry
        self._completer = completer
        self._herald = herald
        self._stats = stats
        self._random = random
        self._told = set()

    def give(self, records: Iterable[JobRecord], verdict: Verdict = RELEASED) -> None:
        """Ends their claims."""
        for record in records:
            self._stats.released += verdict.charge is Charge.RELEASE
            settlement = Settlement(
                id=record.id,
                queue=record.queue,
                session=record.session or "",
                fence=record.fence,
                verdict=verdict,
                rules=record.rules,
            )
            self._completer.submit(settlement, News(record, verdict))
            self.on_left(record)

    def unknown(self, record: JobRecord) -> None:
        """Nobody here knows its task. Never data loss: some worker may, now or after the next deploy."""
        self._stats.unknown += 1
        self.give([record], judge_unknown(record, self._random))
        task = (record.queue, record.name)
        if task not in self._told:
            self._told.add(task)
            log.warning(
                "No task '%s' (queue '%s') here; its jobs go back and wait for a worker that has it. Known: %s.",
                record.name,
                record.queue,
                ", ".join(self._registry.names()) or "none",
            )
            self._herald.post_about("unknown_task", record)
