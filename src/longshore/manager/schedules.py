"""This module is `manager.schedule` and `manager.schedules`: what is added again and again, in code and at run time."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

import msgspec

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.ids import new_id
from longshore.core.retry import Retry, Seconds
from longshore.core.schedule_errors import UnknownSchedule
from longshore.cron.entry import Entry, Firing, tick_job
from longshore.cron.schedule import Schedule, read_catch_up, read_jitter, read_overlap
from longshore.cron.schedule_records import ScheduleRecords, StoredSchedule
from longshore.cron.when import Cron, When, anchored, is_same, read_when
from longshore.manager.blocking import blocking
from longshore.manager.declaring import Declared, Definition, define, rules_here
from longshore.manager.job import AnyJob
from longshore.manager.part import Part
from longshore.manager.runtime import Runtime
from longshore.manager.schedule_state import ScheduleState, state_of
from longshore.manager.worker_cards import workers_alive

Times = Schedule | str | Seconds | datetime
"""What a user may say of when."""
States = list[ScheduleState]


class ScheduleWords(TypedDict, total=False):
    """What can be said about a schedule and its jobs."""

    id: str
    """Its name; the queue and the task, `queue:task`, unless given."""
    queue: str
    """Instead of the task's own."""
    tz: Any
    overlap: str
    catch_up: str
    jitter: Seconds
    priority: int
    tags: Any
    metadata: Mapping[str, Any]
    reference: Any
    correlation_id: str
    max_attempts: int
    retry: Retry | Mapping[str, Any] | int
    backoff: Any
    timeout: Seconds
    max_crashes: int
    dead_letter: str


class Schedules(Part):
    """The schedules of a store: those in code, and those that are made, changed and ended at run time."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.declared: Declared = Declared()
        """What the code of this process says."""

    def declare(self, when: Times, task: object, args: tuple[Any, ...], words: Any) -> None:
        """Declares a schedule, as `manager.schedule` does."""
        self.declared.add(self.runtime, self._define(when, task, args, words))

    def declare_task(self, schedule: Schedule, task: object) -> None:
        """Declares the schedule of a task that was defined with one."""
        self.declared.add(self.runtime, self._define(schedule, task, (), {}), of_task=True)

    async def create(
        self,
        when: Times,
        task: object,
        /,
        *args: Any,
        **words: Unpack[ScheduleWords],
    ) -> ScheduleState:
        """Makes a schedule now, in the words of `manager.schedule`; it ticks while any worker of the store is there.

        Raises ScheduleExists, and what `manager.schedule` raises; InvalidOption also where its time has passed.
        """
        definition = self._define(when, task, args, words)
        entry = definition.entry(self.runtime, self.runtime.clock.now_ms())
        if entry.next_ms is None:
            raise InvalidOption("when", when, "a time to come")
        await (await self._records()).create(definition.id, entry)
        return await self._one(definition.id)

    async def list(self) -> States:
        """All schedules of the store, by id, with their next ticks and what became of the last ones."""
        records = await self._records()
        return await self._states(records, await records.read())

    async def get(self, id: str) -> ScheduleState | None:  # noqa: A002 - a word of the API
        """One of them; None where there is none of this id."""
        records = await self._records()
        states = await self._states(records, await records.read([id]))
        return states[0] if states else None

    @spelled("schedules.change")
    async def change(
        self,
        id: str,  # noqa: A002
        *,
        when: str | Seconds | datetime | None = None,
        tz: Any = None,
        overlap: str | None = None,
        catch_up: str | None = None,
        jitter: Seconds | None = None,
        data: Any = msgspec.UNSET,
    ) -> ScheduleState:
        """Changes what is given, in all processes within seconds. With another time it ticks from now on; `data` is
        that of its jobs, for a task the object of its arguments. One that is in code stays changed until the code
        says something new. Raises UnknownSchedule, InvalidOption and the errors of payloads."""

        def changed(entry: Entry) -> Entry:
            now_ms = self.runtime.clock.now_ms()
            news = entry.when if when is None and tz is None else _other_time(entry.when, when, tz)
            keeps_times = is_same(news, entry.when)
            job = entry.job
            if data is not msgspec.UNSET:
                payload = self.runtime.payload(job.queue, job.name, data)
                job = msgspec.structs.replace(job, payload=payload)
            return msgspec.structs.replace(
                entry,
                when=entry.when if keeps_times else anchored(news, now_ms),
                last_ms=entry.last_ms if keeps_times else now_ms,
                overlap=entry.overlap if overlap is None else read_overlap(overlap),
                catch_up=entry.catch_up if catch_up is None else read_catch_up(catch_up),
                jitter_ms=entry.jitter_ms if jitter is None else read_jitter(jitter),
                job=job,
            )

        return await self._edit(id, changed)

    async def pause(self, id: str) -> ScheduleState:  # noqa: A002
        """It ticks no more until `resume`; jobs that are there go on. It stays paused over restarts and deploys. Raises
        UnknownSchedule."""
        now_ms = self.runtime.clock.now_ms()
        return await self._edit(
            id, lambda entry: msgspec.structs.replace(entry, paused_ms=entry.paused_ms or now_ms)
        )

    async def resume(self, id: str) -> ScheduleState:  # noqa: A002
        """It ticks again from now on; what passed meanwhile is not made up for. Raises UnknownSchedule."""
        now_ms = self.runtime.clock.now_ms()

        def resumed(entry: Entry) -> Entry:
            if entry.paused_ms is None:
                return entry
            return msgspec.structs.replace(entry, paused_ms=None, last_ms=max(entry.last_ms, now_ms))

        return await self._edit(id, resumed)

    async def run_now(self, id: str) -> AnyJob:  # noqa: A002
        """Adds a job of the schedule now, whatever its times, also while it is paused. The next tick sees it as the job
        before. Raises UnknownSchedule."""
        records = await self._records()
        schedules = await records.read([id])
        if id not in schedules:
            raise UnknownSchedule(id, await records.read())
        now_ms, entry = self.runtime.clock.now_ms(), schedules[id].entry
        rules = rules_here(self.runtime, entry.job)
        job = msgspec.structs.replace(tick_job(id, entry, now_ms, rules), id=new_id(), run_ms=None)
        engine = await self.runtime.engines.here()
        await engine.add([job])
        await records.note({id: [Firing(now_ms, now_ms, job.id, reason="by hand")]})
        await records.edit(id, lambda entry: msgspec.structs.replace(entry, last_job=job.id))
        return AnyJob(self.runtime, job)

    async def delete(self, id: str) -> None:  # noqa: A002
        """Forgets the schedule; its jobs stay. One that is in code comes back with the next worker that starts: take it
        out of the code, or pause it. Raises UnknownSchedule."""
        await (await self._records()).delete(id)

    create_sync: Final = blocking(create)
    list_sync: Final = blocking(list)  # noqa: A003 - the method above
    get_sync: Final = blocking(get)
    change_sync: Final = blocking(change)
    pause_sync: Final = blocking(pause)
    resume_sync: Final = blocking(resume)
    run_now_sync: Final = blocking(run_now)
    delete_sync: Final = blocking(delete)

    def _define(self, when: Any, task: object, args: tuple[Any, ...], words: Mapping[str, Any]) -> Definition:
        told = {word: value for word, value in words.items() if value is not None}
        if strange := told.keys() - _KNOWN:
            raise UnknownOption(min(strange), _KNOWN, of="a schedule")
        times = {word: told.pop(word) for word in _TIMES if word in told}
        if isinstance(when, Schedule) and times:
            raise InvalidOption(min(times), times[min(times)], "said in the Schedule, which is there already")
        schedule = when if isinstance(when, Schedule) else Schedule(when, **times)
        own_id, queue = told.pop("id", None), told.pop("queue", None)
        return define(self.runtime, schedule, task, args, id=own_id, queue=queue, words=told)

    async def _edit(self, schedule_id: str, change: Callable[[Entry], Entry]) -> ScheduleState:
        await (await self._records()).edit(schedule_id, change)
        return await self._one(schedule_id)

    async def _one(self, schedule_id: str) -> ScheduleState:
        records = await self._records()
        states = await self._states(records, await records.read([schedule_id]))
        if not states:
            raise UnknownSchedule(schedule_id, await records.read())
        return states[0]

    async def _states(self, records: ScheduleRecords, schedules: Mapping[str, StoredSchedule]) -> States:
        firings = await records.firings([*schedules]) if schedules else {}
        declared = set(self.declared.ids)
        if any(schedule.entry.code is not None for schedule in schedules.values()):
            engine = await self.runtime.engines.here()
            declared.update(*(worker.schedules for worker in await workers_alive(engine.store)))
        now_ms = self.runtime.clock.now_ms()
        return [
            state_of(
                schedule.id, schedule.entry, firings.get(schedule.id, []), now_ms=now_ms, declared=declared
            )
            for schedule in schedules.values()
        ]

    async def _records(self) -> ScheduleRecords:
        return ScheduleRecords((await self.runtime.engines.here()).store)


class Scheduling(Part):
    """Declaring schedules in code."""

    schedules: Schedules

    def schedule(
        self,
        when: Times,
        task: object,
        /,
        *args: Any,
        **words: Unpack[ScheduleWords],
    ) -> None:
        """Declares that a job is added again and again: `manager.schedule("0 3 * * *", report, "daily", tz=…)`.

        `when` is what `Schedule` takes first, or a Schedule; `task` a task with its arguments, or the name of one with
        its data. Nothing is stored yet: each worker that starts brings in what is new, and the schedule ticks while a
        worker with this code is there. Raises InvalidOption, UnknownOption, InvalidName, ScheduleExists and the errors
        of payloads.
        """
        self.schedules.declare(when, task, args, words)


def _other_time(old: When, when: Any, tz: Any) -> When:
    if when is None and not isinstance(old, Cron):
        raise InvalidOption("tz", tz, "nothing for a schedule without a cron expression")
    zone = tz if tz is not None else old.zone if isinstance(old, Cron) and isinstance(when, str) else "UTC"
    return read_when(old.expression if when is None and isinstance(old, Cron) else when, zone)


_TIMES = ("tz", "overlap", "catch_up", "jitter")
_KNOWN = frozenset({*ScheduleWords.__annotations__})
