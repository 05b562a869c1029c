"""This module holds what all handles of one manager share: where jobs are kept, who runs them, and what is known.

`assembly.py` builds it. Handles (Queue, Task, Job) hold it instead of the manager, so that nothing here is circular.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import msgspec

from longshore.core.clock import Clock
from longshore.core.errors import InvalidOption
from longshore.core.events import Bus
from longshore.core.payload import encode
from longshore.core.retention import Retention
from longshore.core.signature import ResultType, Signature
from longshore.engine.plan import Plans
from longshore.engine.policy import MAX_CRASHES, Policy
from longshore.flow.overrides import Overrides
from longshore.flow.parking import Parking
from longshore.manager.engines import Engines
from longshore.manager.figures import Thresholds
from longshore.manager.limiting import THE_QUEUE, check_picks, check_task, queue_limits
from longshore.manager.options import QueueOptions, TaskOptions
from longshore.manager.portal import Portal
from longshore.manager.settings import Settings
from longshore.manager.spelling import Spelling
from longshore.manager.uniqueness import check_room, check_unique
from longshore.worker.middleware import Middleware
from longshore.worker.registry import Handler, Registry

Begin = Callable[[], Awaitable[None]]
UNTOLD = QueueOptions()
ANY_RESULT = ResultType()
IN_MEMORY = Retention(completed=3600, failed=24 * 3600, max_count=10_000)
"""What queues in memory keep that were told nothing: some megabytes each."""
SWEEP_MEMORY_SECONDS = 5.0


class Runtime:
    """The shared parts, and the options of the queues."""

    def __init__(
        self,
        *,
        url: str,
        settings: Settings,
        engines: Engines,
        volatile: set[str],
        bus: Bus,
        clock: Clock,
        random: Random,
        thresholds: Thresholds,
    ) -> None:
        self.url = url
        """Where jobs are kept, without secrets."""
        self.settings = settings
        self.engines = engines
        self.volatile = volatile
        """The queues that are in memory."""
        self.stored: set[str] = set()
        """The queues that got jobs here, or were paused: those that are not in memory have something in the store."""
        self.self_run: dict[str, Begin] = {}
        """Of those, the ones that run by themselves as soon as they have jobs, and how that begins."""
        self.bus = bus
        self.clock = clock
        self.random = random
        self.thresholds = thresholds
        self.portal: Portal = Portal()
        self.registry: Registry = Registry()
        self.queues: dict[str, QueueOptions] = {}
        """Every queue that was named here, with its options."""
        self.spelling: Spelling = Spelling()
        self.rejected: Counter[str] = Counter()
        """Jobs by queue that were turned away here because their queue was full."""
        self.dropped: Counter[str] = Counter()
        """And those that were cancelled to make room."""
        self.middleware: list[Middleware] = []
        self.plans: Plans = Plans()
        """Of jobs that are added by name without options."""
        self.overrides: Overrides = Overrides()
        self.parking: Parking = Parking(clock)
        self.predicates: dict[str, Callable[..., Any]] = {}
        """Conditions of steps, by name."""
        self._known: dict[tuple[str | None, str, bool], tuple[Handler, TaskOptions]] = {}
        """By queue, name, and whether it takes the job itself; with what each was told."""
        self._results: dict[Signature, ResultType] = {}

    def options_of(self, queue: str) -> QueueOptions:
        """What the queue was told; the queue is known from now on."""
        return self.queues.setdefault(queue, UNTOLD)

    def configure(self, queue: str, options: QueueOptions) -> None:
        """Tells a queue its options, and its tasks and processor what follows for them. Raises InvalidOption where a
        limit reads what one of its tasks does not have."""
        queue_limits(options)
        check_room(options)
        self._place(queue, options)
        turns = options.turns
        for handler, _ in list(self._known.values()):
            if handler.queue == queue:
                check_picks(handler.name, handler.signature, options.limits, turns, owner=THE_QUEUE)
        self.queues[queue] = options
        for handler, told in list(self._known.values()):
            if handler.queue == queue:
                self.register(handler, told)

    def _place(self, queue: str, options: QueueOptions) -> None:
        """Puts the queue into its tier. There it stays: nobody would find its jobs in the other one."""
        if options.durable is False:
            if queue in self.stored - self.volatile:
                raise InvalidOption(
                    "durable",
                    options.durable,
                    f"nothing for queue '{queue}' now: it has jobs in the store, or was paused there, and nobody would "
                    f"look for them. Say manager.queue('{queue}', durable=False) before anything else is done with it",
                )
            self.volatile.add(queue)
        elif queue in self.volatile:
            raise InvalidOption("durable", options.durable, f"False, as queue '{queue}' was told before")

    def register(self, handler: Handler, told: TaskOptions) -> Handler:
        """Adds a handler with the policy that its own options and its queue's make. Raises InvalidTask."""
        queue = UNTOLD if handler.queue is None else self.options_of(handler.queue)
        check_task(handler.name, handler.signature, queue, told)
        check_unique(handler.name, handler.signature, told.unique)
        handler = msgspec.structs.replace(handler, policy=self._policy(told, queue))
        if handler.queue is None:
            self.registry.add_handler(handler)
        elif handler.signature is None:
            self.registry.add_processor(handler)
        else:
            self.registry.add_task(handler)
        self._known[handler.queue, handler.name, handler.signature is None] = handler, told
        return handler

    def told(self, handler: Handler) -> TaskOptions:
        """What a handler of this registry was told when it was defined."""
        return self._known[handler.queue, handler.name, handler.signature is None][1]

    def tasks_of(self, queue: str) -> list[tuple[Handler, TaskOptions]]:
        """The tasks of the queue, with what each was told."""
        return [known for known in list(self._known.values()) if known[0].queue == queue]

    def has_limits(self, queue: str) -> bool:
        """Whether some limit is known here that jobs of the queue may be under."""
        told = [task for _, task in self.tasks_of(queue)]
        return bool(self.options_of(queue).limits) or any(
            each.limits or each.concurrency_key for each in told
        )

    def knows_limits(self) -> bool:
        """Whether any queue or task was told of one."""
        return any(options.limits for options in list(self.queues.values())) or any(
            told.limits or told.concurrency_key for _, told in list(self._known.values())
        )

    def knows_providers(self) -> bool:
        """Whether any task says that it depends on one."""
        return any(handler.provider is not None for handler, _ in list(self._known.values()))

    def wrap_with(self, middleware: Middleware) -> None:
        """Puts one more layer around every attempt, inside those that are there."""
        self.middleware.append(middleware)

    def served(self) -> list[str]:
        """The queues whose jobs can be run here: those with tasks or a processor, those that are named like a handler,
        and where there are handlers, which run jobs of any queue, all queues that were named here."""
        by_name = {name for queue, name, _ in self._known if queue is None}
        return sorted({*self.registry.queues(), *by_name, *(self.queues if by_name else ())})

    def processed(self) -> list[str]:
        """The queues that have a processor."""
        return sorted({queue for queue, _, takes_job in self._known if queue is not None and takes_job})

    def result_type(self, queue: str, name: str) -> ResultType:
        """How results of such a job are read: by the task's annotation where the task is known."""
        handler = self.registry.find(queue, name)
        if handler is None or handler.signature is None:
            return ANY_RESULT
        signature = handler.signature
        found = self._results.get(signature)
        if found is None:
            found = self._results[signature] = ResultType(signature.returns)
        return found

    def payload(self, queue: str, name: str, data: Any) -> bytes:
        """The data as it is stored; where the task is known, only if it fits. Raises the errors of payloads."""
        handler = self.registry.find(queue, name)
        signature = None if handler is None else handler.signature
        if signature is not None and data is None:
            data = {}  # a task without arguments
        payload = encode(data, what=name, limit_bytes=self.settings.payload_limit)
        if signature is not None:
            signature.check(payload)
        return payload

    def stated_retentions(self) -> dict[str, Retention | None]:
        """How long the queues keep jobs that are over, of which it was said here; None: as the settings say, whatever
        was stated before."""
        stated: dict[str, Retention | None] = {}
        for queue, told in list(self.queues.items()):
            if told.retention or told.withdraws_retention:
                stated[queue] = told.retention
            elif queue in self.volatile:
                stated[queue] = IN_MEMORY
        return stated

    @property
    def prune_seconds(self) -> float:
        """Between two sweeps of jobs past their retention; memory fills faster than a disk."""
        every = self.settings.prune_every
        return min(every, SWEEP_MEMORY_SECONDS) if self.volatile else every

    @property
    def default_retention(self) -> Retention:
        """How long other queues keep them: what the settings say."""
        return Retention(
            completed=self.settings.retention_completed,
            failed=self.settings.retention_failed,
            max_count=self.settings.retention_count,
        )

    def _policy(self, told: TaskOptions, queue: QueueOptions) -> Policy:
        kept = [queue.retention or self.default_retention, told.retention or Retention()]
        letters = queue.dead_letter
        return Policy(
            retry=told.retry or queue.retry or Policy().retry,
            timeout=told.timeout or queue.timeout,
            max_crashes=told.max_crashes or MAX_CRASHES,
            keep_completed=all(retention.keeps_completed for retention in kept),
            keep_failed=all(retention.keeps_failed for retention in kept),
            dead_letter=None if letters is None else letters.forward_to,
            on_bad_result=told.on_bad_result or "fail",
            result_limit_bytes=self.settings.payload_limit,
        )
