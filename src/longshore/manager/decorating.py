"""This module makes tasks of functions: `@queue.task` and `@manager.task`."""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack, overload

from longshore.core.errors import InvalidTask
from longshore.core.names import check_name
from longshore.core.signature import Signature
from longshore.manager.context import JobContext
from longshore.manager.desk import Desk
from longshore.manager.options import TaskOptions, TaskWords, read_task
from longshore.manager.task import AsyncTask, PlainTask, Task
from longshore.worker.registry import Handler, Kind

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_QUEUE = "default"


class TaskDecorator:
    """Makes a task of a function; with words, makes a decorator that does so."""

    def __init__(self, desk: Desk, words: Mapping[str, Any]) -> None:
        self._desk = desk
        self._words = words

    # The checkers' complaint is right: a plain function might return a coroutine. Nobody means that by a task.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[JobContext, P], Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], R], /) -> PlainTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> PlainTask[P, R]: ...
    @overload
    def __call__(self, /, **words: Unpack[TaskWords]) -> "TaskDecorator": ...
    def __call__(self, function: Callable[..., Any] | None = None, /, **words: Any) -> Any:
        """Raises InvalidTask, UnknownOption, InvalidOption and InvalidName, where the task is defined."""
        told = {**self._words, **read_task(words)}
        if function is None:
            return TaskDecorator(self._desk, told)
        return make_task(self._desk, function, told)


def make_task(desk: Desk, function: Callable[..., Any], told: Mapping[str, Any]) -> Task[..., Any]:
    """The task of a function with these checked `TaskWords`, known to the manager from now on. Raises InvalidTask."""
    own = dict(told)
    name = own.pop("name", None) or name_of(function)
    queue = own.pop("queue", DEFAULT_QUEUE)
    schedule = own.pop("schedule", None)
    options = TaskOptions(**own)
    kind = kind_of(name, function, in_process=options.process)
    signature = Signature(name, function, context_types=(JobContext,))
    handler = Handler(
        name=name,
        queue=queue,
        function=function,
        kind=kind,
        signature=signature,
        target=target_of(name, function, in_process=options.process),
        provider=options.provider,
        on_complete=options.on_complete,
        on_failure=options.on_failure,
    )
    desk.runtime.register(handler, options)
    words = {} if options.priority is None else {"priority": options.priority}
    make = AsyncTask if kind is Kind.ASYNC else PlainTask
    made: Task[..., Any] = make(desk, function, signature, queue=queue, words=words)
    if schedule is not None:
        desk.schedules.declare_task(schedule, made)
    return made


def kind_of(name: str, function: Callable[..., Any], *, in_process: bool = False) -> Kind:
    """Where the function runs. Raises InvalidTask for what cannot run at all."""
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise InvalidTask(name, "it is a generator; return a list, or add a job for each item")
    is_async = inspect.iscoroutinefunction(called)
    if is_async and in_process:
        raise InvalidTask(
            name, "process=True is for plain functions; a coroutine function runs on the event loop"
        )
    if is_async:
        return Kind.ASYNC
    return Kind.PROCESS if in_process else Kind.THREAD


def target_of(name: str, function: Callable[..., Any], *, in_process: bool) -> str | None:
    """Where the function is found by its name: "module:qualname"; None where it cannot be found again.

    Raises InvalidTask when a child process must find it and cannot.
    """
    qualname = getattr(function, "__qualname__", "<callable>")
    if "<" not in qualname:
        return f"{function.__module__}:{qualname}"
    if in_process:
        raise InvalidTask(name, "process=True needs a function at module level: a child process imports it")
    return None


def name_of(function: Callable[..., Any]) -> str:
    """What a task of this function is called unless told. Raises InvalidTask and InvalidName."""
    name = getattr(function, "__name__", type(function).__name__)
    if name == "<lambda>":
        raise InvalidTask(name, "a lambda has no name; pass name=")
    return check_name("task", name)
