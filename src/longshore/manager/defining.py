"""This module defines: queues, tasks, processors, handlers, hooks and middleware. Nothing here does I/O."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Unpack

import msgspec

from longshore.core.errors import InvalidTask
from longshore.core.events import Hook
from longshore.core.names import check_name
from longshore.manager.base_queue import BaseQueue
from longshore.manager.batch_decorating import BatchDecorator
from longshore.manager.decorating import TaskDecorator
from longshore.manager.desk import Desk
from longshore.manager.options import QueueWords, TaskOptions, read_defaults, read_queue
from longshore.manager.processors import add_named, add_processor
from longshore.manager.queue import Queue
from longshore.manager.runtime import Runtime

Q = TypeVar("Q", bound=BaseQueue)
H = TypeVar("H", bound=Callable[..., Any])


class Defining(Desk):
    """Defining what there is."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._queues: dict[str, Queue] = {}

    def queue(self, name: str, **words: Unpack[QueueWords]) -> Queue:
        """The queue of that name; options that are given are its own from now on, others stay as they were.

        Raises UnknownOption, InvalidOption, InvalidName.
        """
        name = check_name("queue", name)
        if words:
            told = read_queue(words)
            options = msgspec.structs.replace(self.runtime.options_of(name), **told)
            self.runtime.configure(name, options)
        return self._queues.setdefault(name, Queue(self, name))

    def get_queue(self, name: str) -> Queue:
        """The queue of that name, made on demand; for a registered class, its instance."""
        return self.queue(name)

    @property
    def task(self) -> TaskDecorator:
        """Makes a task of a function: `@manager.task`, or `@manager.task(queue=…, name=…, …)`; the queue is "default"
        otherwise."""
        return TaskDecorator(self, {})

    @property
    def batch_task(self) -> BatchDecorator:
        """Makes a task whose jobs run many at a time: `@manager.batch_task(queue=…, size=…)`; the queue is "default"
        otherwise."""
        return BatchDecorator(self, {})

    def register_queue(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        default_job_options: Mapping[str, Any] | None = None,
        **words: Unpack[QueueWords],
    ) -> Queue:
        """`queue` in the words of seed 003: `default_job_options` go to each job that is added to it from here.

        `options` is the seed's own shape: {"defaultJobOptions": {"attempts": 3, "backoff": {…}, "removeOnComplete":
        {…}}}.
        """
        told = {_SEED_WORDS.get(word, word): value for word, value in (options or {}).items()}
        defaults = told.pop("default_job_options", None) or default_job_options
        made = self.queue(name, **{**told, **words})
        if defaults:
            more = read_defaults(made.name, defaults)
            self.runtime.configure(made.name, msgspec.structs.replace(made.options, **more))
        return made

    def register_processor(self, queue: str, function: H) -> H:
        """Makes the function run every job of the queue that no task or handler runs; called as (job)."""
        self.queue(queue).set_processor(function)
        return function

    def register_handler(self, name: str, handler: Any = None, **functions: Callable[..., Any]) -> None:
        """Makes a handler run every job of a name, whatever its queue. It is a function called with the job, or an
        object with `process` and perhaps `on_failure(job, error)` and `on_complete(job)`; or these as keywords.
        Raises InvalidTask."""
        if strange := functions.keys() - {"process", "on_failure", "on_complete"}:
            raise InvalidTask(
                name, f"a handler has no '{min(strange)}'; it has process, on_failure and on_complete"
            )
        add_named(self.runtime, check_name("task", name), handler, **functions)

    def register(self, queue: type[Q] | Q) -> Q:
        """Registers a class-based queue, or an instance of one; gives the instance. Raises InvalidTask."""
        made = queue() if isinstance(queue, type) else queue
        if not isinstance(getattr(made, "name", None), str):
            raise InvalidTask(type(made).__name__, "it needs a class attribute 'name'")
        if type(made).process_job is BaseQueue.process_job:
            raise InvalidTask(type(made).__name__, "it needs a method 'process_job(self, job)'")
        made.name = name = check_name("queue", made.name)
        made.connect(self)
        self.queue(name, **made.words())
        self._queues[name] = made
        hooks = TaskOptions(on_failure=made.on_failure, on_complete=made.on_complete)
        add_processor(self.runtime, name, made.process_job, hooks)
        return made

    def on(self, event: str, hook: Hook) -> None:
        """Calls the hook, sync or async, whenever the event happens in this process. Raises UnknownOption for a name
        that no event has."""
        self.runtime.bus.on(event, hook)

    def middleware(self, function: H) -> H:
        """Wraps every attempt: `async def timed(ctx, call_next): …; return await call_next()`. The first one is
        outermost. Usable as a decorator."""
        self.runtime.wrap_with(function)
        return function


_SEED_WORDS = {"defaultJobOptions": "default_job_options", "rateLimit": "rate_limit"}
