"""This module is a queue as users hold it: its tasks are defined on it, and it can be acted on without its name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Unpack

from longshore.core.retry import Seconds
from longshore.manager.adding import BulkItem
from longshore.manager.batch_decorating import BatchDecorator
from longshore.manager.blocking import blocking
from longshore.manager.controls import DAY
from longshore.manager.decorating import TaskDecorator
from longshore.manager.desk import Desk
from longshore.manager.figures import LimitState, QueueMetrics
from longshore.manager.intake import blocking_intake
from longshore.manager.job import AnyJob
from longshore.manager.limits import LimitLike
from longshore.manager.option_parsing import JobWords
from longshore.manager.options import QueueOptions
from longshore.manager.portal import Portal
from longshore.manager.processors import add_processor
from longshore.manager.reports import MINUTES


class Queue:
    """A named line of jobs. Made by `manager.queue`, `register_queue` and `get_queue`."""

    def __init__(self, desk: Desk, name: str) -> None:
        self._desk = desk
        self.name = name
        desk.runtime.options_of(name)

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    @property
    def portal(self) -> Portal:
        """Where the blocking twins run."""
        return self._desk.portal

    @property
    def options(self) -> QueueOptions:
        """What the queue was told."""
        return self._desk.runtime.options_of(self.name)

    @property
    def task(self) -> TaskDecorator:
        """Makes a task of a function: `@queue.task`, or `@queue.task(name=…, retry=…, …)`."""
        return TaskDecorator(self._desk, {"queue": self.name})

    @property
    def batch_task(self) -> BatchDecorator:
        """Makes a task whose jobs run many at a time: `@queue.batch_task(size=50, max_wait=5.0, …)`."""
        return BatchDecorator(self._desk, {"queue": self.name})

    def set_processor(self, function: Callable[..., Any]) -> None:
        """Runs every job of the queue that no task or handler runs; called as (job). Raises InvalidTask when there
        is one."""
        add_processor(self._desk.runtime, self.name, function)

    async def add(self, data: Any, *, name: str | None = None, **options: Unpack[JobWords]) -> AnyJob:
        """Adds a job; without a name it has the queue's. Raises like `QueueManager.add_job`."""
        return await self._desk.add_job(self.name, name or self.name, data, **options)

    async def add_bulk(self, jobs: Iterable[BulkItem], *, connection: object | None = None) -> list[AnyJob]:
        """Adds many jobs; see `QueueManager.add_bulk`."""
        return await self._desk.add_bulk(self.name, jobs, connection=connection)

    async def pause(self) -> None:
        """Nobody starts jobs of this queue any more."""
        await self._desk.pause_queue(self.name)

    async def resume(self) -> None:
        """Ends a pause."""
        await self._desk.resume_queue(self.name)

    async def set_limit(self, limit: LimitLike, *, task: str | None = None, name: str | None = None) -> int:
        """Changes a limit while everything runs; see `QueueManager.set_limit`."""
        return await self._desk.set_limit(self.name, limit, task=task, name=name)

    async def reset_limit(self, name: str, *, task: str | None = None) -> None:
        """Lets the code's limit hold again."""
        await self._desk.reset_limit(self.name, name, task=task)

    async def limits(self) -> list[LimitState]:
        """How each limit stands, for each key that is in use."""
        return await self._desk.get_limits(self.name)

    async def clean(self, grace: Seconds = DAY, status: str = "completed") -> int:
        """Forgets jobs that ended in this state more than `grace` seconds ago; says how many."""
        return await self._desk.clean_queue(self.name, grace, status)

    async def metrics(self, minutes: int = MINUTES) -> QueueMetrics:
        """The queue's figures, with what happened in the last `minutes`."""
        return await self._desk.get_queue_metrics(self.name, minutes)

    def connection_in(self, options: Mapping[str, Any]) -> object | None:
        """The connection that the caller gave."""
        return options.get("connection")

    add_sync: Final = blocking_intake(add)
    add_bulk_sync: Final = blocking_intake(add_bulk)
    pause_sync: Final = blocking(pause)
    resume_sync: Final = blocking(resume)
    set_limit_sync: Final = blocking(set_limit)
    reset_limit_sync: Final = blocking(reset_limit)
    limits_sync: Final = blocking(limits)
    clean_sync: Final = blocking(clean)
    metrics_sync: Final = blocking(metrics)
