"""This module keeps the schedules of a store: reads their records from a store, and changes them by compare-and-set."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from longshore.core.schedule_errors import ScheduleExists, UnknownSchedule
from longshore.cron.entry import FIRINGS, FIRINGS_KEPT, SCHEDULE, Entry, Firing, read_entry, read_firings
from longshore.store.commands import Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record

log = logging.getLogger("longshore.schedules")

TRIES = 20
"""At a change that others are quicker at: each of them changes a schedule once in a while."""


class StoredSchedule(msgspec.Struct, frozen=True):
    """A schedule as its record has it."""

    id: str
    entry: Entry
    version: int


class ScheduleRecords:
    """The schedules of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spoilt: set[tuple[str, int]] = set()

    async def read(self, ids: Sequence[str] | None = None) -> dict[str, StoredSchedule]:
        """Those with the ids, or all of them, by id. What cannot be read is left out, and said in the log once."""
        [records] = await self._store.get([RecordAsk(SCHEDULE, None if ids is None else tuple(ids))])
        schedules = (self._read(record) for record in sorted(records, key=lambda record: record.key))
        return {schedule.id: schedule for schedule in schedules if schedule is not None}

    async def create(self, schedule_id: str, entry: Entry) -> None:
        """Adds a schedule. Raises ScheduleExists."""
        [reply] = await self._store.put([_put(schedule_id, entry, expect=0)])
        if not reply.stored:
            assert reply.record is not None  # a record is in the way
            raise ScheduleExists(schedule_id, str(read_entry(reply.record.value).when))

    async def edit(self, schedule_id: str, change: Callable[[Entry], Entry]) -> Entry:
        """Changes a schedule, as often as it takes until nobody has been quicker; gives it as it is then. Raises
        UnknownSchedule, and what `change` raises."""
        schedules = await self.read([schedule_id])
        for _ in range(TRIES):
            if schedule_id not in schedules:
                raise UnknownSchedule(schedule_id, await self.read())
            schedule = schedules[schedule_id]
            entry = change(schedule.entry)
            [is_stored] = await self.swap([(schedule, entry)])
            if is_stored:
                return entry
            schedules = await self.read([schedule_id])
        raise ScheduleExists(schedule_id, "and others change it all the time")

    async def swap(self, changes: Sequence[tuple[StoredSchedule, Entry]]) -> list[bool]:
        """Replaces entries that nobody has changed since their schedule was read; which of them were replaced."""
        puts = [_put(schedule.id, entry, expect=schedule.version) for schedule, entry in changes]
        return [reply.stored for reply in await self._store.put(puts)]

    async def delete(self, schedule_id: str) -> None:
        """Forgets a schedule and its firings. Raises UnknownSchedule."""
        if schedule_id not in await self.read([schedule_id]):
            raise UnknownSchedule(schedule_id, await self.read())
        kinds = (SCHEDULE, FIRINGS)
        await self._store.put([Put(kind=kind, key=schedule_id, value=None) for kind in kinds])

    async def firings(self, ids: Sequence[str] | None = None) -> dict[str, list[Firing]]:
        """What became of the last ticks, oldest first, by schedule."""
        return {key: firings for key, (firings, _) in (await self._kept(ids)).items()}

    async def note(self, news: Mapping[str, Iterable[Firing]]) -> None:
        """Adds firings of schedules that are not there yet; the oldest are forgotten."""
        for _ in range(TRIES):
            if not news:
                return
            kept = await self._kept(list(news))
            puts = []
            for schedule_id, firings in news.items():
                older, version = kept.get(schedule_id, ([], 0))
                known = {(firing.tick_ms, firing.reason) for firing in older}
                fresh = [firing for firing in firings if (firing.tick_ms, firing.reason) not in known]
                value = msgspec.json.encode([*older, *fresh][-FIRINGS_KEPT:])
                puts.append(Put(kind=FIRINGS, key=schedule_id, value=value, expect=version))
            replies = await self._store.put(puts)
            news = {
                key: news[key] for key, reply in zip(list(news), replies, strict=True) if not reply.stored
            }

    async def _kept(self, ids: Sequence[str] | None) -> dict[str, tuple[list[Firing], int]]:
        [records] = await self._store.get([RecordAsk(FIRINGS, None if ids is None else tuple(ids))])
        return {record.key: (_readable(record), record.version) for record in records}

    def _read(self, record: Record) -> StoredSchedule | None:
        try:
            return StoredSchedule(record.key, read_entry(record.value), record.version)
        except msgspec.MsgspecError as error:
            if (record.key, record.version) not in self._spoilt:
                self._spoilt.add((record.key, record.version))
                log.warning("Schedule '%s' cannot be read, so it does not tick: %s", record.key, error)
            return None


def _readable(record: Record) -> list[Firing]:
    """What became of ticks; of a record that cannot be read, nothing: it is only a memory."""
    try:
        return read_firings(record.value)
    except msgspec.MsgspecError:
        return []


def _put(schedule_id: str, entry: Entry, *, expect: int) -> Put:
    return Put(kind=SCHEDULE, key=schedule_id, value=msgspec.json.encode(entry), expect=expect)
