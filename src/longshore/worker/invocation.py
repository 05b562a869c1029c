"""This module turns a claimed job into a call: its arguments, its context, and the middleware around it."""

from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from functools import partial
from types import CoroutineType
from typing import Any

import msgspec

from longshore.core.context import restore
from longshore.core.errors import PayloadUndecodable
from longshore.core.job import Details, JobRecord
from longshore.core.payload import decode
from longshore.core.workflow_errors import NotTaken
from longshore.engine.herald import MakeJob
from longshore.worker.attempt import Attempt
from longshore.worker.control import MakeContext, Scribe
from longshore.worker.middleware import CallNext, Middleware, wrapped
from longshore.worker.registry import Handler, Kind

_details = msgspec.json.Decoder(Details)


class Invocation:
    """Prepares calls; one for a worker."""

    def __init__(
        self,
        *,
        make_context: MakeContext,
        make_job: MakeJob,
        middleware: Sequence[Middleware],
        scribe: Scribe,
        base: Context,
    ) -> None:
        self._make_context = make_context
        self._make_job = make_job
        self._middleware = tuple(middleware)
        self._scribe = scribe
        self._base = base

    def read_details(self, attempt: Attempt) -> None:
        """What the job brings of its own: policy and context. Raises PayloadUndecodable."""
        data = attempt.record.details
        if data is None:
            return
        try:
            details = _details.decode(data)
            attempt.policy = attempt.policy.adapted(details)
        except Exception as error:
            raise PayloadUndecodable(attempt.record.name, f"its details cannot be read: {error}") from error
        attempt.context = details.context
        attempt.correlation_id = details.correlation_id
        if details.workflow is not None:
            attempt.when = details.workflow.when

    async def look(self, attempt: Attempt, when: str) -> None:
        """Looks at the condition of a step. Raises NotTaken where it does not hold."""
        if not await self._make_context(attempt.steer(self._scribe)).is_wanted(when):
            raise NotTaken(f"Its condition did not hold: {when}")

    def space(self, attempt: Attempt) -> Context:
        """A contextvars context for this attempt alone, with what was bound where the job was added."""
        space = self._base.copy()
        if attempt.context or attempt.correlation_id:
            space.run(restore, attempt.context, attempt.correlation_id)
        return space

    def may_leave(self, handler: Handler) -> bool:
        """Whether the slot need not wait for it: it runs elsewhere, and no middleware wants to go on afterwards."""
        return handler.kind is not Kind.ASYNC and not self._middleware

    def errand(self, attempt: Attempt, space: Context) -> None:
        """Makes the attempt ready for a runner. Raises PayloadUndecodable."""
        attempt.steer(self._scribe)
        if attempt.handler.kind is Kind.THREAD:
            attempt.call = partial(space.run, self.call(attempt))

    def coroutine(
        self, attempt: Attempt, space: Context, away: Callable[[Attempt], CallNext]
    ) -> Coroutine[Any, Any, Any]:
        """What a slot drives: the task itself, or the middleware around it. Raises PayloadUndecodable, and whatever
        a function raises that is no coroutine function after all."""
        if attempt.handler.kind is Kind.ASYNC:
            call_next: CallNext = self.call(attempt)
        else:
            self.errand(attempt, space.copy())  # two threads cannot be in one context
            call_next = away(attempt)
        if self._middleware:
            ctx = self._make_context(attempt.steer(self._scribe))
            call_next = wrapped(self._middleware, ctx, call_next)
        awaitable = space.run(call_next)
        return awaitable if type(awaitable) is CoroutineType else _awaiting(awaitable)

    def call(self, attempt: Attempt) -> Callable[[], Any]:
        """The function with its arguments. Raises PayloadUndecodable."""
        handler, record = attempt.handler, attempt.record
        signature = handler.signature
        if signature is None:
            _check(record.name, record.payload)
            return partial(handler.function, self._make_job(record))
        arguments = signature.decode(record.payload)
        for name in signature.context_parameters:
            arguments[name] = self._make_context(attempt.steer(self._scribe))
        return partial(handler.function, **arguments)


def has_condition(record: JobRecord) -> bool:
    """Whether the job may be a step with a condition, which a slot looks at before anything else."""
    return record.details is not None and b'"when":' in record.details


def _check(name: str, payload: bytes) -> None:
    try:
        decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PayloadUndecodable(name, str(error)) from error


async def _awaiting(awaitable: Any) -> Any:
    return await awaitable
