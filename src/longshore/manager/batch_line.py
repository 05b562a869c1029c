"""This module moves the items of a batched queue: from the line into batches, through the processor, and out, or back
into the line for another attempt.

Everything that changes what is where happens between two awaits of one event loop, so an item is in one place at any
time: it waits (the collector), runs (`_running`), or is delayed before its next attempt (`_delays`).
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator, Sequence
from itertools import chain
from random import Random
from typing import Any, Generic, TypeVar

from longshore.batch.collector import Collects
from longshore.batch.entry import Entry
from longshore.batch.options import BatchOptions
from longshore.batch.results import ItemResult, Judged, judge
from longshore.batch.spool import Restored
from longshore.core.clock import Clock, Timer
from longshore.core.errors import DrainTimeout, UsageError
from longshore.manager.batch_delays import Delays
from longshore.manager.batch_figures import BatchStats
from longshore.manager.batch_flushing import Flushes
from longshore.manager.batch_hooks import BatchHooks
from longshore.manager.batch_processing import Processing
from longshore.manager.batch_room import Room

T = TypeVar("T")
Outcome = TypeVar("Outcome")


class BatchLine(Generic[T]):
    """The items of one queue on their way."""

    def __init__(
        self,
        options: BatchOptions,
        collector: Collects[T],
        processing: Processing[T],
        hooks: BatchHooks,
        *,
        clock: Clock,
        random: Random,
    ) -> None:
        self.options = options
        self.figures = BatchStats()
        self.is_paused = False
        self.is_stopped = False
        self._collector = collector
        self._processing = processing
        self._hooks = hooks
        self._clock = clock
        self._random = random
        self._running: dict[int, list[Entry[T]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._delays = Delays(clock, self._come_back)
        self.room = Room(lambda: self.size)
        self._forcing = 0
        self._flushes = Flushes()
        self._rest: set[asyncio.Future[bool]] = set()
        self._next_start = float("-inf")
        self._timer: Timer | None = None
        self._timer_due = float("inf")

    # ------------------------------------------------------------------------------------------- what there is

    @property
    def size(self) -> int:
        """Items that wait, for their batch or for their next attempt; what `max_size` limits."""
        return self._collector.count + self._delays.count

    @property
    def changes(self) -> int:
        """Differs when a snapshot would."""
        figures = self.figures
        return figures.added + figures.completed + figures.failed + figures.dropped + figures.retried

    def stats(self) -> BatchStats:
        """The figures of now."""
        figures = self.figures
        figures.waiting = self._collector.count
        figures.delayed = self._delays.count
        figures.running = sum(map(len, self._running.values()))
        return figures.copy()

    def entries(self) -> Iterator[Entry[T]]:
        """Every item that is not settled."""
        return chain(chain.from_iterable(self._running.values()), self._collector, self._delays)

    # ------------------------------------------------------------------------------------------- in and out

    def add(self, item: T, priority: int, failures: int = 0) -> bool:
        """Whether batches should now get a chance to run."""
        due = self._clock.monotonic() + self.options.flush_seconds
        is_worth_a_look = self._collector.add(Entry(item, priority, due, failures))
        self.figures.added += 1
        if is_worth_a_look:
            self.pump()
        return is_worth_a_look

    def restore(self, saved: Sequence[Restored[T]]) -> None:
        """Adds what came back: all of it, or nothing where a key function raises."""
        due = self._clock.monotonic() + self.options.flush_seconds
        entries = [Entry(item, priority, due, failures) for item, priority, failures in saved]
        for entry in entries:
            self._collector.prepare(entry)
        for entry in entries:
            self._collector.add(entry)
        self.figures.added += len(entries)
        self.figures.restored += len(entries)
        self.pump()

    async def drop(self, priority: int) -> bool:
        """Drops the oldest of the least urgent items for one of that priority; False when all are more urgent."""
        entry = self._collector.drop(priority) or self._delays.drop(priority)
        if entry is None:
            return False
        self.figures.dropped += 1
        self._flushes.stamp([entry])
        await self._hooks.tell(
            "processed", entry.item, ItemResult(success=False, error=self.options.full(), retryable=False)
        )
        return True

    # ------------------------------------------------------------------------------------------- batches

    def pump(self) -> None:
        """Starts every batch that may go now, and sees to it that the next look comes in time."""
        now = self._clock.monotonic()
        while self._may_start(now):
            batch = self._take(now)
            if batch is None:
                break
            self._start(batch, now)
        self._set_timer(now)

    def _has_room_to_run(self) -> bool:
        is_held = self.is_stopped or (self.is_paused and not self._forcing)
        return not is_held and len(self._tasks) < self.options.concurrency

    def _may_start(self, now: float) -> bool:
        return self._collector.count > 0 and now >= self._next_start and self._has_room_to_run()

    def _take(self, now: float) -> list[Entry[T]] | None:
        try:
            batch = self._collector.take(now, everything=self._forcing > 0)
        except Exception as error:  # noqa: BLE001 - the application's own split; told, and asked again later
            self._spawn(self._hooks.fail("its items could not be split into batches", error))
            batch = None
        if batch is None and not self._running:
            self._flushes.end()  # a split that keeps its items back must not hold up who flushes
        return batch

    def _start(self, batch: list[Entry[T]], now: float) -> None:
        self._next_start = now + self.options.throttle_seconds
        self.figures.batches += 1
        self._running[id(batch)] = batch
        self.room.let_in(len(batch))
        self._spawn(self._run(batch))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any] | None) -> None:
        if task is not None:
            self._tasks.discard(task)
        self.pump()
        self._notice_rest()

    async def _run(self, batch: list[Entry[T]]) -> None:
        items = [entry.item for entry in batch]
        try:
            await self._hooks.tell("size_change", self.size)
            await self._hooks.tell("batch_start", list(items))
            results = await self._processing.results(items)
        except BaseException:
            self._give_back(batch)
            raise
        judged = self._settle(batch, results)
        await self._tell(items, results, judged)
        self._flushes.stamp(batch)
        self._ended(
            asyncio.current_task()
        )  # now, and not when the loop comes to it: the next batch may be waiting

    def _give_back(self, batch: list[Entry[T]]) -> None:
        """The event loop, or the queue, is ended: the attempt never was."""
        self.is_stopped = True
        del self._running[id(batch)]
        self._collector.put_back(batch)

    def _settle(self, batch: list[Entry[T]], results: Sequence[ItemResult]) -> Judged[T]:
        del self._running[id(batch)]
        judged = judge(batch, results, self.options.retry, self._random)
        completed = sum(result.success for _, result in judged.settled)
        self.figures.completed += completed
        self.figures.failed += len(judged.settled) - completed
        for delay, group in judged.delayed:
            self.figures.retried += len(group)
            self._delays.add(delay, group)
        return judged

    def _come_back(self, group: list[Entry[T]]) -> None:
        now = self._clock.monotonic()
        for entry in group:
            entry.due = now  # they have waited enough, and go at once
        self._collector.put_back(group)
        self.pump()

    async def _tell(self, items: list[T], results: list[ItemResult], judged: Judged[T]) -> None:
        await self._hooks.tell("batch_complete", items, results)
        if self._hooks.wants("processed"):
            for entry, result in judged.settled:
                await self._hooks.tell("processed", entry.item, result)
        for fault in judged.faults:
            await self._hooks.fail("its retry policy raised", fault)
        if judged.delayed:
            await self._hooks.tell("size_change", self.size)

    # ------------------------------------------------------------------------------------------- time

    def _set_timer(self, now: float) -> None:
        if not self._collector.count or not self._has_room_to_run():
            return
        is_throttled = now < self._next_start  # a batch may be full already
        due = self._next_start if is_throttled else self._collector.next_due()
        if due is not None and due < self._timer_due:
            self._end_timer()
            self._timer_due = due
            self._timer = self._clock.call_later(max(0.0, due - now), self._time_has_come)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due = None, float("inf")

    def _time_has_come(self) -> None:
        self._timer, self._timer_due = None, float("inf")
        self.pump()

    # ------------------------------------------------------------------------------------------- emptying

    async def flush(self) -> None:
        """Lets what waits now go at once; returns when all of it has been tried. Raises UsageError in a batch."""
        self.refuse_within("flush")
        ends = self._flushes.begin(self._collector)
        if ends:
            await self._force(asyncio.wait(ends))

    async def drain(self, seconds: float | None) -> None:
        """Returns when nothing waits and nothing runs. Raises DrainTimeout, and UsageError in a batch."""
        self.refuse_within("drain")
        if self._is_at_rest():
            return
        rest: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._rest.add(rest)
        timer = (
            None if seconds is None else self._clock.call_later(seconds, lambda: _end(rest, outcome=False))
        )
        try:
            if not await self._force(rest):
                raise DrainTimeout(seconds or 0.0, {self.options.name: sum(1 for _ in self.entries())})
        finally:
            self._rest.discard(rest)
            if timer is not None:
                timer.cancel()

    def refuse_within(self, method: str) -> None:
        """A processor, or a hook that a batch runs, would wait for the end of its own batch, and for ever."""
        if asyncio.current_task() in self._tasks:
            raise UsageError(
                f"Queue '{self.options.name}': a processor or hook cannot wait for {method}, which waits for its own "
                f"batch. Call it in a task: asyncio.create_task(queue.{method}())."
            )

    async def stop(self) -> None:
        """Ends the batches that run; their items wait again. Nothing starts any more."""
        self.is_stopped = True
        self._end_timer()
        self.room.close()
        self._delays.stop()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _force(self, end: Awaitable[Outcome]) -> Outcome:
        self._forcing += 1
        try:
            self.pump()
            return await end
        finally:
            self._forcing -= 1

    def _is_at_rest(self) -> bool:
        return not self._tasks and self.size == 0

    def _notice_rest(self) -> None:
        if self._rest and self._is_at_rest():
            for rest in self._rest:
                _end(rest, outcome=True)


def _end(rest: asyncio.Future[bool], *, outcome: bool) -> None:
    if not rest.done():
        rest.set_result(outcome)
