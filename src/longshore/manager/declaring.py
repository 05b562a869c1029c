"""This module holds the schedules that the code declares, and brings them into the store when a worker starts.

What the code says counts when it is news: a schedule that was changed at run time stays as it is until the code says
something else than before, and one that was paused stays paused.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec

from longshore.core.errors import InvalidOption, UsageError
from longshore.core.job import NewJob
from longshore.core.names import check_name
from longshore.core.rules import Rules
from longshore.core.schedule_errors import ScheduleExists, UnknownSchedule
from longshore.core.signature import Signature
from longshore.cron.entry import Entry, new_entry, redefined
from longshore.cron.schedule import Schedule
from longshore.cron.schedule_records import ScheduleRecords
from longshore.cron.when import anchored
from longshore.engine.engine import Engine
from longshore.manager.option_parsing import translate
from longshore.manager.planning import plan
from longshore.manager.runtime import Runtime

WORDS = (
    "priority",
    "tags",
    "metadata",
    "reference",
    "correlation_id",
    "max_attempts",
    "retry",
    "backoff",
    "timeout",
    "max_crashes",
    "dead_letter",
)
"""What of `JobWords` can be said of every job of a schedule."""


@runtime_checkable
class Schedulable(Protocol):
    """A task, as far as a schedule needs one."""

    name: str
    queue: str
    signature: Signature


class Definition(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A schedule of a job, checked."""

    id: str
    schedule: Schedule
    queue: str
    name: str
    payload: bytes
    words: Mapping[str, Any]

    def entry(self, runtime: Runtime, now_ms: int, *, code: str | None = None) -> Entry:
        """A new entry for the records."""
        return new_entry(self.schedule, self._job(runtime), now_ms, code=code)

    def digest(self, runtime: Runtime) -> str:
        """The same text for the same definition, in every process."""
        schedule, job = self.schedule, self._job(runtime)
        said = (
            anchored(schedule.when, 0),
            schedule.overlap,
            schedule.catch_up,
            schedule.jitter_ms,
            (job.queue, job.name, job.payload, job.priority, job.max_attempts, job.details),
        )
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:32]

    def _job(self, runtime: Runtime) -> NewJob:
        """What each tick adds. It belongs to nobody's request, so it carries no context."""
        planned = plan(runtime, self.queue, self.name, self.words)
        return msgspec.structs.replace(planned.one(self.payload), details=planned.encoded)


class Declared:
    """The schedules in the code of one manager."""

    def __init__(self) -> None:
        self._known: dict[str, Definition] = {}
        self._of_tasks: set[str] = set()
        self.version: int = 0
        """Grows with every declaration."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all of them, sorted."""
        return tuple(sorted(self._known))

    def add(self, runtime: Runtime, definition: Definition, *, of_task: bool = False) -> None:
        """Declares a schedule. Raises ScheduleExists for another one of this id; a task that is defined again brings
        its schedule along."""
        older = self._known.get(definition.id)
        is_replaced = of_task and definition.id in self._of_tasks
        if older is not None and not is_replaced and older.digest(runtime) != definition.digest(runtime):
            raise ScheduleExists(definition.id, str(older.schedule.when))
        self._known[definition.id] = definition
        if of_task:
            self._of_tasks.add(definition.id)
        self.version += 1

    def all(self) -> list[Definition]:
        """All of them, in the order of their declaration."""
        return list(self._known.values())


def define(
    runtime: Runtime,
    schedule: Schedule,
    task: object,
    args: tuple[Any, ...],
    *,
    id: str | None,  # noqa: A002 - a word of the API
    queue: str | None,
    words: Mapping[str, Any],
) -> Definition:
    """The definition of a schedule, checked as far as it can be now. Raises InvalidOption, UnknownOption, InvalidName
    and the errors of payloads."""
    queue, name, payload = _target(runtime, task, args, queue)
    if queue in runtime.volatile:
        raise InvalidOption(
            "queue", queue, "a durable queue: one in memory (durable=False) is out of reach of other workers"
        )
    definition = Definition(
        id=check_name("schedule", f"{queue}:{name}" if id is None else id),
        schedule=schedule,
        queue=queue,
        name=name,
        payload=payload,
        words=translate(words, WORDS, of="a schedule"),
    )
    definition.digest(runtime)  # what is wrong with the words is said now
    return definition


async def bring_in(runtime: Runtime, engine: Engine, declared: Declared) -> None:
    """Stores what the code says, where it says something new. Raises StoreUnavailable."""
    definitions = declared.all()
    if not definitions:
        return
    records = ScheduleRecords(engine.store)
    schedules = await records.read([definition.id for definition in definitions])
    for definition in definitions:
        code, now_ms = definition.digest(runtime), runtime.clock.now_ms()
        entry = definition.entry(runtime, now_ms, code=code)
        schedule = schedules.get(definition.id)
        if schedule is None:
            await _create(records, definition.id, entry, now_ms)
        elif schedule.entry.code != code:
            await _replace(records, definition.id, entry, now_ms)


def rules_here(runtime: Runtime, job: NewJob) -> Rules | None:
    """The rules of a job of a schedule: as the code says them, where the code is known here. Otherwise as they were
    when the schedule was made."""
    if runtime.registry.find(job.queue, job.name) is None:
        return job.rules
    return plan(runtime, job.queue, job.name, {}).one(job.payload).rules


async def _create(records: ScheduleRecords, schedule_id: str, entry: Entry, now_ms: int) -> None:
    try:
        await records.create(schedule_id, entry)
    except ScheduleExists:  # another worker was quicker; it may know another code
        await _replace(records, schedule_id, entry, now_ms)


async def _replace(records: ScheduleRecords, schedule_id: str, entry: Entry, now_ms: int) -> None:
    def change(old: Entry) -> Entry:
        return old if old.code == entry.code else redefined(old, entry, now_ms)

    try:
        await records.edit(schedule_id, change)
    except UnknownSchedule:  # deleted in this moment; the next worker that starts makes it anew
        return


def _target(
    runtime: Runtime, task: object, args: tuple[Any, ...], queue: str | None
) -> tuple[str, str, bytes]:
    """Queue, name and payload of the jobs."""
    if isinstance(task, Schedulable):
        payload = task.signature.encode(args, {}, limit_bytes=runtime.settings.payload_limit)
        return check_name("queue", queue or task.queue), task.name, payload
    if callable(task):
        raise UsageError(f"{task!r} is no task yet: put @manager.task above it, or name a task.")
    name = check_name("task", task)
    if len(args) > 1:
        raise InvalidOption(
            "args", args, f"the data of '{name}', one value, where the task is given by its name"
        )
    if queue is None:
        handler = runtime.registry.find(name, name)
        queue = name if handler is None or handler.queue is None else handler.queue
    queue = check_name("queue", queue)
    return queue, name, runtime.payload(queue, name, args[0] if args else None)
