"""This module is the batched queue: items of one process, run together, each with a result of its own."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sized
from random import Random
from typing import Any, Generic, TypeVar

from longshore.batch.collector import By, Collector, Collects
from longshore.batch.grouping import Split, SplitCollector
from longshore.batch.options import BatchOptions, WhenFull, check_batch_by, check_for_tests, check_hooks
from longshore.batch.results import ItemResult
from longshore.batch.spool import Persistence
from longshore.core.asking import spelled
from longshore.core.clock import Clock, SystemClock, system_random
from longshore.core.errors import UsageError
from longshore.core.retry import Retry, Seconds, seconds
from longshore.manager.batch_figures import BatchStats
from longshore.manager.batch_hooks import BatchHooks
from longshore.manager.batch_keeping import Keeping
from longshore.manager.batch_line import BatchLine
from longshore.manager.batch_processing import Processing, Processor
from longshore.manager.option_parsing import read_retry

T = TypeVar("T")


class BatchedQueue(Generic[T]):
    """Gathers items in this process and hands them to `processor`, a list at a time.

    A batch goes when it holds `batch_size` items or when its oldest has waited `flush_interval` seconds, whichever is
    first. The processor answers one `ItemResult` for each item, in their order (or True, False, None, an exception);
    what fails is tried again as `retry` says, by itself. Nothing is stored but what `persistence` saves: work that must
    not be lost belongs on a queue of the manager.

    It belongs to the event loop that uses it first; in any other, its methods raise UsageError. `async with` brings
    back what was saved and drains at the end; without it, the first `enqueue` does the former and `close` the latter.
    Raises InvalidOption and UnknownOption.
    """

    @spelled("BatchedQueue")
    def __init__(
        self,
        processor: Processor[T],
        *,
        name: str = "batched",
        batch_size: int = 50,
        flush_interval: Seconds = 5.0,
        concurrency: int = 1,
        throttle: Seconds = 0.0,
        timeout: Seconds | None = None,
        priority_levels: int = 1,
        batch_by: By[T] | Split[T] | str | None = None,
        retry: Retry | Mapping[str, Any] | int | None = None,
        max_size: int | None = None,
        when_full: WhenFull = "reject",
        persistence: Persistence | None = None,
        on_enqueue: Callable[[T], Any] | None = None,
        on_batch_start: Callable[[list[T]], Any] | None = None,
        on_batch_complete: Callable[[list[T], list[ItemResult]], Any] | None = None,
        on_processed: Callable[[T, ItemResult], Any] | None = None,
        on_size_change: Callable[[int], Any] | None = None,
        on_error: Callable[[BaseException], Any] | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self._options = BatchOptions(
            name=name,
            batch_size=batch_size,
            flush_seconds=seconds("flush_interval", flush_interval),
            concurrency=concurrency,
            throttle_seconds=seconds("throttle", throttle),
            timeout_seconds=None if timeout is None else seconds("timeout", timeout),
            priority_levels=priority_levels,
            retry=Retry() if retry is None else read_retry(retry),
            max_size=max_size,
            when_full=when_full,
            persistence=persistence,
        )
        hooks = {
            "enqueue": on_enqueue,
            "batch_start": on_batch_start,
            "batch_complete": on_batch_complete,
            "processed": on_processed,
            "size_change": on_size_change,
            "error": on_error,
        }
        self._hooks = BatchHooks(name, check_hooks(hooks))
        self._is_heard = self._hooks.wants("enqueue") or self._hooks.wants("size_change")
        check_batch_by(batch_by)
        check_for_tests(clock, random)
        self._clock: Clock = clock or SystemClock()
        self._build(processor, batch_by, random or system_random())

    def _build(
        self, processor: Processor[T], batch_by: By[T] | Split[T] | str | None, random: Random
    ) -> None:
        options = self._options
        processing = Processing(options.name, processor, options.timeout_seconds, self._hooks, self._clock)
        collector = _collector(options, batch_by)
        self._line = BatchLine(options, collector, processing, self._hooks, clock=self._clock, random=random)
        self._keeping = (
            Keeping(options.persistence, self._line, self._hooks, self._clock, random)
            if options.persistence is not None
            else None
        )
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where it is open."""

    @property
    def name(self) -> str:
        """As it is called in errors and logs."""
        return self._options.name

    @property
    def is_paused(self) -> bool:
        """Whether batches wait for `resume`."""
        return self._line.is_paused

    @property
    def stats(self) -> BatchStats:
        """What there is now, and what was done since the queue was made."""
        return self._line.stats()

    def __len__(self) -> int:
        """Items that wait, for their batch or for their next attempt; those that run are not among them."""
        return self._line.size

    def __bool__(self) -> bool:
        return True

    # ------------------------------------------------------------------------------------------- adding

    async def enqueue(self, item: T, priority: int = 0) -> None:
        """Adds an item; 0 is the most urgent priority. Returns when the queue has it, not when it is done.

        Raises QueueFull where `when_full` is "reject", or "drop_oldest" and all that wait is more urgent; QueueClosed;
        InvalidOption for a priority that there is not; and what a key function of `batch_by` raises.
        """
        if self._loop is not asyncio.get_running_loop():
            await self._open()
        if priority != 0:
            self._options.check_priority(priority)
        max_size = self._options.max_size
        if max_size is not None and self._line.room.is_taken(max_size):
            await self._make_room(max_size, priority)
        if self._take_in(item, priority):
            await self._let_others_run(item)

    async def enqueue_many(self, items: Iterable[T] | AsyncIterable[T], priority: int = 0) -> int:
        """Adds what a plain or async iterator gives, and returns how many. It takes the next item only when there is
        room for it, whatever `when_full` says, so that a source of any length passes through bounded memory: up to
        max_size, or else, unless it is a collection that is in memory already, 10,000 or four batches at a time.

        Raises like `enqueue`, but for QueueFull; what was taken before stays.
        """
        if self._loop is not asyncio.get_running_loop():
            await self._open()
        self._options.check_priority(priority)
        bounded = self._options.max_size is not None or not isinstance(items, Sized)
        limit = self._options.in_hand if bounded else None
        added = 0
        if isinstance(items, AsyncIterable):
            async for item in items:
                await self._take_in_turn(item, priority, limit)
                added += 1
        else:
            for item in items:
                await self._take_in_turn(item, priority, limit)
                added += 1
        return added

    async def _take_in_turn(self, item: T, priority: int, limit: int | None) -> None:
        if limit is not None and self._line.room.is_taken(limit):
            await self._line.room.enter(limit)
        if self._take_in(item, priority):
            await self._let_others_run(item)

    def _take_in(self, item: T, priority: int) -> bool:
        """Whether others should run now: a batch, or a hook."""
        if self._line.is_stopped:
            raise self._options.closed()
        return self._line.add(item, priority) or self._is_heard

    async def _let_others_run(self, item: T) -> None:
        """Without it a loop that only adds would never let a batch run."""
        if self._is_heard:
            await self._hooks.tell("enqueue", item)
            await self._hooks.tell("size_change", self._line.size)
        await self._clock.sleep(0)

    async def _make_room(self, max_size: int, priority: int) -> None:
        line, when_full = self._line, self._options.when_full
        if when_full == "wait":
            await line.room.enter(max_size)
            return
        while line.size >= max_size:
            if when_full == "reject" or not await line.drop(priority):
                line.figures.rejected += 1
                raise self._options.full()

    # ------------------------------------------------------------------------------------------- steering

    async def flush(self) -> None:
        """Lets what waits go now, also while paused; returns when all of it has been tried once. What failed may wait
        for its next attempt then, and what a `Split` kept back waits on."""
        await self._open()
        await self._line.flush()

    def pause(self) -> None:
        """Starts no more batches by itself. Those that run go on, and items are still taken; `flush` and `drain` run
        them all the same."""
        self._line.is_paused = True

    def resume(self) -> None:
        """Ends the pause."""
        self._refuse_other_loops()
        self._line.is_paused = False
        if self._loop is not None:
            self._line.pump()

    async def drain(self, timeout: Seconds | None = None) -> None:  # noqa: ASYNC109 - loses nothing, unlike a cancel
        """Lets everything go, and returns when nothing waits, runs, or is to be tried again; also what is added
        meanwhile. Raises DrainTimeout after `timeout` seconds, with what is left; that stays in the queue."""
        await self._open()
        await self._line.drain(None if timeout is None else seconds("timeout", timeout))

    async def save_state(self) -> None:
        """Saves every item that is not done, also those that run. Raises UsageError without `persistence`,
        PayloadNotEncodable when an item has no JSON form (the others are saved), and what the storage raises."""
        if self._keeping is None:
            raise UsageError(
                f"Queue '{self.name}' has nowhere to save to. Give it persistence=Persistence(…)."
            )
        if not self._line.is_stopped:
            await self._open()  # else what was saved before, and is not here yet, would be overwritten
        await self._keeping.save()

    async def close(self, timeout: Seconds | None = None) -> None:  # noqa: ASYNC109 - as for drain
        """Drains and takes no more. When that takes too long (DrainTimeout) or is cancelled, batches that run are
        cancelled, and what is left is saved where there is `persistence`. Again: does nothing."""
        if self._line.is_stopped:
            return
        self._refuse_other_loops()
        self._line.refuse_within("close")
        try:
            await self.drain(timeout)
        finally:
            await self._line.stop()
            if self._keeping is not None and self._loop is not None:
                await self._keeping.stop()
                await self._keeping.save()

    async def __aenter__(self) -> "BatchedQueue[T]":
        await self._open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _open(self) -> None:
        if self._line.is_stopped:
            raise self._options.closed()
        self._refuse_other_loops()
        async with self._opening:
            if self._loop is not None:
                return
            if self._keeping is not None:
                await self._keeping.restore()
                await self._keeping.start()
            self._loop = asyncio.get_running_loop()

    def _refuse_other_loops(self) -> None:
        """Its timers and batches live in one loop: items that came from another would wait for ever, or race."""
        own = self._loop
        if own is None or own is asyncio.get_running_loop():
            return
        ended = ", which has ended with what still waited in it" if own.is_closed() else ""
        raise UsageError(
            f"Queue '{self.name}' belongs to the event loop that used it first{ended}. Make one BatchedQueue for each "
            "loop; from other threads hand items over with asyncio.run_coroutine_threadsafe."
        )


def _collector(options: BatchOptions, batch_by: By[T] | Split[T] | str | None) -> Collects[T]:
    if isinstance(batch_by, Split):
        return SplitCollector(batch_by, options.full_at, options.priority_levels, options.flush_seconds)
    return Collector(options.full_at, options.priority_levels, batch_by)
