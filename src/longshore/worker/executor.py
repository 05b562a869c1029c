"""This module runs one attempt: from a claimed job to its verdict. What a task raises is caught here and nowhere else.

    find the handler → prepare the call → run it, here or outside → judge → hand to the completer

It never sees the store. What stops an attempt from outside is in `stopping.py`.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from random import Random
from typing import Any

from longshore.core.clock import Clock
from longshore.core.errors import AttemptTimeout, PayloadError, ResultNotEncodable, WorkerCrashed
from longshore.core.job import JobRecord, NewJob
from longshore.core.payload import encode
from longshore.core.states import State
from longshore.core.verdict import CANCELLED, COMPLETED, RELEASED, Charge, Verdict
from longshore.dlq.burial import describe, letter
from longshore.engine.herald import Herald, News
from longshore.engine.judge import judge_error, judge_unknown
from longshore.store.commands import Settlement
from longshore.worker.attempt import Attempt, Stop
from longshore.worker.completer import Completer
from longshore.worker.deadlines import Deadlines
from longshore.worker.handback import Handback
from longshore.worker.invocation import Invocation
from longshore.worker.lanes import Lanes
from longshore.worker.middleware import CallNext
from longshore.worker.outside import Outside
from longshore.worker.registry import Kind, Registry
from longshore.worker.stats import Stats
from longshore.worker.steps import Steps, generator_exit

log = logging.getLogger("longshore.worker")


class Executor:
    """Runs attempts in the slots that call it."""

    on_abandoned: Callable[[asyncio.Task[Any]], None]
    """Called with the slot that will not come back."""
    on_free: Callable[[], None]
    """Called when a job has ended that no slot waited for."""

    def __init__(
        self,
        *,
        deadlines: Deadlines,
        registry: Registry,
        lanes: Lanes,
        invocation: Invocation,
        outside: Outside,
        completer: Completer,
        herald: Herald,
        handback: Handback,
        stats: Stats,
        clock: Clock,
        random: Random,
    ) -> None:
        self.running = deadlines.running
        self._deadlines = deadlines
        self._registry = registry
        self._lanes = lanes
        self._invocation = invocation
        self._outside = outside
        self._completer = completer
        self._herald = herald
        self._handback = handback
        self._stats = stats
        self._clock = clock
        self._random = random
        self.on_abandoned = lambda _: None
        self.on_free = lambda: None

    async def run(self, record: JobRecord, task: "asyncio.Task[Any]") -> bool:
        """One attempt, in the slot whose task this is. False: the slot must take no other job."""
        handler = self._registry.find(record.queue, record.name)
        if handler is None:
            self._lanes.done(record.queue)
            self._handback.unknown(record)
            return True
        attempt = self.running[record.id] = Attempt(record, handler, task)
        error: BaseException | None = None
        outcome = None
        try:
            if self._invocation.may_leave(attempt):
                await self._send(attempt)
                return True
            outcome = await self._call(attempt)
        except GeneratorExit:  # the slot itself is thrown away, with its event loop
            raise
        except BaseException as raised:  # noqa: BLE001 - a task may raise anything and never takes its worker down
            error = raised
        if attempt.abandoned:
            return False
        was_cancelled = task.cancelling() > 0 and await self._calm(task)
        is_cut_off = was_cancelled and attempt.stop is None and isinstance(error, asyncio.CancelledError)
        if error is None:
            self._returned(attempt, outcome)
        elif is_cut_off:  # the slot itself was cancelled, by somebody who wants the whole event loop to end
            self._settle(attempt, judge_unknown(record, self._random))
        else:
            self._raised(attempt, error)
        self._leave(attempt)
        return not is_cut_off

    # --------------------------------------------------------------------------------------------------- running

    def _prepare(self, attempt: Attempt) -> Context:
        self._invocation.read_details(attempt)
        if attempt.policy.timeout is not None:
            self._deadlines.set(attempt, attempt.policy.timeout)
        self._herald.post_about("started", attempt.record)
        return self._invocation.space(attempt)

    async def _call(self, attempt: Attempt) -> Any:
        """The attempt in its slot, to its end."""
        space = self._prepare(attempt)
        try:
            coroutine = self._invocation.coroutine(attempt, space, self._away)
            try:
                waited = space.run(coroutine.send, None)
            except StopIteration as stop:  # it never had to wait: most short tasks end here
                return stop.value
        except GeneratorExit as error:
            raise generator_exit() from error
        return await Steps(coroutine, space, waited)

    async def _send(self, attempt: Attempt) -> None:
        """The attempt elsewhere. Its slot takes the next job at once, with no future and no turn of the loop between:
        that is worth 15 % of a thread's jobs of 1 ms."""
        self._invocation.errand(attempt, self._prepare(attempt))
        attempt.came_back = self._came_back
        attempt.is_away = True
        await self._outside.submit(attempt)

    def _came_back(self, attempt: Attempt, outcome: Any, error: BaseException | None) -> None:
        if error is None:
            self._returned(attempt, outcome)
        else:
            self._raised(attempt, error)
        self._leave(attempt)
        self.on_free()

    def _away(self, attempt: Attempt) -> CallNext:
        """The attempt elsewhere, as something that middleware can await."""

        async def away() -> Any:
            attempt.answer = asyncio.get_running_loop().create_future()
            attempt.is_away = True
            await self._outside.submit(attempt)
            outcome, error = await attempt.answer
            if error is not None:
                raise error
            return outcome

        return away

    async def _calm(self, task: "asyncio.Task[Any]") -> bool:
        """Lets no cancellation of this attempt reach the slot's next one. (Python 3.11's TaskGroup leaves one behind
        when children fail, so a count alone does not mean that the slot was meant.)"""
        while task.cancelling():
            task.uncancel()
        with suppress(asyncio.CancelledError):
            await self._clock.sleep(0)
        return True

    def _leave(self, attempt: Attempt) -> None:
        record = attempt.record
        del self.running[record.id]
        self._lanes.done(record.queue)
        if record.crashes:
            self._handback.on_left(record)

    # -------------------------------------------------------------------------------------------------- verdicts

    def _returned(self, attempt: Attempt, outcome: Any) -> None:
        try:
            result = self._encoded(attempt, outcome)
        except ResultNotEncodable as error:
            if attempt.policy.on_bad_result == "fail":
                self._raised(attempt, error)
            else:
                self._settle(attempt, COMPLETED, error_text=f"ResultNotEncodable: {error}")
            return
        record, handler = attempt.record, attempt.handler
        news = None
        if handler.on_complete is not None or self._herald.wants("completed"):
            record.result = result
            news = News(record, COMPLETED, handler)
        self._completer.submit(
            Settlement(
                id=record.id,
                queue=record.queue,
                session=record.session or "",
                fence=record.fence,
                verdict=COMPLETED,
                result=result,
                keep=attempt.policy.keep_completed,
            ),
            news,
        )

    def _encoded(self, attempt: Attempt, outcome: Any) -> bytes | None:
        if outcome is None or attempt.handler.kind is Kind.PROCESS:
            return outcome  # type: ignore[no-any-return]  # a process sends its result as JSON
        try:
            return encode(outcome, what=attempt.record.name, limit_bytes=attempt.policy.result_limit_bytes)
        except PayloadError as error:
            raise ResultNotEncodable(str(error)) from error
        except Exception as error:  # a value's own encoder may raise anything
            raise ResultNotEncodable(
                f"The result cannot be stored as JSON: {type(error).__name__}."
            ) from error

    def _raised(self, attempt: Attempt, error: BaseException) -> None:
        record, stop = attempt.record, attempt.stop
        if stop is Stop.CANCEL:
            return self._settle(attempt, CANCELLED)
        if stop is Stop.RELEASE or stop is Stop.LOST:
            return self._settle(attempt, RELEASED)
        if stop is Stop.TIMEOUT:
            error = _timed_out(attempt, error)
        verdict = judge_error(record, error, attempt.policy, self._random)
        if verdict.charge is Charge.RELEASE:
            return self._settle(attempt, verdict)
        return self._bury(attempt, verdict, error)

    def _bury(self, attempt: Attempt, verdict: Verdict, error: BaseException) -> None:
        """What is kept of an error. A cancellation keeps its reason and is no failure."""
        record = attempt.record
        now_ms = self._clock.now_ms()
        encoded, line = describe(error, record, record.session or "", now_ms)
        queue = attempt.policy.dead_letter if verdict.state is State.FAILED else None
        follow = (letter(record, line, now_ms, queue),) if queue is not None else ()
        kept = encoded if verdict.charge else None
        self._settle(attempt, verdict, error=error, kept=kept, error_text=line, follow=follow)

    def _settle(
        self,
        attempt: Attempt,
        verdict: Verdict,
        *,
        error: BaseException | None = None,
        kept: bytes | None = None,
        error_text: str | None = None,
        follow: tuple[NewJob, ...] = (),
    ) -> None:
        record, policy = attempt.record, attempt.policy
        self._stats.released += verdict.charge is Charge.RELEASE
        settlement = Settlement(
            id=record.id,
            queue=record.queue,
            session=record.session or "",
            fence=record.fence,
            verdict=verdict,
            error=kept,
            error_text=error_text,
            follow=follow,
            keep=policy.keep_failed if verdict.state is State.FAILED else policy.keep_completed,
        )
        self._completer.submit(settlement, News(record, verdict, attempt.handler, error))

    def give_up(self, attempt: Attempt) -> None:
        """Settles an attempt that does not end, and drops whatever it may come to later."""
        attempt.abandoned = True
        error = AttemptTimeout(attempt.policy.timeout or 0.0)
        self._raised(attempt, error)
        self._leave(attempt)
        if attempt.answer is not None and not attempt.answer.done():
            attempt.answer.set_result((None, error))  # so that its slot ends
        if attempt.is_away and attempt.answer is None:
            self.on_free()
        else:
            self.on_abandoned(attempt.task)


def _timed_out(attempt: Attempt, error: BaseException) -> BaseException:
    """The time-out, with what the task made of it behind it."""
    if isinstance(error, AttemptTimeout):
        return error
    timed_out = AttemptTimeout(attempt.policy.timeout or 0.0)
    timed_out.__cause__ = None if isinstance(error, asyncio.CancelledError | WorkerCrashed) else error
    return timed_out
