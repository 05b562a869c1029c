"""This module adds the jobs of schedules when they tick: each tick once, whoever else does the same.

Any number of timekeepers work on one store, one in each worker. For each tick that is due

1. one of them writes into the schedule's record that the tick is underway; compare-and-set lets only one do it, so
   nobody else adds a job, also where that job is over and forgotten at once;
2. it adds the job, whose id follows from schedule and tick, so that adding it again is harmless;
3. it writes that the tick is done.

Who dies between the first and the last leaves a tick underway. Another one that has seen it so for five seconds,
whatever the clocks say, takes it over by the same compare-and-set, and adds the same job. Nobody is a leader whom
others must believe; but whoever was first at the last tick looks in time for the next, and the others a moment later,
which saves them the work.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from random import Random

import msgspec

from longshore.core.clock import Clock
from longshore.core.events import Bus
from longshore.core.ids import JobId, format_id, new_id
from longshore.core.job import NewJob
from longshore.core.rules import Rules
from longshore.core.service import Repeating
from longshore.core.states import State
from longshore.cron.entry import Entry, Firing, tick_job
from longshore.cron.schedule_records import ScheduleRecords, StoredSchedule
from longshore.cron.ticker import decide, is_due
from longshore.engine.engine import Engine
from longshore.store.commands import Cancel, by_ids
from longshore.store.replies import Conflict, Inserted, Insertion

log = logging.getLogger("longshore.schedules")

POLL_SECONDS = 5.0
"""After which a schedule that was made or changed elsewhere is known."""
SECOND_SECONDS = (0.5, 2.0)
"""How much later those look who were not the first at the last tick."""
LEAST_PAUSE_SECONDS = 0.02
TAKEOVER_SECONDS = 5.0
"""After which somebody else adds the jobs of ticks that are underway: whoever wanted to has died."""

Begun = tuple[StoredSchedule, Entry]
"""A schedule as it was read, and its entry with what is underway."""


class Timekeeper(Repeating):
    """Acts on the ticks of schedules for one engine."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        random: Random,
        declare: Callable[[], Awaitable[None]],
        is_ours: Callable[[str, Entry], bool],
        rules_of: Callable[[NewJob], Rules | None],
        poll_seconds: float = POLL_SECONDS,
        bus: Bus | None = None,
    ) -> None:
        """`declare` stores what the code says of schedules, where that is news; `is_ours` whether this process acts on
        a schedule; `rules_of` says the rules of a job as this process knows them."""
        super().__init__("timekeeper", self.keep, clock=clock, random=random, bus=bus)
        self._engine = engine
        self._clock = clock
        self._random = random
        self._declare = declare
        self._is_ours = is_ours
        self._rules_of = rules_of
        self._poll_seconds = poll_seconds
        self._records = ScheduleRecords(engine.store)
        self._owner = format_id(new_id())
        self._is_first = True
        self._seen: dict[str, tuple[int, float]] = {}
        """The version of each schedule that has ticks underway, and since when it was seen so."""

    async def keep(self) -> float:
        """One look; in so many seconds the next one is due. Raises StoreUnavailable."""
        await self._declare()
        stored = (await self._records.read()).values()
        schedules = [each for each in stored if self._is_ours(each.id, each.entry)]
        self._watch(schedules)
        now_ms = self._clock.now_ms()
        due = [each for each in schedules if is_due(each.entry, now_ms) or self._wait_seconds(each) <= 0]
        if due:
            await self._act(due, now_ms)
            return 0.0
        return self._pause(schedules, now_ms)

    def _watch(self, schedules: Sequence[StoredSchedule]) -> None:
        now = self._clock.monotonic()
        underway = {
            schedule.id: schedule.version for schedule in schedules if schedule.entry.underway is not None
        }
        self._seen = {
            key: self._seen[key] if self._seen.get(key, (0,))[0] == version else (version, now)
            for key, version in underway.items()
        }

    def _wait_seconds(self, schedule: StoredSchedule) -> float:
        """Until ticks that are underway may be taken over; its own at once. Infinite where there are none."""
        underway = schedule.entry.underway
        if underway is None:
            return inf
        if underway.owner == self._owner:
            return 0.0
        return self._seen[schedule.id][1] + TAKEOVER_SECONDS - self._clock.monotonic()

    def _pause(self, schedules: Sequence[StoredSchedule], now_ms: int) -> float:
        poll = self._poll_seconds * self._random.uniform(0.9, 1.1)
        waits = [self._wait_seconds(schedule) for schedule in schedules]
        ticks = [schedule.entry.next_ms for schedule in schedules if not schedule.entry.is_at_rest]
        later = 0.0 if self._is_first else self._random.uniform(*SECOND_SECONDS)
        waits += [(tick - now_ms) / 1000 + later for tick in ticks if tick is not None]
        return min(max(min(waits, default=inf), LEAST_PAUSE_SECONDS), poll)

    async def _act(self, due: Sequence[StoredSchedule], now_ms: int) -> None:
        began = self._clock.monotonic()
        begun = await self._begin(due, now_ms)
        if self._clock.monotonic() - began > TAKEOVER_SECONDS / 2:
            return  # by now somebody else may be at it
        self._is_first = len(begun) == len(due)
        begun = [(schedule, entry) for schedule, entry in begun if entry.underway is not None]
        if begun:
            await self._finish(begun, await self._add(begun))

    async def _begin(self, due: Sequence[StoredSchedule], now_ms: int) -> list[Begun]:
        """What this one is to do, now that it is written that it will."""
        living = await self._living(due)
        asked = [
            (
                schedule,
                decide(
                    schedule.entry,
                    now_ms,
                    owner=self._owner,
                    previous_lives=schedule.entry.last_job in living,
                ),
            )
            for schedule in due
        ]
        replies = await self._records.swap(asked)
        return [
            (msgspec.structs.replace(schedule, version=schedule.version + 1), entry)
            for (schedule, entry), is_stored in zip(asked, replies, strict=True)
            if is_stored
        ]

    async def _living(self, due: Sequence[StoredSchedule]) -> set[bytes | None]:
        """Of the newest jobs of schedules whose jobs must not overlap, those that are not over."""
        entries = [schedule.entry for schedule in due]
        ids = [JobId(entry.last_job) for entry in entries if entry.last_job and entry.overlap != "queue"]
        found = await self._engine.store.scan(by_ids(ids))
        return {job.id for page in found for job in page.jobs if not State(job.state).is_terminal}

    async def _add(self, begun: Sequence[Begun]) -> dict[tuple[str, int], tuple[NewJob, Insertion]]:
        """Lets jobs make way, and adds those of the ticks; what became of them by schedule and tick."""
        gone = [
            JobId(entry.underway.cancel) for _, entry in begun if entry.underway and entry.underway.cancel
        ]
        if gone:
            await self._engine.change([Cancel(where=where) for where in by_ids(gone)])
        ticks = [
            (schedule, entry, tick)
            for schedule, entry in begun
            if entry.underway
            for tick in entry.underway.ticks
        ]
        jobs = [
            tick_job(schedule.id, entry, tick, self._rules_of(entry.job)) for schedule, entry, tick in ticks
        ]
        replies = await self._engine.add(jobs) if jobs else []
        return {
            (schedule.id, tick): (job, reply)
            for (schedule, _, tick), job, reply in zip(ticks, jobs, replies, strict=True)
        }

    async def _finish(
        self, begun: Sequence[Begun], added: dict[tuple[str, int], tuple[NewJob, Insertion]]
    ) -> None:
        now_ms = self._clock.now_ms()
        news: dict[str, list[Firing]] = {}
        done: list[Begun] = []
        for schedule, entry in begun:
            assert entry.underway is not None  # nothing else is begun
            firings = [_firing(tick, now_ms, *added[schedule.id, tick]) for tick in entry.underway.ticks]
            news[schedule.id] = [*entry.underway.skipped, *firings]
            jobs = [firing.job for firing in firings if firing.job]
            last_job = jobs[-1] if jobs else entry.last_job
            done.append((schedule, msgspec.structs.replace(entry, underway=None, last_job=last_job)))
        replies = await self._records.swap(done)
        for (schedule, entry), is_stored in zip(done, replies, strict=True):
            if not is_stored:
                await self._finish_again(schedule, entry)
        await self._records.note(news)

    async def _finish_again(self, schedule: StoredSchedule, done: Entry) -> None:
        """Somebody has paused, changed or deleted the schedule meanwhile, or taken over: what is done is done."""
        while (found := (await self._records.read([schedule.id])).get(schedule.id)) is not None:
            if found.entry.underway is None or found.entry.last_ms != done.last_ms:
                return
            now = msgspec.structs.replace(found.entry, underway=None, last_job=done.last_job)
            if (await self._records.swap([(found, now)]))[0]:
                return


def _firing(tick_ms: int, now_ms: int, job: NewJob, reply: Insertion) -> Firing:
    if isinstance(reply, Conflict):
        log.info("A tick of a schedule added no job: the same one is there, %s.", format_id(reply.id))
        return Firing(tick_ms, now_ms, reason="unique")
    if reply is Inserted.FULL:
        log.warning("A tick of a schedule added no job: queue '%s' is full.", job.queue)
        return Firing(tick_ms, now_ms, reason="full")
    return Firing(tick_ms, now_ms, bytes(job.id))
