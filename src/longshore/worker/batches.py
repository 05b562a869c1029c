"""This module gathers the claimed jobs of batch tasks, and sends each batch that is to go into its lane.

    claimed jobs → gatherer of their task → (full, or the oldest is due) → a ticket in the lane → a slot runs the batch

A batch takes one slot, in turn with everything else. What waits here is claimed, so little does: as many jobs as the
batches that can begin now could take, and one batch ahead. A job that should have gone and could not goes back to the
store after a second: another worker may have room.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any

import msgspec

from longshore.batch.collector import named
from longshore.batch.gathering import BatchRule, Gathered, Gatherer
from longshore.batch.halving import Half, read_half
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import Event
from longshore.core.ids import JobId, format_id, new_id
from longshore.core.job import JobRecord
from longshore.core.service import Alarm
from longshore.core.signature import ItemSignature
from longshore.core.states import State
from longshore.engine.engine import Engine
from longshore.engine.herald import Herald, MakeJob
from longshore.store.commands import HALVED, RecordAsk
from longshore.worker.handback import Handback
from longshore.worker.lanes import Lanes
from longshore.worker.registry import Handler, Registry
from longshore.worker.suspects import Suspects, handed_back

log = logging.getLogger("longshore.worker")

PATIENCE_SECONDS = 1.0
"""How long a job that should have gone may wait for a place."""
MOST_SORTED = 1000
"""Of a task whose jobs are sorted by key or by a strategy so many may wait: with fewer, every batch would be small."""


class Line:
    """The jobs of one batch task, of one queue, in this worker."""

    def __init__(self, queue: str, handler: Handler, rule: BatchRule) -> None:
        self.queue = queue
        self.handler = handler
        self.rule = rule
        self.gatherer = Gatherer(rule)
        self.busy = 0
        """Batches that run, or have a ticket."""
        self.next_start = float("-inf")
        """In monotonic time: of the throttle."""
        self.is_long = False
        """What runs has used up the patience of what waits."""

    @property
    def is_open(self) -> bool:
        """Whether one more batch may run."""
        return self.busy < self.rule.concurrency

    @property
    def room(self) -> int:
        """How many more jobs to claim."""
        if self.is_long:
            return 0
        most = self.rule.size * max(1, self.rule.concurrency - self.busy)
        if self.rule.is_sorted:
            most = max(most, MOST_SORTED)
        return max(0, most - self.gatherer.count)


class Formed(msgspec.Struct, eq=False):
    """A batch on its way."""

    line: Line
    jobs: list[Gathered]
    half: Half | None = None


class Batches:
    """The batches of one worker, until they begin."""

    def __init__(
        self,
        engine: Engine,
        *,
        session: Callable[[], str],
        registry: Registry,
        lanes: Lanes,
        suspects: Suspects,
        handback: Handback,
        herald: Herald,
        make_job: MakeJob,
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        """`session` is the one that holds the jobs now; `wake` tells the slots that a lane has something."""
        self.on_rest: Callable[[], None] = lambda: None
        """Called when jobs have gone back."""
        self.fail: Callable[[JobRecord, Handler, BaseException], None] = lambda *_: None
        """Judges a job that cannot even be gathered."""
        self._engine = engine
        self._session = session
        self._registry = registry
        self._lanes = lanes
        self._suspects = suspects
        self._handback = handback
        self._herald = herald
        self._make_job = make_job
        self._wake = wake
        self._clock = clock
        self._alarm = Alarm(clock)
        self._lines: dict[tuple[str, str], Line] = {}
        self._formed: dict[JobId, Formed] = {}
        self._running: asyncio.Task[None] | None = None
        suspects.on_free = self._alarm.ring

    async def start(self) -> None:
        """Begins to look after what is due."""
        for handler in self._registry.batched():
            if handler.queue in self._lanes.queues():
                self._line(handler.queue, handler)
        self._running = asyncio.get_running_loop().create_task(self._run(), name="longshore batches")

    async def stop(self) -> None:
        """Lets no more begin."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def sift(self, records: list[JobRecord]) -> list[JobRecord]:
        """Gathers the claimed jobs of batch tasks; gives the others."""
        others, own = [], []
        for record in records:
            handler = self._registry.find(record.queue, record.name)
            if handler is not None and handler.batch is not None:
                own.append((record, handler))
            else:
                others.append(record)
        if own:
            try:
                halves = await self._halves([record for record, _ in own])
            except StoreUnavailable:
                halves = None
            if halves is None or records[0].session != self._session():  # lost while the store was asked
                self._handback.give([record for record, _ in own])
                return others
            for record, handler in own:
                self._gather(record, handler, halves.get(record.id))
            self._look_everywhere()
            self._alarm.ring()
        return others

    def withdraw(self, ids: Collection[JobId] | None = None) -> list[JobRecord]:
        """Takes these jobs, or all, out again, as far as they have not begun."""
        gone: list[Gathered] = []

        def wanted(job: Gathered) -> bool:
            return ids is None or job.record.id in ids

        for line in self._lines.values():
            gone += line.gatherer.withdraw(wanted)
        for ticket, formed in list(self._formed.items()):
            gone += [job for job in formed.jobs if wanted(job)]
            formed.jobs = [job for job in formed.jobs if not wanted(job)]
            if ids is None:
                del self._formed[ticket]
                self.ended(formed)
        if gone:
            self._alarm.ring()
        return [job.record for job in gone]

    def held(self) -> set[JobId]:
        """The jobs that wait here."""
        waiting = {record.id for line in self._lines.values() for record in line.gatherer.jobs()}
        return waiting | {job.record.id for formed in self._formed.values() for job in formed.jobs}

    def flush(self) -> bool:
        """Lets everything go as far as there is room; whether anything is here."""
        for line in self._lines.values():
            self._look(line, everything=True)
        return bool(self._formed) or any(line.gatherer.count for line in self._lines.values())

    def begin(self, record: JobRecord, handler: Handler, rule: BatchRule) -> Formed | None:
        """The batch of a ticket, None when it is gone; a job that came without a ticket makes a batch of its own."""
        formed = self._formed.pop(record.id, None)
        if formed is None:
            if is_ticket(record):
                return None
            formed = Formed(self._line(record.queue, handler), [Gathered(record, self._handle(record, rule))])
            formed.line.busy += 1
        formed.line.next_start = self._clock.monotonic() + rule.throttle
        return formed

    def ended(self, formed: Formed) -> None:
        """The batch has ended, or will not begin."""
        line = formed.line
        line.busy -= 1
        line.is_long = False
        if formed.half is not None:
            self._suspects.leave()
        self._look(line)
        self._alarm.ring()

    # ------------------------------------------------------------------------------------------------ gathering

    def _line(self, queue: str, handler: Handler) -> Line:
        found = self._lines.get((queue, handler.name))
        if found is None:
            assert handler.batch is not None
            found = self._lines[queue, handler.name] = Line(queue, handler, handler.batch)
            self._tell_room(queue)
        return found

    async def _halves(self, records: Sequence[JobRecord]) -> dict[JobId, Half]:
        """Where jobs belong that were in a batch that crashed. Asked only for jobs that came back from somewhere."""
        asked = {format_id(record.id): record.id for record in records if record.releases or record.crashes}
        if not asked:
            return {}
        [found] = await self._engine.store.get([RecordAsk(HALVED, tuple(asked))])
        return {asked[record.key]: read_half(record) for record in found}

    def _gather(self, record: JobRecord, handler: Handler, half: Half | None) -> None:
        line = self._line(record.queue, handler)
        try:
            handle = self._handle(record, line.rule)
            job = Gathered(record, handle, _key(record, handle, handler, line.rule))
        except Exception as error:  # noqa: BLE001 - the application's `by` may raise anything
            self.fail(record, handler, error)
        else:
            line.gatherer.add(job, self._clock.monotonic(), half)

    def _handle(self, record: JobRecord, rule: BatchRule) -> Any:
        """The job as the application sees it, where it does."""
        return self._make_job(record) if rule.takes_jobs or rule.is_sorted else None

    # -------------------------------------------------------------------------------------------------- sending

    async def _run(self) -> None:
        while True:
            now = (
                self._clock.monotonic()
            )  # before the look: what becomes due after it is seen by the next one
            self._look_everywhere()
            self._give_back_late(now)
            next_look = min((self._next_look(line, now) for line in self._lines.values()), default=_NEVER)
            await self._alarm.wait(None if next_look == _NEVER else max(0.0, next_look - now))

    def _look_everywhere(self) -> None:
        for line in self._lines.values():
            self._look(line)

    def _look(self, line: Line, *, everything: bool = False) -> None:
        now = self._clock.monotonic()
        while line.is_open and line.next_start <= now:
            formed = self._form(line, now, everything=everything)
            if formed is None:
                break
            self._send(formed)
        self._tell_room(line.queue)

    def _form(self, line: Line, now: float, *, everything: bool) -> Formed | None:
        if self._suspects.is_free:
            found = line.gatherer.take_half(now, everything=everything)
            if found is not None:
                self._suspects.enter()
                return Formed(line, found[1], found[0])
        try:
            jobs = line.gatherer.take(now, everything=everything)
        except Exception as error:  # the application's strategy may raise anything; what waits, waits on
            log.exception("The strategy of batch task '%s' did not split what waits.", line.handler.name)
            if self._herald.wants("error"):
                self._herald.post(Event(name="error", queue=line.queue, error=error, data={"in": "strategy"}))
            return None
        return Formed(line, jobs) if jobs else None

    def _send(self, formed: Formed) -> None:
        line = formed.line
        ticket = JobRecord(
            id=new_id(),
            queue=line.queue,
            name=line.handler.name,
            payload=b"",
            state=State.RUNNING,
            priority=formed.jobs[0].record.priority,
        )
        self._formed[ticket.id] = formed
        line.busy += 1
        if line.rule.throttle:
            line.next_start = _NEVER  # until this one begins
        self._lanes.offer(line.queue, [ticket])
        self._wake()

    def _tell_room(self, queue: str) -> None:
        self._lanes.set_room(queue, sum(line.room for line in self._lines.values() if line.queue == queue))

    def _give_back_late(self, now: float) -> None:
        for line in self._lines.values():
            late = line.gatherer.overdue(now - PATIENCE_SECONDS)
            for job in late:
                self._handback.give([job.record], handed_back(job.record))
            if late:
                line.is_long = not line.is_open
                self._tell_room(line.queue)
                self.on_rest()

    def _next_look(self, line: Line, now: float) -> float:
        if not line.gatherer.count:
            return _NEVER
        late = line.gatherer.oldest_due() + PATIENCE_SECONDS
        if not line.is_open:
            return late
        return min(late, line.next_start if line.next_start > now else line.gatherer.next_due(now))


_NEVER = float("inf")


def is_ticket(record: JobRecord) -> bool:
    """Whether it stands for a batch in a lane, and is no job."""
    return record.session is None


def _key(record: JobRecord, handle: Any, handler: Handler, rule: BatchRule) -> Hashable:
    if rule.by is None:
        return None
    if isinstance(rule.by, str):
        assert isinstance(handler.signature, ItemSignature)
        key = named(rule.by, "by")(handler.signature.item(record.payload))
    else:
        key = rule.by(handle)
    hash(key)  # here, where only this job pays for a key that has none
    return key
