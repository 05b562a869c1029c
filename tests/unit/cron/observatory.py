"""Timekeepers over one store in simulated time: they are killed in the middle of what they do, their clocks are
set, and the jobs of ticks are forgotten soon, or at once. What they fire is compared with the slow oracle.
"""

import asyncio
import heapq
from collections import deque
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.events import Bus
from longshore.core.job import Details, NewJob
from longshore.cron.entry import NO_ID, new_entry
from longshore.cron.schedule import Schedule
from longshore.cron.schedule_records import ScheduleRecords
from longshore.engine.engine import Engine
from longshore.store.commands import Delete, JobQuery
from longshore.store.replies import Inserted
from longshore.upkeep.timekeeper import Timekeeper
from tests.unit.cron.almanac import Almanac

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Kolkata",
)
EXPRESSIONS = (
    "30 2 * * *",
    "0 2 * * *",
    "0 0 * * *",
    "30 1,2,3 * * *",
    "0 * * * *",
    "*/30 2 * * *",
    "30 23 * * 5",
    "0 0 1 * *",
    "0,30 0-4 * * 0,6",
    "0 12 1 */3 1",
    "30 */6 * * *",
    "0 3 29 2 *",
)
POLL_SECONDS = 21_600.0
"""So seldom that only what must wake a timekeeper does."""


class Killed(BaseException):
    """A timekeeper is gone, wherever it was."""


class Skewed:
    """A clock that shows another time than the right one."""

    def __init__(self, right):
        self._right = right
        self.skew_ms = 0

    def now_ms(self):
        return self._right.now_ms() + self.skew_ms

    def monotonic(self):
        return self._right.monotonic()

    async def sleep(self, seconds):
        await asyncio.sleep(0)


class Wire:
    """One timekeeper's way to the store. Others come in between, and it may be killed before a call or after."""

    def __init__(self, sky):
        self._sky = sky

    def __getattr__(self, verb):
        async def call(*args, **kwargs):
            for _ in range(self._sky.random.randrange(3)):
                await asyncio.sleep(0)
            self._perhaps_die()
            reply = await getattr(self._sky.store, verb)(*args, **kwargs)
            if verb == "insert":
                await self._sky.count(args[0], reply)
            self._perhaps_die()
            return reply

        return call

    def _perhaps_die(self):
        if self._sky.random.random() < self._sky.deadliness:
            self._sky.kills += 1
            raise Killed


class Sky:
    """The store, the right time, the schedules and the timekeepers."""

    def __init__(self, begin, end, *, schedules, keepers=10, seed=1, deadliness=0.002, kept_seconds=7200.0):
        self.begin, self.end = begin, end
        self.random = Random(seed)
        self.clock = ManualClock(round(begin.timestamp() * 1000))
        self.store = MemoryStore(self.clock)
        self.deadliness = deadliness
        self.kills = self.steps = self.looks = 0
        self.fired = {}
        self._kept_seconds = kept_seconds
        self._to_forget = deque()
        self.schedules = [(f"s{number}", *self._chosen(number)) for number in range(schedules)]
        self._lines = [(0.0, number) for number in range(keepers)]
        self._clocks = [Skewed(self.clock) for _ in range(keepers)]
        self._keepers = [self._keeper(number) for number in range(keepers)]

    def _chosen(self, number):
        if number % 10 == 9:
            return 3600 * (1 + number % 7), "UTC"
        return EXPRESSIONS[number % len(EXPRESSIONS)], ZONES[
            number % len(ZONES) if number % 4 else number // 4 % 6
        ]

    def _keeper(self, number):
        random = Random(self.random.random())
        engine = Engine(Wire(self), bus=Bus(), clock=self._clocks[number], random=random)
        return Timekeeper(
            engine,
            clock=self._clocks[number],
            random=random,
            declare=_nothing,
            is_ours=lambda *_: True,
            rules_of=lambda _: None,
            poll_seconds=POLL_SECONDS,
        )

    async def count(self, jobs, replies):
        """Remembers what was added."""
        added = [job for job, reply in zip(jobs, replies, strict=True) if reply is Inserted.CREATED]
        for job in added:
            tick = msgspec.json.decode(job.details, type=Details).schedule
            self.fired[tick] = self.fired.get(tick, 0) + 1
        self._to_forget += [(self.clock.monotonic() + self._kept_seconds, job.id) for job in added]
        await self._forget()

    async def _forget(self):
        """Takes jobs out of the store: so nothing but the schedule's record knows of their ticks."""
        now, gone = self.clock.monotonic(), []
        while self._to_forget and self._to_forget[0][0] <= now:
            gone.append(self._to_forget.popleft()[1])
        if gone:
            await self.store.change([Delete(where=JobQuery(ids=tuple(gone), limit=len(gone)))])

    async def turn(self):
        """Lives through all of it."""
        await self.store.open()
        now_ms = self.clock.now_ms()
        for schedule_id, when, zone in self.schedules:
            schedule = Schedule(when, tz=zone, catch_up="all")
            job = NewJob(id=NO_ID, queue="q", name="t", payload=b"{}")
            await ScheduleRecords(self.store).create(schedule_id, new_entry(schedule, job, now_ms))
        end = (self.end - self.begin).total_seconds()
        while self._lines[0][0] < end:
            await self._look(end)
        self.deadliness = 0.0
        for clock in self._clocks:
            clock.skew_ms = 0
        for seconds in (0, 10):  # what was underway at the end
            self.clock.advance(end + seconds - self.clock.monotonic())
            await self._keepers[0].keep()

    async def _look(self, end):
        """Those who are due at this time look together."""
        due_at = self._lines[0][0]
        self.clock.advance(max(due_at - self.clock.monotonic(), 0.0))
        due = []
        while self._lines and self._lines[0][0] <= due_at:
            due.append(heapq.heappop(self._lines)[1])
        await self._forget()
        for number in due:
            self._perhaps_set_clock(number)
        pauses = await asyncio.gather(*(self._one(number) for number in due))
        for number, seconds in zip(due, pauses, strict=True):
            heapq.heappush(self._lines, (self.clock.monotonic() + max(seconds, 0.02), number))

    async def _one(self, number):
        self.looks += 1
        try:
            return await self._keepers[number].keep()
        except Killed:
            self._keepers[number] = self._keeper(number)
            return self.random.uniform(1, 120)

    def _perhaps_set_clock(self, number):
        clock = self._clocks[number]
        if self.random.random() < 0.01:
            self.steps += 1
            far = self.random.random() < 0.3
            clock.skew_ms = (
                self.random.randrange(-3_600_000, 3_600_000) if far else self.random.randrange(-900, 900)
            )

    def verdict(self):
        """Ticks that are missed, doubled and made up, compared with the reference table."""
        expected = {(key, tick) for key, when, zone in self.schedules for tick in self._reference(when, zone)}
        last_ms = round(self.end.timestamp() * 1000)
        fired = {tick: times for tick, times in self.fired.items() if tick[1] <= last_ms}
        doubled = {tick for tick, times in self.fired.items() if times > 1}
        return expected - fired.keys(), doubled, fired.keys() - expected, len(expected)

    def _reference(self, when, zone):
        if isinstance(when, str):
            return [tick * 1000 for tick in Almanac(when).ticks(zone, self.begin, self.end)]
        begin, end, step = self.begin.timestamp(), self.end.timestamp(), when
        return [round(begin + n * step) * 1000 for n in range(1, int((end - begin) // step) + 1)]


async def _nothing():
    """No schedule is in code."""


def span(year, month, day, days):
    """A stretch of time in UTC."""
    begin = datetime(year, month, day, tzinfo=UTC)
    return begin, begin + timedelta(days=days)
