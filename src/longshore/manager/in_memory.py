"""This module is the fast lane of the manager: queues in memory that run by themselves, as seed 004 has them."""

import asyncio
import logging
from typing import Any, Final, Unpack

from longshore.core.errors import DrainTimeout, InvalidOption, UsageError, near
from longshore.core.limits import Rate
from longshore.core.names import check_name
from longshore.core.retry import Seconds, seconds
from longshore.manager.assembly import hire
from longshore.manager.batch_figures import BatchStats
from longshore.manager.batch_processing import Processor
from longshore.manager.blocking import blocking
from longshore.manager.figures import Stats
from longshore.manager.memory_queues import InMemoryBatchQueue, InMemoryQueue
from longshore.manager.options import QueueWords
from longshore.manager.running import Running
from longshore.manager.runtime import Runtime
from longshore.manager.worker_group import WorkerGroup

log = logging.getLogger("longshore.manager")

CONCURRENCY = 3
TIMEOUT_SECONDS = 30.0
"""Of a queue that was told nothing: the defaults of seed 004."""


class InMemory(Running):
    """Queues in memory."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._worker_groups: dict[str, WorkerGroup] = {}
        self._batch_queues: dict[str, InMemoryBatchQueue] = {}

    def create_in_memory_queue(
        self, name: str, *, interval: Seconds = 0, **words: Unpack[QueueWords]
    ) -> InMemoryQueue:
        """A queue in the memory of this process that runs its jobs by itself.

        `words` are the options of any queue; without them `concurrency` is 3, and `timeout` 30 seconds (None: no
        limit). `interval`: least seconds between two starts. A second call with the name gives the same queue, with
        what was told anew. Raises UnknownOption, InvalidOption, InvalidName.
        """
        pause = seconds("interval", interval)
        told: QueueWords = {"concurrency": CONCURRENCY, "timeout": TIMEOUT_SECONDS, **words}
        if pause:
            told["limit"] = [*_listed(told.get("limit")), Rate(1, per=pause, name="interval")]
        if told.get("durable"):
            raise InvalidOption(
                "durable", told["durable"], "False here; manager.queue(…) makes durable queues"
            )
        name = check_name("queue", name)
        if name in self._batch_queues:
            raise UsageError(f"'{name}' is a batch queue in memory already; give this one another name.")
        told["durable"] = False
        self.queue(name, **told)
        self.runtime.self_run[name] = lambda: self._let_run(name)
        made = self._queues[name]
        if not isinstance(made, InMemoryQueue):
            made = self._queues[name] = InMemoryQueue(self, name)
        return made

    def create_rate_limited_queue(
        self, name: str, per_minute: int, **words: Unpack[QueueWords]
    ) -> InMemoryQueue:
        """`create_in_memory_queue` whose jobs start at most `per_minute` times a minute: evenly, after as many that
        were saved up. Raises like it."""
        words["rate_limit"] = Rate(per_minute, per="minute")
        return self.create_in_memory_queue(name, **words)

    def create_batch_queue(
        self,
        name: str,
        batch_size: int = 50,
        flush_interval: Seconds = 5.0,
        *,
        processor: Processor[Any] | None = None,
        **options: Any,
    ) -> InMemoryBatchQueue:
        """A `BatchedQueue` by name: a batch goes when it has `batch_size` items or its oldest has waited
        `flush_interval` seconds. `options` are those of `BatchedQueue`. Raises UsageError where the name is taken,
        UnknownOption, InvalidOption, InvalidName."""
        name = check_name("queue", name)
        if name in self._batch_queues or name in self.runtime.self_run:
            raise UsageError(
                f"There is a queue '{name}' in memory already; get_in_memory_queue('{name}') gives it."
            )
        made = InMemoryBatchQueue(name, batch_size, flush_interval, options)
        if processor is not None:
            made.set_processor(processor)
        self._batch_queues[name] = made
        return made

    def get_in_memory_queue(self, name: str) -> InMemoryQueue | InMemoryBatchQueue:
        """The queue that was created under this name. Raises UsageError."""
        if name in self._batch_queues:
            return self._batch_queues[name]
        made = self._queues.get(name)
        if not isinstance(made, InMemoryQueue):
            known = [*self.runtime.self_run, *self._batch_queues]
            raise UsageError(f"No queue '{name}' was created in memory.{near(name, known)}")
        return made

    async def get_all_in_memory_stats(self) -> dict[str, Stats | BatchStats]:
        """How each queue stands that was created in memory, by name."""
        names = sorted([*self.runtime.self_run, *self._batch_queues])
        return {name: await self.get_in_memory_queue(name).stats() for name in names}

    get_all_in_memory_stats_sync: Final = blocking(get_all_in_memory_stats)

    async def _let_run(self, name: str) -> None:
        """Sees to it that the queue's own worker works; it serves the memory alone, whatever becomes of the store."""
        workers = self._worker_groups.setdefault(name, WorkerGroup())
        if not workers.is_working:
            engine = (await self.runtime.engines.services()).quick
            concurrency = self.runtime.options_of(name).concurrency or CONCURRENCY
            if not workers.is_working:  # somebody may have been quicker
                options = self._options({name: concurrency}, concurrency)
                workers.start(hire(self, engine, options, with_schedules=False))

    async def _wind_down(self, timeout: Seconds) -> None:  # noqa: ASYNC109 - a promise of the API
        limit = seconds("timeout", timeout)
        ends = [workers.end(limit) for workers in self._worker_groups.values()]
        ends += [_closed(queue, limit) for queue in self._batch_queues.values()]
        await asyncio.gather(*ends)
        await super()._wind_down(timeout)


async def _closed(queue: InMemoryBatchQueue, limit: float) -> None:
    try:
        await queue.close(limit)
    except DrainTimeout as late:
        log.warning("Items of a batch queue are dropped: %s", late)


def _listed(limits: Any) -> list[Any]:
    if limits is None:
        return []
    return list(limits) if isinstance(limits, list | tuple) else [limits]
