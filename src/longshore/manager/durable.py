"""This module lets a task get through a crash: steps that are not run again, sleeps and waits that hold no slot.

`steps/transcript.py` knows what was recorded; here is what is done about it.
"""

import copy
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

import msgspec

from longshore.core.errors import UsageError
from longshore.core.names import check_name
from longshore.core.payload import decode
from longshore.core.retry import Retry, Seconds
from longshore.core.retry import seconds as read_seconds
from longshore.core.step_errors import StepMismatch
from longshore.manager.option_parsing import read_retry, read_timeout
from longshore.manager.runtime import Runtime
from longshore.manager.step_execution import (
    StepOptions,
    called,
    check_function,
    is_async,
    pause_after,
    run_step,
)
from longshore.steps import signals
from longshore.steps.entries import Kept, Kind
from longshore.steps.reading import read_result, written
from longshore.steps.recorder import Recorder
from longshore.steps.transcript import Transcript
from longshore.worker.control import Control
from longshore.worker.runners.importing import is_child

P = ParamSpec("P")
R = TypeVar("R")

NO_OPTIONS = StepOptions()


class Durable:
    """Steps, sleeps and waits of a `JobContext`."""

    __slots__ = ("_control", "_options", "_runtime")

    def __init__(self, runtime: Runtime, control: Control) -> None:
        self._runtime = runtime
        self._control = control
        self._options = NO_OPTIONS

    def options(self, *, retry: Retry | int | None = None, timeout: Seconds | None = None) -> Self:
        """The same context, whose steps are tried again within their attempt, and get so many seconds for each try.
        Raises InvalidOption."""
        other = copy.copy(self)
        other._options = StepOptions(  # noqa: SLF001 - a copy of itself
            None if retry is None else read_retry(retry), None if timeout is None else read_timeout(timeout)
        )
        return other

    @overload
    def step(
        self, name: str, function: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]: ...

    @overload
    def step(
        self, name: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]: ...

    def step(
        self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, Any]:
        """Runs the function and records its result; an attempt after that gets the result and does not run it again.

        A plain function runs in a thread. The result must have a JSON form, and comes back as that says, read into the
        annotated type. Under a name that was used before in the task the step is `name#2`, and so on. What the function
        raises is raised here, and is not recorded. Raises InvalidName, InvalidOption, ResultNotEncodable and
        StepMismatch.
        """
        check_function(name, function)
        return self._step(self._name("step", name), function, args, kwargs)

    @overload
    def step_sync(
        self, name: str, function: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    def step_sync(self, name: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def step_sync(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`step` for tasks in threads and processes. A plain function runs in the task's own thread, unless it has a
        time-out."""
        check_function(name, function)
        portal, own = self._runtime.portal, self._name("step", name)
        if is_async(function) or self._options.timeout is not None:
            return portal.call(self._step(own, function, args, kwargs))
        if (found := portal.call(self._recorded(own, Kind.STEP))) is not None:
            return read_result(own, found.entry.value, function)
        began_ms = self._runtime.clock.now_ms()
        with self._transcript.inside(own):
            value = self._tried(lambda: function(*args, **kwargs))
        return portal.call(self._record_step(own, value, began_ms, function))

    def sleep(self, seconds: Seconds) -> Coroutine[Any, Any, None]:
        """Goes on after so long, counted from the first attempt that came here. The job frees its slot meanwhile: the
        attempt ends and another one begins, which gets here through the recorded steps. Below a second it waits in
        place. Raises InvalidOption."""
        plain = read_seconds("seconds", seconds)
        return self._sleep(self._name("step", "sleep"), plain)

    def sleep_sync(self, seconds: Seconds) -> None:
        """`sleep` for tasks in threads and processes."""
        self._runtime.portal.call(self.sleep(seconds))

    def wait_for(self, event: str, *, timeout: Seconds | None = None) -> Coroutine[Any, Any, Any]:
        """What `manager.signal(job, event, data)` brings: plain values. It may have come before; of several each is for
        one call, the oldest first. The job frees its slot meanwhile, as in `sleep`.

        Raises TimeoutError when none has come `timeout` seconds after the first attempt came here, and in each later
        attempt too; InvalidName, InvalidOption and StepMismatch.
        """
        limit = None if timeout is None else read_seconds("timeout", timeout)
        return self._wait_for(self._name("event", event), event, limit)

    def wait_for_sync(self, event: str, *, timeout: Seconds | None = None) -> Any:
        """`wait_for` for tasks in threads and processes."""
        return self._runtime.portal.call(self.wait_for(event, timeout=timeout))

    # ------------------------------------------------------------------------------------------------- steps

    async def _step(
        self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        with self._transcript.at_work(name):
            if (found := await self._recorded(name, Kind.STEP)) is not None:
                return read_result(name, found.entry.value, function)
            began_ms = self._runtime.clock.now_ms()
            value = await run_step(
                lambda: called(function, args, kwargs),
                self._options,
                self._runtime.clock,
                self._runtime.random,
            )
            return await self._record_step(name, value, began_ms, function)

    def _tried(self, call: Callable[[], Any]) -> Any:
        runtime, failures = self._runtime, 0
        while True:
            try:
                return call()
            except Exception as error:
                failures += 1
                pause = pause_after(error, failures, self._options.retry, runtime.random)
                if pause is None:
                    raise
            runtime.portal.call(runtime.clock.sleep(pause))

    async def _record_step(
        self, name: str, value: object, began_ms: int, function: Callable[..., Any]
    ) -> Any:
        transcript, runtime = self._transcript, self._runtime
        raw = written(name, value, runtime.settings.payload_limit)
        if not self._is_kept:
            return read_result(name, raw, function)
        now_ms = runtime.clock.now_ms()
        entry = transcript.entry(Kind.STEP, name, at_ms=began_ms, ended_ms=now_ms, value=raw)
        found = _checked(await transcript.record(name, entry), Kind.STEP)
        return read_result(name, found.entry.value, function)

    # -------------------------------------------------------------------------------------- sleeps and waits

    async def _sleep(self, name: str, seconds: float) -> None:
        transcript = self._transcript
        if not self._is_kept:
            await self._runtime.clock.sleep(seconds)
            return
        found = await self._recorded(name, Kind.SLEEP)
        if found is None:
            due_ms = self._runtime.clock.now_ms() + round(seconds * 1000)
            entry = transcript.entry(Kind.SLEEP, name, due_ms=due_ms)
            found = _checked(await transcript.record(name, entry), Kind.SLEEP)
        await transcript.park(found.entry.due_ms)

    async def _wait_for(self, name: str, event: str, seconds: float | None) -> Any:
        if not self._is_kept:
            raise UsageError(
                f"Nobody can signal '{event}' to a plain call: wait_for needs a job. Enqueue the task."
            )
        transcript, clock = self._transcript, self._runtime.clock
        found = await self._recorded(name, Kind.WAIT)
        if found is None:
            due_ms = None if seconds is None else clock.now_ms() + round(seconds * 1000)
            entry = transcript.entry(Kind.WAIT, name, event=event, due_ms=due_ms)
            found = _checked(await transcript.record(name, entry), Kind.WAIT)
        while found.entry.is_waiting:  # recorded before the look: see steps/signals.py
            ended = await self._look(name, found)
            if ended is None:
                await transcript.park(found.entry.due_ms, wants_signal=True)
            else:
                found = ended
        if found.entry.timed_out:
            raise TimeoutError(f"No signal '{event}' came in time.")
        return decode(found.entry.value)

    async def _look(self, name: str, found: Kept) -> Kept | None:
        """The end of the wait; None where it goes on."""
        transcript, entry = self._transcript, found.entry
        job, event, now_ms = self._control.record, entry.event or "", self._runtime.clock.now_ms()
        taken = await transcript.insist(lambda recorder: signals.take(recorder.store, job, event, name))
        if taken is None:
            if entry.due_ms is None or now_ms < entry.due_ms:
                return None
            return await transcript.record(
                name, msgspec.structs.replace(entry, ended_ms=now_ms, timed_out=True), expect=found.version
            )
        record, letter = taken
        ended = msgspec.structs.replace(entry, ended_ms=now_ms, signal=record.key, value=letter.data)
        kept = await transcript.record(name, ended, expect=found.version)
        if kept.entry.signal == record.key:
            await transcript.insist(lambda recorder: signals.drop(recorder.store, record))
        else:
            await transcript.insist(lambda recorder: signals.hand_back(recorder.store, record, letter))
        return kept

    # ------------------------------------------------------------------------------------------- the transcript

    def _name(self, kind: str, name: str) -> str:
        return self._transcript.name(check_name(kind, name))

    async def _recorded(self, name: str, kind: Kind) -> Kept | None:
        if not self._is_kept:
            return None
        found = await self._transcript.find(name)
        return None if found is None else _checked(found, kind)

    @property
    def _is_kept(self) -> bool:
        """Whether there is a job: a plain call has none."""
        return self._control.record.session is not None

    @property
    def _transcript(self) -> Transcript:
        found = self._control.transcript
        if found is None:
            runtime, queue = self._runtime, self._control.record.queue
            if queue in runtime.volatile and is_child():
                raise UsageError(
                    f"Queue '{queue}' is in the memory of the worker (durable=False), which a task with process=True "
                    "does not share: nothing could be recorded. Use a durable queue, or run the task in a thread."
                )
            found = Transcript(self._control, _recorder(runtime, queue), runtime.clock, runtime.random)
            self._control.transcript = found
        return cast("Transcript", found)


def _recorder(runtime: Runtime, queue: str) -> Callable[[], Awaitable[Recorder]]:
    return lambda: runtime.engines.recorder(queue)


def _checked(found: Kept, kind: Kind) -> Kept:
    """What is recorded, if it is what is asked for. Raises StepMismatch."""
    if found.entry.kind is not kind:
        raise StepMismatch(found.name, f"was recorded as a {found.entry.kind} and is a {kind} now")
    return found
