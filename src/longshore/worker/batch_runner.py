"""This module runs one batch: it is written down, the function is called once, and each job gets its own verdict.

ticket → its jobs → read each → write down → call → an answer for each → judge each → hand to the completer
"""

import asyncio
import logging
from collections.abc import Mapping
from contextvars import Context
from functools import partial
from typing import Any

import msgspec

from longshore.batch.results import ItemResult, read_answers, read_answers_by
from longshore.core.attempt_errors import AttemptTimeout
from longshore.core.clock import Clock
from longshore.core.errors import LongshoreError
from longshore.core.events import Event
from longshore.core.ids import format_id
from longshore.core.job import JobRecord
from longshore.core.retry import Retry
from longshore.core.signature import ItemSignature
from longshore.core.task_signals import Snooze
from longshore.dlq.burial import unreadable
from longshore.engine.herald import Herald
from longshore.worker.attempt import Attempt, Stop
from longshore.worker.batch_attempt import Batch, Item
from longshore.worker.batches import Batches
from longshore.worker.control import Control, Scribe
from longshore.worker.deadlines import Deadlines
from longshore.worker.executor import Executor
from longshore.worker.handback import Handback
from longshore.worker.invocation import Invocation
from longshore.worker.lanes import Lanes
from longshore.worker.ledger import Ledger
from longshore.worker.outside import Outside
from longshore.worker.providers import Providers
from longshore.worker.registry import Handler, Kind
from longshore.worker.steps import stepped

log = logging.getLogger("longshore.worker")

NOT_WRITTEN_SECONDS = 5.0
"""How long jobs wait whose batch could not be written down, for a reason that patience with the store does not cure."""


class BatchRunner:
    """Runs batches in the slots that call it."""

    def __init__(
        self,
        executor: Executor,
        batches: Batches,
        ledger: Ledger,
        *,
        lanes: Lanes,
        deadlines: Deadlines,
        providers: Providers,
        invocation: Invocation,
        outside: Outside,
        handback: Handback,
        herald: Herald,
        scribe: Scribe,
        base: Context,
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._batches = batches
        self._ledger = ledger
        self._lanes = lanes
        self._deadlines = deadlines
        self._providers = providers
        self._invocation = invocation
        self._outside = outside
        self._handback = handback
        self._herald = herald
        self._scribe = scribe
        self._base = base
        self._clock = clock

    async def run(self, record: JobRecord, handler: Handler, task: "asyncio.Task[Any]") -> bool:
        """See `Executor.run`. The record is a ticket, or a job that has to run alone."""
        batch = self._make(record, handler, task)
        if batch is None:
            self._lanes.done(record.queue)
            return True
        outcome: Any = None
        error: BaseException | None = None
        try:
            if batch.items:
                outcome, error = await self._call(batch)
        except GeneratorExit:  # the slot itself is thrown away, with its event loop
            raise
        except BaseException as raised:  # noqa: BLE001 - a task may raise anything and never takes its worker down
            error = raised
        if batch.abandoned:
            return False
        was_cancelled = task.cancelling() > 0 and await self._executor.calm(task)
        is_cut_off = was_cancelled and not batch.was_told and isinstance(error, asyncio.CancelledError)
        if is_cut_off:  # by somebody who wants the whole event loop to end
            for item in batch.items:
                item.stop = item.stop or Stop.RELEASE
        self._end(batch, outcome, error)
        return not is_cut_off

    def fail(self, record: JobRecord, handler: Handler, error: BaseException) -> None:
        """Ends the attempt of a job that cannot be in any batch."""
        attempt = Attempt(record, handler)
        try:
            self._invocation.read_details(attempt)
        except Exception as unread:  # noqa: BLE001 - what a foreign producer wrote
            error = unread
        self._executor.judge(attempt, None, error)
        if record.crashes:
            self._handback.on_left(record)

    def give_up(self, batch: Batch) -> None:
        """Settles a batch that does not end, and drops whatever it may come to later."""
        batch.abandoned = True
        if batch.is_away:
            self._outside.abandon(batch)
        error = AttemptTimeout(batch.timeout or 0.0)
        self._end(batch, None, error)
        batch.done(None, error)  # so that its slot ends
        self._executor.on_abandoned(batch.task)

    # -------------------------------------------------------------------------------------------------- running

    def _make(self, record: JobRecord, handler: Handler, task: "asyncio.Task[Any]") -> Batch | None:
        """The batch, of those jobs that can be read; None when there is none now."""
        assert handler.batch is not None
        formed = self._batches.begin(record, handler, handler.batch)
        if formed is None:
            return None
        if (verdict := self._providers.wait_for(handler.provider)) is not None:
            self._handback.give([job.record for job in formed.jobs], verdict)
            self._batches.ended(formed)
            return None
        batch = Batch(formed, handler, Control(record, self._scribe), task)
        batch.on_cancel = self._outside.cancel
        assert isinstance(handler.signature, ItemSignature)
        for job in formed.jobs:
            item = Item(job.record, batch)
            try:
                self._invocation.read_details(item)
                item.handed = handler.signature.item(job.record.payload)
            except Exception as error:  # noqa: BLE001 - whatever a foreign producer wrote, its job fails alone
                self._executor.judge(item, None, error)
                self._left(item)
                continue
            if handler.batch.takes_jobs:
                item.handed = job.handle
            batch.items.append(item)
            self._executor.running[job.record.id] = item
        times = [item.policy.timeout for item in batch.items if item.policy.timeout is not None]
        batch.timeout = min(times, default=None)
        return batch

    async def _call(self, batch: Batch) -> tuple[Any, BaseException | None]:
        """What the function returned, or what it raised in a thread; what it raises here, this raises."""
        await self._write_down(batch)
        self._announce(batch)
        function, items = batch.handler.function, [item.handed for item in batch.items]
        space = self._base.copy()
        if batch.handler.kind is Kind.ASYNC:
            return await stepped(space.run(function, items), space), None
        batch.call = partial(space.run, function, items)
        batch.answer = asyncio.get_running_loop().create_future()
        self._outside.submit(batch)
        return await batch.answer

    async def _write_down(self, batch: Batch) -> None:
        """Who is together, before they begin. Until that is written they only wait; a store that is away is waited
        for."""
        try:
            await self._ledger.begin((batch.formed.line.queue, batch.handler.name), batch.ids)
        except Exception as error:
            log.exception("A batch of '%s' could not be written down.", batch.handler.name)
            raise Snooze(NOT_WRITTEN_SECONDS) from error

    def _announce(self, batch: Batch) -> None:
        batch.began_at = self._clock.monotonic()
        if batch.timeout is not None:
            for item in batch.items:
                item.policy = msgspec.structs.replace(item.policy, timeout=batch.timeout)
            self._deadlines.set(batch.items[0], batch.timeout)
        for item in batch.items:
            self._herald.post_about("started", item.record)
        self._tell("batch_started", batch, {})

    # ------------------------------------------------------------------------------------------------- verdicts

    def _end(self, batch: Batch, outcome: Any, error: BaseException | None) -> None:
        results = self._results(batch, outcome) if error is None else error
        if isinstance(results, list):
            for item, result in zip(batch.items, results, strict=True):
                self._judge(item, result)
            succeeded = sum(result.success for result in results)
        else:
            for item in batch.items:
                self._executor.judge(item, None, results)
            succeeded = 0
        for item in batch.items:
            self._executor.running.pop(item.record.id, None)
            self._left(item)
        self._lanes.done(batch.formed.line.queue)
        if batch.items:
            has_come_through = batch.formed.half is not None and not batch.was_told
            self._ledger.end(batch.ids, heals=has_come_through)
            self._tell(
                "batch_completed",
                batch,
                {
                    "succeeded": succeeded,
                    "failed": len(batch.items) - succeeded,
                    "seconds": self._clock.monotonic() - batch.began_at,
                },
                results if isinstance(results, BaseException) else None,
            )
        self._batches.ended(batch.formed)

    def _results(self, batch: Batch, outcome: Any) -> list[ItemResult] | BaseException:
        """An answer for each job, or why there is none for any. What the function returned may run its code."""
        try:
            if isinstance(outcome, Mapping):
                return read_answers_by(outcome, [format_id(job_id) for job_id in batch.ids])
            return read_answers(outcome, len(batch.items)) if batch.items else []
        except LongshoreError as error:
            return error
        except BaseException as error:  # noqa: BLE001 - a sequence of its own may raise anything
            return unreadable(outcome, error)

    def _judge(self, item: Item, result: ItemResult) -> None:
        if result.success:
            self._executor.judge(item, result.result, None)
            return
        if not result.retryable:
            item.policy = msgspec.structs.replace(item.policy, retry=_NO_MORE)
        self._executor.judge(item, None, result.exception())

    def _left(self, item: Item) -> None:
        if item.record.crashes:
            self._handback.on_left(item.record)

    def _tell(
        self, name: str, batch: Batch, data: dict[str, Any], error: BaseException | None = None
    ) -> None:
        if self._herald.wants(name):
            ids = [format_id(job_id) for job_id in batch.ids]
            about = {"name": batch.handler.name, "size": len(ids), "ids": ids}
            self._herald.post(
                Event(name=name, queue=batch.formed.line.queue, error=error, data={**about, **data})
            )


_NO_MORE = Retry(retry_if=())
"""For an answer that says that it can never succeed."""
