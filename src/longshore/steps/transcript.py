"""This module is what one attempt knows of its job's run: what earlier attempts recorded, and what it records itself.

The first to record something has recorded it: whoever comes later, be it an attempt that was thought dead, gets to know
what is there and goes on with that. So of two attempts at once both see the same results, and each is recorded once.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import Random
from typing import NamedTuple, Protocol, TypeVar

from longshore.core.attempt_errors import ClaimLost
from longshore.core.clock import Clock
from longshore.core.errors import StoreUnavailable
from longshore.core.ids import format_id
from longshore.core.job import JobRecord
from longshore.core.service import Alarm, Patience
from longshore.core.suspension import Suspended
from longshore.steps.entries import Entry, Kept, Kind, kept, put_of, read
from longshore.steps.recorder import Recorder

R = TypeVar("R")

IN_PLACE_SECONDS = 1.0
"""A sleep that ends so soon keeps its slot: to let go of the job and to claim it again costs more."""
LOOK_SECONDS = 0.5
"""Between two looks for a signal of a task that waits in its slot."""
BREATHS = 10
"""Turns of the event loop that other branches of a task get to begin their next step before it is let go."""
FAR_SECONDS = 24 * 3600.0
"""When a job that waits without a time-out looks again, though nobody told it of a signal."""


class Running(NamedTuple):
    """A step that has begun and not ended."""

    name: str
    token: object


_around: ContextVar[tuple[Running, ...]] = ContextVar("longshore_steps", default=())
"""The steps that the running code is inside of, the innermost last."""


class Parked(NamedTuple):
    """Who sleeps or waits."""

    until_ms: int
    wants_signal: bool
    """Whether a signal may come before."""
    inside: tuple[Running, ...]
    """The steps that cannot end before."""


class Reins(Protocol):
    """What an attempt is told and what it says of itself: the worker's side is `worker/control.py`."""

    cancelled: bool
    timed_out: bool
    record: JobRecord
    suspended: Suspended | None


class Transcript:
    """Recorded steps of the job that an attempt runs. Used in one event loop; `name` from any thread."""

    def __init__(
        self, reins: Reins, recorder: Callable[[], Awaitable[Recorder]], clock: Clock, random: Random
    ) -> None:
        self.reins = reins
        self.clock = clock
        self.random = random
        self._recorder = recorder
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._places: dict[str, int] = {}
        self._kept: dict[str, Kept] = {}
        self._loading: asyncio.Task[None] | None = None
        self._is_loaded = reins.record.fence <= 1  # nobody can have recorded anything before the first claim
        self._at_work: set[Running] = set()
        self._parked: dict[Alarm, Parked] = {}

    def name(self, wanted: str) -> str:
        """The name that this call has in the record: the second of the same is `name#2`, and what is asked for inside a
        step `step>name`, so that it counts for nobody else: in a later attempt that step may not be run."""
        around = _around.get()
        inside = f"{around[-1].name}>{wanted}" if around else wanted
        with self._lock:
            self._asked[inside] += 1
            count = self._asked[inside]
            name = inside if count == 1 else f"{inside}#{count}"
            self._places[name] = len(self._places)
            return name

    async def find(self, name: str) -> Kept | None:
        """What is recorded under the name. Raises Suspended where the attempt has ended so before."""
        if self.reins.suspended is not None:
            raise self.reins.suspended
        if not self._is_loaded:
            await self._load()
        return self._kept.get(name)

    def entry(self, kind: Kind, name: str, **said: object) -> Entry:
        """A new entry of this attempt, that begins now."""
        words = {"at_ms": self.clock.now_ms(), "born_ms": self.reins.record.created_ms} | said
        return Entry(kind=kind, place=self._places[name], attempt=self.reins.record.attempt, **words)  # type: ignore[arg-type]

    async def record(self, name: str, entry: Entry, *, expect: int = 0) -> Kept:
        """Records it, where the version that is there is the expected one; gives what is recorded then, whoever did
        it. A store that is away is tried again until the attempt is stopped."""
        job_id = self.reins.record.id
        put = put_of(job_id, name, entry, expect)
        stored = await self.insist(lambda recorder: recorder.record(job_id, put))
        if stored.record is None:  # steps are forgotten with their job only
            raise ClaimLost(format_id(job_id))
        found = kept(stored.record)
        if found.entry.born_ms != entry.born_ms:  # of a job that is gone, and that had this one's id
            return await self.record(name, entry, expect=found.version)
        self._kept[name] = found
        return found

    @contextmanager
    def inside(self, name: str) -> Iterator[Running]:
        """For the code of a step: what it asks for is named after it."""
        step = Running(name, object())
        around = _around.set((*_around.get(), step))
        try:
            yield step
        finally:
            _around.reset(around)

    @contextmanager
    def at_work(self, name: str) -> Iterator[None]:
        """While a step runs no branch of the task lets go of the slot, but one that the step itself waits for."""
        with self.inside(name) as step:
            self._at_work.add(step)
            try:
                yield
            finally:
                self._at_work.discard(step)
                for alarm in self._parked:
                    alarm.ring()

    async def park(self, due_ms: int | None, *, wants_signal: bool = False) -> None:
        """Returns when it is time, or for who wants a signal when it is worth a look; otherwise lets go of the slot by
        raising Suspended. None: there is no time."""
        alarm = Alarm(self.clock)
        until_ms = self.clock.now_ms() + round(FAR_SECONDS * 1000) if due_ms is None else due_ms
        self._parked[alarm] = Parked(until_ms, wants_signal, _around.get())
        try:
            while (left := self._left(until_ms)) > 0:
                soonest = self._left(min(parked.until_ms for parked in self._parked.values()))
                if soonest > IN_PLACE_SECONDS and await self._is_calm():
                    self._suspend(soonest)
                await alarm.wait(min(left, LOOK_SECONDS) if wants_signal else left)
                if wants_signal:
                    return
        finally:
            del self._parked[alarm]

    async def insist(self, work: Callable[[Recorder], Awaitable[R]]) -> R:
        """What the work with the store comes to; while the store is away it is tried again, until the attempt is to
        stop."""
        patience = Patience(self.random)
        while True:
            try:
                return await work(await self._recorder())
            except StoreUnavailable as error:
                if error.reason == "closed" or self.reins.cancelled or self.reins.timed_out:
                    raise
            await self.clock.sleep(patience.next_seconds())

    def _left(self, until_ms: int) -> float:
        return (until_ms - self.clock.now_ms()) / 1000

    async def _is_calm(self) -> bool:
        """Whether nothing of the task runs but what sleeps and waits, also after the others had a chance to go on."""
        for _ in range(BREATHS):
            if self._is_at_work:
                return False
            await self.clock.sleep(0)
        return not self._is_at_work

    @property
    def _is_at_work(self) -> bool:
        waiting = {step for parked in self._parked.values() for step in parked.inside}
        return not self._at_work <= waiting

    def _suspend(self, seconds: float) -> None:
        if self.reins.suspended is None:
            wants_signal = any(parked.wants_signal for parked in self._parked.values())
            self.reins.suspended = Suspended(seconds, wants_signal=wants_signal)
        raise self.reins.suspended

    async def _load(self) -> None:
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._read_all(), name="longshore steps")
        await asyncio.shield(self._loading)

    async def _read_all(self) -> None:
        found = await self.insist(
            lambda recorder: read(recorder.store, self.reins.record.id, self.reins.record.created_ms)
        )
        self._kept = {each.name: each for each in found} | self._kept
        self._is_loaded = True
