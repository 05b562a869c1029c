"""This module is the class-based style of seed 001: one class per queue, with the code that runs its jobs.

It is the decorator style underneath: registering the class makes `process_job` the processor of the queue.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Final, Literal, Unpack

from longshore.core.errors import UnknownOption, UsageError
from longshore.core.limits import Limit, Rate
from longshore.core.retention import Retention
from longshore.core.retry import Retry, Seconds
from longshore.dlq.policy import DeadLetterPolicy
from longshore.manager.desk import Desk
from longshore.manager.intake import blocking_intake
from longshore.manager.job import AnyJob
from longshore.manager.option_parsing import JobWords
from longshore.manager.options import QueueWords, WhenFull
from longshore.manager.queue import Queue


class BaseQueue(Queue):
    """A queue with its own code: give it a `name` and a `process_job`, and register it with `manager.register`.

    The class attributes are the queue's options; None leaves the default. `__init__` is the subclass's own.
    """

    name: str
    concurrency: ClassVar[int | None] = None
    retry: ClassVar[Retry | Mapping[str, Any] | int | None] = None
    timeout: ClassVar[Seconds | None] = None
    retention: ClassVar[Retention | Seconds | Literal["default"] | None] = None
    dead_letter: ClassVar[str | DeadLetterPolicy | None] = None
    rate_limit: ClassVar[Rate | str | Mapping[str, Any] | Sequence[Rate] | None] = None
    limit: ClassVar[Limit | Sequence[Limit] | None] = None
    max_size: ClassVar[int | None] = None
    when_full: ClassVar[WhenFull | None] = None
    fair_by: ClassVar[str | None] = None
    fair_weights: ClassVar[Mapping[str, float] | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Raises UnknownOption for an attribute that looks like a misspelt option; others are the subclass's own."""
        super().__init_subclass__(**options)
        known = list(QueueWords.__annotations__)
        for attribute in vars(cls):
            if attribute not in known and get_close_matches(attribute, known, n=1, cutoff=0.85):
                raise UnknownOption(attribute, known, of=f"queue class {cls.__name__}")

    def __init__(self) -> None:
        """Nothing to do: `manager.register` connects it."""

    @abstractmethod
    async def process_job(self, job: AnyJob) -> Any:
        """Runs one job; what it returns is the job's result. A plain `def` runs in a thread."""

    async def on_complete(self, job: AnyJob) -> None:
        """Called when a job has completed; does nothing unless overridden."""

    async def on_failure(self, job: AnyJob, error: BaseException) -> None:
        """Called when a job has failed for good; does nothing unless overridden."""

    async def add_job(self, data: Any, /, *, name: str | None = None, **options: Unpack[JobWords]) -> AnyJob:
        """Adds a job to this queue. Raises like `QueueManager.add_job`."""
        return await self.add(data, name=name, **options)

    add_job_sync: Final = blocking_intake(add_job)

    def connect(self, desk: Desk) -> None:
        """Called by `manager.register`."""
        self._desk = desk

    def words(self) -> QueueWords:
        """The class attributes as options."""
        told: QueueWords = {}
        for word in QueueWords.__annotations__:
            value = getattr(self, word, None)
            if value is not None:
                told[word] = value  # type: ignore[literal-required]  # its own keys
        return told

    def __getattr__(self, name: str) -> Any:
        if name == "_desk":
            raise UsageError(
                f"{type(self).__name__} belongs to no manager yet; call manager.register({type(self).__name__})."
            )
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
