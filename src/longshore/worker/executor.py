"""This module runs one attempt: from a claimed job to its verdict. What a task raises is caught here and nowhere else.

    find the handler → prepare the call → run it, here or outside → judge → hand to the completer

It never sees the store. What stops an attempt from outside is in `stopping.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from random import Random
from typing import Any

from longshore.core.attempt_errors import AttemptTimeout, ResultNotEncodable
from longshore.core.clock import Clock
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from longshore.core.suspension import Suspended, suspension_of
from longshore.core.verdict import CANCELLED, COMPLETED, RELEASED, Charge, Verdict
from longshore.dlq.burial import describe, letter, unreadable
from longshore.engine.failures import log_failure
from longshore.engine.herald import Herald, News
from longshore.engine.judge import judge_error, judge_unknown
from longshore.store.commands import Settlement
from longshore.worker.attempt import Attempt, Stop
from longshore.worker.completer import Completer
from longshore.worker.deadlines import Deadlines
from longshore.worker.doubts import Doubt
from longshore.worker.handback import Handback
from longshore.worker.invocation import Invocation, has_condition
from longshore.worker.lanes import Lanes
from longshore.worker.middleware import CallNext
from longshore.worker.outcome import encoded, timed_out
from longshore.worker.outside import Outside
from longshore.worker.providers import Providers
from longshore.worker.registry import Handler, Kind, Registry
from longshore.worker.relay import Relay
from longshore.worker.stats import Stats
from longshore.worker.steps import Steps, generator_exit


class Executor:
    """Runs attempts in the slots that call it."""

    on_abandoned: Callable[[asyncio.Task[Any]], None]
    """Called with the slot that will not come back."""
    on_free: Callable[[], None]
    """Called when a job has ended that no slot waited for."""
    run_batch: Callable[[JobRecord, Handler, "asyncio.Task[Any]"], Awaitable[bool]]
    """Runs the jobs of a task that takes many at once; see `batch_runner.py`."""

    def __init__(
        self,
        *,
        deadlines: Deadlines,
        registry: Registry,
        lanes: Lanes,
        relay: Relay,
        invocation: Invocation,
        outside: Outside,
        completer: Completer,
        herald: Herald,
        handback: Handback,
        providers: Providers,
        stats: Stats,
        clock: Clock,
        random: Random,
    ) -> None:
        self.running = deadlines.running
        self._deadlines = deadlines
        self._registry = registry
        self._lanes = lanes
        self._relay = relay
        self._invocation = invocation
        self._outside = outside
        self._completer = completer
        self._herald = herald
        self._handback = handback
        self._providers = providers
        self._stats = stats
        self._clock = clock
        self._random = random
        self.on_abandoned = lambda _: None
        self.on_free = lambda: None
        relay.wanted, relay.prepare = self._fits, self._ahead
        relay.begin, relay.submit = self._begin, outside.submit

    async def run(self, record: JobRecord, task: "asyncio.Task[Any]") -> bool:
        """One attempt, in the slot whose task this is. False: the slot must take no other job."""
        handler = self._registry.find(record.queue, record.name)
        if handler is None:
            self._lanes.done(record.queue)
            self._handback.unknown(record)
            return True
        if handler.batch is not None:
            return await self.run_batch(record, handler, task)
        if handler.provider is not None and (verdict := self._providers.wait_for(handler.provider)):
            self._lanes.done(record.queue)
            self._handback.give([record], verdict)
            return True
        attempt = self.running[record.id] = Attempt(record, handler, task)
        error: BaseException | None = None
        outcome = None
        try:
            if self._invocation.may_leave(handler) and not has_condition(record):
                self._send(attempt)
                return True
            outcome = await self._call(attempt)
        except GeneratorExit:  # the slot itself is thrown away, with its event loop
            raise
        except BaseException as raised:  # noqa: BLE001 - a task may raise anything and never takes its worker down
            error = raised
        if attempt.abandoned:
            return False
        was_cancelled = task.cancelling() > 0 and await self.calm(task)
        is_cut_off = (
            was_cancelled and attempt.stop is None and issubclass(type(error), asyncio.CancelledError)
        )
        if is_cut_off:  # the slot itself was cancelled, by somebody who wants the whole event loop to end
            self._settle(attempt, judge_unknown(record, self._random))
        else:
            self.judge(attempt, outcome, error)
        self._leave(attempt)
        return not is_cut_off

    # --------------------------------------------------------------------------------------------------- running

    def _prepare(self, attempt: Attempt) -> Context:
        self._invocation.read_details(attempt)
        self._begin(attempt)
        return self._invocation.space(attempt)

    def _begin(self, attempt: Attempt) -> None:
        self.running[attempt.record.id] = attempt
        if attempt.policy.timeout is not None:
            self._deadlines.set(attempt, attempt.policy.timeout)
        self._herald.post_about("started", attempt.record)

    async def _call(self, attempt: Attempt) -> Any:
        """The attempt in its slot, to its end."""
        space = self._prepare(attempt)
        if attempt.when is not None:
            await self._invocation.look(attempt, attempt.when)
        try:
            coroutine = self._invocation.coroutine(attempt, space, self._away)
            try:
                waited = space.run(coroutine.send, None)
            except StopIteration as stop:  # it never had to wait: most short tasks end here
                return stop.value
        except GeneratorExit as error:
            raise generator_exit() from error
        return await Steps(coroutine, space, waited)

    def _send(self, attempt: Attempt) -> None:
        """The attempt elsewhere. Its slot takes the next job at once, with no future and no turn of the loop between:
        that is worth 15 % of a thread's jobs of 1 ms."""
        self._depart(attempt, self._prepare(attempt))
        self._outside.submit(attempt)
        self._relay.fill()

    def _depart(self, attempt: Attempt, space: Context) -> None:
        self._invocation.errand(attempt, space)
        attempt.came_back = self._came_back
        attempt.relay = self._relay if attempt.handler.kind is Kind.THREAD else None
        attempt.is_away = True
        attempt.task = None

    def _fits(self, record: JobRecord) -> bool:
        handler = self._registry.find(record.queue, record.name)
        if handler is None or handler.provider is not None:  # whether that is parked is looked at in a slot
            return False
        is_lone = handler.kind is Kind.THREAD and handler.batch is None
        return is_lone and self._invocation.may_leave(handler) and not has_condition(record)

    def _ahead(self, record: JobRecord) -> Attempt | None:
        handler = self._registry.find(record.queue, record.name)
        assert handler is not None
        attempt = Attempt(record, handler)
        try:
            self._invocation.read_details(attempt)
            self._depart(attempt, self._invocation.space(attempt))
        except BaseException as error:  # noqa: BLE001 - as in `run`
            self._raised(attempt, error)
            if record.crashes:
                self._handback.on_left(record)
            return None
        return attempt

    def _came_back(self, attempt: Attempt, outcome: Any, error: BaseException | None) -> None:
        self.judge(attempt, outcome, error)
        self._leave(attempt)
        if attempt.follower is None:
            self.on_free()

    def _away(self, attempt: Attempt) -> CallNext:
        """The attempt elsewhere, as something that middleware can await."""

        async def away() -> Any:
            attempt.answer = asyncio.get_running_loop().create_future()
            attempt.is_away = True
            self._outside.submit(attempt)
            outcome, error = await attempt.answer
            if error is not None:
                raise error
            return outcome

        return away

    async def calm(self, task: "asyncio.Task[Any]") -> bool:
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
        if attempt.relay is None or not self._relay.has_passed(attempt):
            self._lanes.done(record.queue)
        if record.crashes:
            self._handback.on_left(record)

    # -------------------------------------------------------------------------------------------------- verdicts

    def judge(self, attempt: Attempt, outcome: Any, error: BaseException | None) -> None:
        """Judging looks at what came from the task, and that may run its code: an encoder, a `retry_if`, an
        exception's own attributes. Whatever those raise is the attempt's failure, and not the slot's."""
        if self._providers.put_off:
            error = self._providers.said_of(attempt) or error
        try:
            if error is None:
                self._returned(attempt, outcome)
            else:
                self._raised(attempt, error)
        except BaseException as second:  # noqa: BLE001 - SystemExit would end the worker
            self._raised(attempt, unreadable(outcome if error is None else error, second))

    def _returned(self, attempt: Attempt, outcome: Any) -> None:
        if (ending := attempt.ending()) is not None:
            self._raised(attempt, ending)
            return
        try:
            result = encoded(attempt, outcome)
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
                rules=record.rules,
            ),
            news,
        )

    def _raised(self, attempt: Attempt, error: BaseException) -> None:
        record, stop = attempt.record, attempt.stop
        if stop is Stop.CANCEL:
            return self._settle(attempt, CANCELLED)
        if stop is Stop.RELEASE or stop is Stop.LOST:
            return self._settle(attempt, RELEASED)
        if stop is Stop.TIMEOUT:
            error = timed_out(attempt, error)
        elif (suspended := suspension_of(error)) is not None:
            return self._suspend(attempt, suspended)
        if (noticed := self._providers.notice(attempt, error)) is not None:
            return self._put_off(attempt, error, *noticed)
        verdict = judge_error(record, error, attempt.policy, self._random)
        if verdict.charge is Charge.RELEASE:
            return self._settle(attempt, verdict, error_text=self._why_released(attempt, verdict, error))
        return self._bury(attempt, verdict, error)

    def _why_released(self, attempt: Attempt, verdict: Verdict, error: BaseException) -> str | None:
        """What `explain` tells: why it was skipped, or what a Snooze was raised from."""
        if verdict.state is State.SKIPPED:
            return str(error)
        if error.__cause__ is None:
            return None
        record = attempt.record
        return describe(error.__cause__, record, record.session or "", self._clock.now_ms())[1]

    def _suspend(self, attempt: Attempt, suspended: Suspended) -> None:
        verdict = judge_error(attempt.record, suspended, attempt.policy, self._random)
        self._settle(attempt, verdict, error=suspended)

    def _put_off(self, attempt: Attempt, error: BaseException, provider: str, verdict: Verdict) -> None:
        """For a provider that wants to be asked later. What it said is kept, and charged to nobody."""
        record = attempt.record
        kept, line = describe(error, record, record.session or "", self._clock.now_ms(), provider=provider)
        self._settle(attempt, verdict, error=error, kept=kept, error_text=line)

    def _bury(self, attempt: Attempt, verdict: Verdict, error: BaseException) -> None:
        """What is kept of an error. A cancellation keeps its reason and is no failure."""
        record = attempt.record
        now_ms = self._clock.now_ms()
        encoded, line = describe(error, record, record.session or "", now_ms, provider=attempt.provider)
        log_failure(record, verdict, attempt.policy, line, encoded)
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
            rules=record.rules,
        )
        news = News(record, verdict, attempt.handler, error)
        if (completion := attempt.completion()) is None:
            self._completer.submit(settlement, news)
        else:
            self._completer.doubts.take(Doubt(settlement, news, completion, attempt.control.notes))

    def give_up(self, attempt: Attempt) -> None:
        """Settles an attempt that does not end, and drops whatever it may come to later."""
        attempt.abandoned = True
        error = AttemptTimeout(attempt.policy.timeout or 0.0)
        self._raised(attempt, error)
        self._leave(attempt)
        if attempt.answer is not None and not attempt.answer.done():
            attempt.answer.set_result((None, error))  # so that its slot ends
        if attempt.task is None:
            self.on_free()
        else:
            self.on_abandoned(attempt.task)
