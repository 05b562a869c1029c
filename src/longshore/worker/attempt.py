"""This module is one attempt while it runs: the claimed job, who runs it, and why it was told to stop."""

from asyncio import Future, Task
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from longshore.core.attempt_errors import NotCommitted
from longshore.core.job import JobRecord
from longshore.core.verdict import COMPLETED
from longshore.engine.herald import News
from longshore.engine.policy import Policy
from longshore.worker.control import Control, Scribe
from longshore.worker.registry import Handler

NEVER = float("inf")
NO_CONTEXT: Mapping[str, Any] = {}


class Stop(StrEnum):
    """Why an attempt was told to stop."""

    CANCEL = "cancel"
    """Somebody wants the job cancelled."""
    TIMEOUT = "timeout"
    RELEASE = "release"
    """The worker ends; another shall run the job."""
    LOST = "lost"
    """The session is over; another may run the job already."""


class Relay(Protocol):
    """Knows what follows an attempt in its thread; see `relay.py`."""

    def follower(self, attempt: "Attempt") -> "Attempt | None":
        """What takes its place; None when the place gets free."""


class Attempt:
    """What the executor knows of a running job. It is also the `Errand` that a runner gets."""

    __slots__ = (
        "abandoned",
        "answer",
        "call",
        "came_back",
        "context",
        "control",
        "correlation_id",
        "deadline",
        "follower",
        "handler",
        "is_away",
        "is_overdue",
        "policy",
        "record",
        "relay",
        "stop",
        "task",
        "when",
    )

    control: Control
    call: Callable[[], Any]
    came_back: "Callable[[Attempt, Any, BaseException | None], None]"
    policy: Policy
    answer: Future[tuple[Any, BaseException | None]] | None

    def __init__(self, record: JobRecord, handler: Handler, task: Task[Any] | None = None) -> None:
        self.record = record
        self.handler = handler
        self.task = task
        """The slot's; what is cancelled when a coroutine must stop. None: no slot waits for it."""
        self.policy = handler.policy
        self.context = NO_CONTEXT
        self.correlation_id: str | None = None
        self.when: str | None = None
        """The condition of a step, to be looked at before it runs."""
        self.deadline = NEVER
        """In monotonic time: of the time-out, and then of giving up on it."""
        self.stop: Stop | None = None
        self.is_away = False
        """In a thread or a process."""
        self.answer = None
        """What its slot waits for while it is away, where middleware wants to go on afterwards; else `came_back` is
        called, and its slot has taken another job meanwhile."""
        self.relay: Relay | None = None
        """Where its thread looks for the job that follows."""
        self.follower: Attempt | None = None
        """What has taken its place."""
        self.is_overdue = False
        """Its time-out has come, and it was told."""
        self.abandoned = False
        """Nobody waits for it any more; whatever it comes to is dropped."""

    def steer(self, scribe: Scribe) -> Control:
        """Its control, made at first need: most coroutines never look at theirs."""
        try:
            return self.control
        except AttributeError:
            control = self.control = Control(self.record, scribe)
            return control

    @property
    def is_completing(self) -> bool:
        """Whether the task has completed its job in a transaction of its own, which may have been committed or not."""
        control: Control | None = getattr(self, "control", None)
        return control is not None and control.is_completing

    def ending(self) -> BaseException | None:
        """How it has ended though the task returned: its own completion was not committed, or it was to be let go of
        and the task caught that."""
        control: Control | None = getattr(self, "control", None)
        if control is None:
            return None
        return NotCommitted() if control.is_completing else control.suspended

    def completion(self) -> News | None:
        """What to tell if that was committed; None where there was no such transaction."""
        if not self.is_completing:
            return None
        record = msgspec.structs.replace(self.record, result=self.control.result)
        return News(record, COMPLETED, self.handler)

    @property
    def provider(self) -> str | None:
        """The service that it depends on: what it picked itself, else its task's."""
        control: Control | None = getattr(self, "control", None)
        return (None if control is None else control.provider) or self.handler.provider

    @property
    def candidates(self) -> tuple[str, ...]:
        """The providers that it picked from."""
        control: Control | None = getattr(self, "control", None)
        return () if control is None else control.candidates

    def follow(self) -> "Attempt | None":
        """See `Errand.follow`."""
        if self.relay is not None:
            self.follower = self.relay.follower(self)
        return self.follower

    def done(self, outcome: Any, error: BaseException | None) -> None:
        """See `Errand.done`."""
        if self.abandoned:
            return
        if self.answer is None:
            self.came_back(self, outcome, error)
        elif not self.answer.done():
            self.answer.set_result((outcome, error))

    def mark(self, stop: Stop) -> None:
        """Lets the function see that it must stop."""
        self.stop = self.stop or stop
        control: Control | None = getattr(self, "control", None)
        if control is not None:
            control.cancelled = True
            control.timed_out = control.timed_out or stop is Stop.TIMEOUT
