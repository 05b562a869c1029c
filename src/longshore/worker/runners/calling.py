"""This module calls a task in a child process: finds it, reads the job's data, runs it, says what became of it."""

import asyncio
import contextvars
import importlib
import inspect
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from longshore.core.context import restore
from longshore.core.errors import InvalidTask, PayloadError, PayloadUndecodable
from longshore.core.payload import decode, encode
from longshore.core.signature import Signature
from longshore.dlq.burial import unreadable
from longshore.worker.control import Control, Scribe
from longshore.worker.runners.messages import Outcome, Returned, Run, Unencodable, Unreadable
from longshore.worker.runners.outcomes import outcome_of


class Callee(msgspec.Struct, frozen=True):
    """What a target leads to."""

    function: Callable[..., Any]
    signature: Signature
    make_context: Callable[[Control], object]
    is_retriable: Callable[[BaseException], bool]


class TaskLike(Protocol):
    """What a decorated function offers; a plain function will do as well."""

    function: Callable[..., Any]
    signature: Signature

    def context_for(self, control: Control) -> object:
        """What the task's context parameters get."""

    def is_retriable(self, error: BaseException) -> bool:
        """Whether the task's policy would try again after this exception."""


def call(run: Run, scribe: Scribe) -> Outcome:
    """Runs the task once. Whatever it raises becomes an outcome: nothing but death keeps a child from answering."""
    is_retriable: Callable[[BaseException], bool] = _always
    try:
        callee = find(run.target)
        is_retriable = callee.is_retriable
        control = Control(run.record, scribe)
        arguments = _arguments(callee, run, control)
        if isinstance(arguments, Unreadable):
            return arguments
        result = contextvars.Context().run(_called, callee.function, arguments, run)
        if control.suspended is not None:  # the task caught what was to end it
            return outcome_of(control.suspended, is_retriable)
        return _returned(result, run)
    except BaseException as error:  # noqa: BLE001 - SystemExit ends the job, not the child
        return _raised(error, is_retriable)


@lru_cache(maxsize=1024)
def find(target: str) -> Callee:
    """The task behind "module:qualname". Raises what importing the module raises; InvalidTask if it is not there."""
    module_name, _, path = target.partition(":")
    module = importlib.import_module(module_name)
    try:
        found: Any = attrgetter(path)(module)
    except AttributeError:
        problem = (
            f"a child process cannot find '{path}' in module '{module_name}'; a task with process=True "
            "must be defined at the top of a module"
        )
        raise InvalidTask(path, problem) from None
    if isinstance(getattr(found, "signature", None), Signature):
        return _from_task(found)
    return Callee(found, Signature(path, found), _as_it_is, _always)


def _from_task(task: TaskLike) -> Callee:
    return Callee(
        task.function,
        task.signature,
        getattr(task, "context_for", _as_it_is),
        getattr(task, "is_retriable", _always),
    )


def _arguments(callee: Callee, run: Run, control: Control) -> dict[str, Any] | Unreadable:
    signature = callee.signature
    try:
        arguments = signature.decode(run.record.payload)
    except PayloadUndecodable as error:
        return Unreadable(str(error.__cause__))
    return arguments | {name: callee.make_context(control) for name in signature.context_parameters}


def _called(function: Callable[..., Any], arguments: dict[str, Any], run: Run) -> Any:
    restore(decode(run.context), run.correlation_id)
    result = function(**arguments)
    if inspect.isawaitable(result):
        # A loop per call: nothing that one job left behind runs on in the next. It costs 0.2 ms.
        return asyncio.run(_awaited(result))
    return result


async def _awaited(result: Any) -> Any:
    return await result


def _raised(error: BaseException, is_retriable: Callable[[BaseException], bool]) -> Outcome:
    try:
        return outcome_of(error, is_retriable)
    except BaseException as second:  # noqa: BLE001 - an exception's own attributes may raise when looked at
        return outcome_of(unreadable(error, second), is_retriable)


def _returned(result: Any, run: Run) -> Outcome:
    if result is None:
        return Returned(None)
    try:
        return Returned(
            encode(result, what=run.record.name, limit_bytes=run.result_limit_bytes, word="result")
        )
    except PayloadError as error:
        return Unencodable(str(error))


def _as_it_is(control: Control) -> object:
    return control


def _always(error: BaseException) -> bool:  # noqa: ARG001
    return True
