"""This module takes functions that are called with the Job itself: a queue's processor, and handlers by name."""

from collections.abc import Callable
from typing import Any

from longshore.core.errors import InvalidTask
from longshore.manager.decorating import kind_of, target_of
from longshore.manager.options import TaskOptions
from longshore.manager.runtime import Runtime
from longshore.worker.registry import Handler


def add_processor(
    runtime: Runtime,
    queue: str,
    function: Callable[..., Any],
    options: TaskOptions | None = None,
    *,
    name: str | None = None,
) -> None:
    """Makes the function run every job of the queue that no task or handler runs. Raises InvalidTask."""
    _add(runtime, name or queue, queue, function, options or TaskOptions())


def add_named(runtime: Runtime, name: str, handler: Any, **functions: Any) -> None:
    """Makes a handler run every job of a name, whatever its queue.

    It is a function, or an object (or class, or dict) with `process` and perhaps `on_failure` and `on_complete`. The
    functions may be given by these names as well. Raises InvalidTask.
    """
    parts = {part: functions.get(part) or _part(handler, part) for part in ("on_failure", "on_complete")}
    process = functions.get("process") or _part(handler, "process")
    if process is None and callable(handler):
        process = handler
    if process is None:
        raise InvalidTask(
            name, "a handler is a function called with the job, or an object with such a 'process'"
        )
    runtime.options_of(name)
    _add(runtime, name, None, process, TaskOptions(**parts))


def _add(
    runtime: Runtime, name: str, queue: str | None, function: Callable[..., Any], options: TaskOptions
) -> None:
    if not callable(function):
        raise InvalidTask(name, f"{function!r} is no function")
    runtime.register(
        Handler(
            name=name,
            queue=queue,
            function=function,
            kind=kind_of(name, function),
            target=target_of(name, function, in_process=False),
            on_complete=options.on_complete,
            on_failure=options.on_failure,
        ),
        options,
    )


def _part(handler: Any, part: str) -> Any:
    return handler.get(part) if isinstance(handler, dict) else getattr(handler, part, None)
