"""This module is a task: a function that can be called in place, or added to a queue and run by a worker.

`enqueue` takes the function's own arguments and is typed like it; whatever is about the job goes through `options`.
A first parameter annotated `JobContext` is handed in by the worker and left out of `enqueue`'s signature. Type
checkers can drop only the first; one that stands elsewhere is handed in too, but needs a default to please them.
"""

import copy
import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from itertools import islice
from typing import Any, Final, Generic, ParamSpec, Self, TypeVar, Unpack, cast

from longshore.core.batch_errors import QueueFull
from longshore.core.conflict_errors import NotUnique
from longshore.core.errors import InvalidOption, PayloadMismatch
from longshore.core.ids import format_id
from longshore.core.payload import decode
from longshore.core.signature import Signature
from longshore.engine.plan import Plan
from longshore.manager.admitting import admit
from longshore.manager.chaining import add_chained, head, without_chain
from longshore.manager.context import JobContext, context_in_place
from longshore.manager.desk import Desk
from longshore.manager.intake import blocking_intake, insert, without_connection
from longshore.manager.job import Job
from longshore.manager.option_parsing import JobWords, translate
from longshore.manager.planning import is_news, plan
from longshore.manager.portal import Portal
from longshore.worker.control import Control
from longshore.workflows.spec import Parts, Step

P = ParamSpec("P")
R = TypeVar("R")

CHUNK = 1000
"""Jobs that `enqueue_many` encodes before it adds them and lets others run."""

Call = tuple[Any, ...] | Mapping[str, Any]


class Task(Generic[P, R]):
    """A function that can be queued. Made by `@queue.task` and `@manager.task`."""

    def __init__(
        self,
        desk: Desk,
        function: Callable[..., Any],
        signature: Signature,
        *,
        queue: str,
        words: Mapping[str, Any],
    ) -> None:
        self._desk = desk
        self._words = words
        self._connection: object | None = None
        self._follows: Parts = None
        self._plan: Plan | None = None
        self._planned_with: object = None
        self._planned_at = 0
        self.function = function
        self.signature = signature
        self.name: str = signature.name
        self.queue = queue
        functools.update_wrapper(cast("Callable[..., Any]", self), function)

    def __repr__(self) -> str:
        return f"<Task {self.queue}/{self.name}>"

    @property
    def portal(self) -> Portal:
        """Where the blocking twins run."""
        return self._desk.runtime.portal

    async def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Adds a job that calls the function with these arguments.

        Raises PayloadMismatch, PayloadNotEncodable, PayloadTooLarge, NotUnique, QueueFull and StoreUnavailable; nothing
        is stored then.
        With a connection (`options(connection=…)`) the job is there when the caller's transaction commits; raises
        UnusableConnection, and what the connection's driver raises.
        """
        runtime = self._desk.runtime
        planned = self._planned()
        payload = self.signature.encode(args, kwargs, limit_bytes=runtime.settings.payload_limit)
        if self._follows is not None:
            return (await self._chained(self._step(payload)))[0]
        if planned.is_plain:
            new = planned.one(payload)
            await insert(runtime, (new,), self._connection, planned.durability)
            return Job(runtime, new)
        if planned.has_rules and await is_news(runtime, self._connection):
            planned = self._planned()
        new = planned.one(payload)
        return Job.added(runtime, new, await admit(runtime, (new,), self._connection, planned))

    async def enqueue_many(self, calls: Iterable[Call]) -> list[Job[R]]:
        """Adds a job for each call, a tuple of arguments or a dict of arguments by name, in their order.

        Raises like `enqueue`; calls before the one that is wrong may have been added, in chunks of 1,000. NotUnique and
        QueueFull say which were added: `error.added`.
        """
        planned = self._planned()
        if planned.job_id is not None:
            raise InvalidOption(
                "job_id", format_id(planned.job_id), "nothing for enqueue_many: one id cannot name many jobs"
            )
        runtime = self._desk.runtime
        if self._follows is not None:
            steps = [self._step(payload) for payload in self._encode_all(calls)]
            return await self._chained(steps) if steps else []
        if planned.has_rules and await is_news(runtime, self._connection):
            planned = self._planned()
        jobs: list[Job[R]] = []
        remaining = iter(calls)
        while chunk := list(islice(remaining, CHUNK)):
            added = planned.many(self._encode_all(chunk))
            try:
                older = await admit(runtime, added, self._connection, planned)
            except (NotUnique, QueueFull) as error:
                error.added = (*(job.id for job in jobs if not job.conflict), *error.added)
                raise
            jobs += [Job.added(runtime, new, older) if older else Job(runtime, new) for new in added]
            await runtime.clock.sleep(0)
        return jobs

    def options(self, **words: Unpack[JobWords]) -> Self:
        """The same task whose jobs get these options. Raises UnknownOption and InvalidOption here, not when
        enqueuing."""
        bound = copy.copy(self)
        said, connection = without_connection(translate(words, JobWords.__annotations__, of="a job"))
        own, follows = without_chain(said)
        bound._words = {**self._words, **own}  # noqa: SLF001 - a copy of itself
        bound._connection = self._connection if connection is None else connection  # noqa: SLF001
        bound._follows = self._follows if follows is None else follows  # noqa: SLF001
        bound._plan = None  # noqa: SLF001
        bound._planned()  # noqa: SLF001
        return bound

    def step(self, /, *args: P.args, **kwargs: P.kwargs) -> Step:
        """A step of a workflow that calls the function with these arguments; what it is called and waits for is said
        by its own options: `send.step("a").options(id="first", after="fetch")`. Raises like `enqueue`."""
        payload = self.signature.encode(args, kwargs, limit_bytes=self._desk.runtime.settings.payload_limit)
        return self._step(payload)

    def context_for(self, control: Control) -> JobContext:
        """What the function's context parameter gets; asked by a child process that runs the task."""
        return JobContext(self._desk, control)

    def is_retriable(self, error: BaseException) -> bool:
        """Whether the task's policy would try again after this exception; asked like `context_for`."""
        handler = self._desk.runtime.registry.find(self.queue, self.name)
        return handler is None or handler.policy.retry.wants(error)

    def connection_in(self, options: Mapping[str, Any]) -> object | None:  # noqa: ARG002 - the task's arguments
        """The connection that `options` was given."""
        return self._connection

    enqueue_sync: Final = blocking_intake(enqueue)
    enqueue_many_sync: Final = blocking_intake(enqueue_many)

    def _step(self, payload: bytes) -> Step:
        return head(self.queue, self.name, decode(payload), self._words)

    async def _chained(self, heads: Step | list[Step]) -> list[Job[R]]:
        runtime = self._desk.runtime
        added = await add_chained(runtime, heads, self._follows, self._words, self._connection)
        return [Job(runtime, source) for source in added]

    def _planned(self) -> Plan:
        runtime = self._desk.runtime
        options, version = runtime.options_of(self.queue), runtime.overrides.version
        if self._plan is None or self._planned_with is not options or self._planned_at != version:
            self._plan = plan(runtime, self.queue, self.name, self._words)
            self._planned_with, self._planned_at = options, version
        return self._plan

    def _encode_all(self, calls: Iterable[Call]) -> list[bytes]:
        encode, limit_bytes = self.signature.encode, self._desk.runtime.settings.payload_limit
        payloads = []
        for call in calls:
            if isinstance(call, tuple | list):
                payloads.append(encode(tuple(call), {}, limit_bytes=limit_bytes))
            elif isinstance(call, dict | Mapping):
                payloads.append(encode((), call, limit_bytes=limit_bytes))
            else:
                raise PayloadMismatch(
                    self.name, f"each call is a tuple of arguments or a dict of them by name, not {call!r}"
                )
        return payloads

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        wanted = self.signature.context_parameters
        if not wanted or any(isinstance(value, JobContext) for value in (*args, *kwargs.values())):
            return self.function(*args, **kwargs)
        named = self.signature.named(args, kwargs)
        context = context_in_place(self._desk, self.queue, self.name, self.signature.encode((), named))
        return self.function(**named, **dict.fromkeys(wanted, context))


class AsyncTask(Task[P, R]):
    """A task made of a coroutine function."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """A plain call: runs the function in place, without a queue."""
        called: Coroutine[Any, Any, R] = self._called(args, kwargs)
        return called


class PlainTask(Task[P, R]):
    """A task made of a plain function; workers run it in a thread, or in a process of its own."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """A plain call: runs the function in place, without a queue."""
        called: R = self._called(args, kwargs)
        return called
