"""This module is what one step does to the limits and turns of some queues, from the locks of the queues to the commit.

Whoever makes a job with limits or a fair key pending, ends it or edits it holds the locks of the queues that it touches
(`locks.sql`, in the order of their numbers, before any row is changed). So what is read here stays true until the
commit, decisions are made in Python as in every other store, and nobody waits in a circle.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.backends.postgres.lines import Contender, Lines
from longshore.backends.postgres.turns import Turns
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.store.admission import Meter, Meters, meter_for

Name = tuple[str, str]
"""Of a meter: its queue and its name there."""


NEEDS_ROOM, SPENDS, NEEDS_ONE_PLACE = 1, 2, 3
"""What the shelves note of a job's rules: it needs room or a turn to be pending; and its claim spends of a rate; or all
that it needs is one place of one concurrency limit, which `settle_serving.sql` gives."""


class Locked(msgspec.Struct, frozen=True):
    """What is known as soon as the locks of some queues are held."""

    now_ms: int
    place: int
    """The tail's first."""
    isolation: str


async def lock(
    connection: Runs, dialect: Dialect, now_ms: int | None, *, flows: Iterable[str], rooms: Iterable[str] = ()
) -> Locked:
    """Takes the locks of these queues, until the transaction ends."""
    [(store_ms, place, isolation)] = await dialect.fetch(
        connection, "locks", now_ms, sorted(set(rooms)), sorted(set(flows))
    )
    return Locked(store_ms, place, isolation)


def ruled(rules: Rules | None) -> int | None:
    """What the shelves note of them, so that statements know whom to leave alone; None: nothing."""
    if rules is None or not (rules.flow or rules.fair):
        return None
    if not are_places(rules):
        return SPENDS
    return NEEDS_ONE_PLACE if not rules.fair and [key.cost for key in rules.flow] == [1] else NEEDS_ROOM


def are_places(rules: Rules) -> bool:
    """Whether its limits are all of those that are given back when the claim ends."""
    return all(key.kind is LimitKind.CONCURRENCY for key in rules.flow)


def read_meter(row: Row) -> Meter:
    """What `meters.sql` returned."""
    rule, _, key = row[1].partition(":")
    return Meter(
        queue=row[0],
        rule=rule,
        key=key,
        kind=LimitKind(row[2]),
        limit=row[3],
        per_ms=row[4],
        burst=row[5],
        used=row[6],
        held=row[7],
        wanted=row[8],
        spent=row[9] or b"",
    )


class Ledger:
    """The meters, lines and turns that a step works with."""

    def __init__(self, connection: Runs, dialect: Dialect, locked: Locked) -> None:
        self._connection = connection
        self._dialect = dialect
        self.now_ms = locked.now_ms
        self._place = locked.place
        self._meters: dict[Name, Meter] = {}
        self._due: dict[Name, int | None] = {}
        """When they were due as they were read."""
        self._changed: set[Name] = set()
        self._touched: set[Name] = set()
        """Whose room or limit has changed, so that they serve."""
        self._lines = Lines(connection, dialect)
        self._turns = Turns(connection, dialect)
        self.arrived: set[str] = set()
        """Queues in which somebody found room."""
        self._moved: dict[str, Contender] = {}
        """Those that stand on a shelf where they do not belong."""

    def set_tail(self, place: int) -> None:
        """From here on jobs are put behind."""
        self._place = max(self._place, place)

    def next_place(self) -> int:
        """The next one at the tail."""
        self._place += 1
        return self._place

    async def load(self, asking: Iterable[tuple[str, int, Rules | None]]) -> None:
        """Reads what is needed to decide about jobs of these queues, priorities and rules."""
        asking = list(asking)
        names: dict[Name, FlowKey] = {}
        for queue, _, rules in asking:
            for key in rules.flow if rules else ():
                if (queue, key.meter) not in self._meters:
                    names[queue, key.meter] = key
        if names:
            self.take(await self._fetch_meters(names))
            for (queue, name), key in names.items():
                if (queue, name) not in self._meters:
                    self._meters[queue, name] = meter_for(queue, key)
        await self._turns.load(
            (queue, priority, rules.fair.key) for queue, priority, rules in asking if rules and rules.fair
        )

    def take(self, rows: Sequence[Row]) -> list[Meter]:
        """Takes meters over that were read, unless it knows them better already."""
        for row in rows:
            name = (row[0], row[1])
            if name not in self._meters:
                self._meters[name] = read_meter(row)
                self._due[name] = row[10]
        return [self._meters[row[0], row[1]] for row in rows]

    def touch(self, queue: str, name: str) -> None:
        """This meter serves in the end."""
        self._touched.add((queue, name))
        self._changed.add((queue, name))

    async def touch_all(self, names: Sequence[Name]) -> None:
        """Reads these meters, which serve in the end."""
        if names:
            for meter in self.take(await self._fetch_meters(names)):
                self.touch(meter.queue, meter.name)

    async def _fetch_meters(self, names: Collection[Name]) -> Sequence[Row]:
        queues, keys = [queue for queue, _ in names], [name for _, name in names]
        return await self._dialect.fetch(self._connection, "meters", queues, keys)

    def start(self, queue: str, flow: Sequence[FlowKey]) -> None:
        """A pending job was claimed."""
        self._of(queue, flow).start(flow)
        self._changed.update((queue, key.meter) for key in flow if key.kind is not LimitKind.CONCURRENCY)

    def leave(self, queue: str, flow: Sequence[FlowKey], *, was_claimed: bool) -> None:
        """A job is neither pending nor running any more."""
        self._of(queue, flow).leave(flow, was_claimed=was_claimed)
        for key in flow:
            if key.kind is LimitKind.CONCURRENCY or not was_claimed:
                self.touch(queue, key.meter)

    def let_go(self, queue: str, flow: Sequence[FlowKey], held_by: str | None) -> None:
        """A job is not held any more, and does not ask."""
        for key in flow:
            if key.meter == held_by:
                self._of(queue, flow).let_go(key)
                self.touch(queue, key.meter)

    def ask(self, job: Contender, *, is_new: bool = False) -> None:
        """The job becomes pending, or is held."""
        flow = job.rules.flow
        meters = self._of(job.queue, flow)
        for key in flow:
            self.touch(job.queue, key.meter)
        meters.learn(flow, is_new=is_new)
        blocker = meters.blocker(flow)
        if blocker is None:
            self._admit(job, meters)
        else:
            self._hold(job, meters, blocker)

    def _admit(self, job: Contender, meters: Meters) -> None:
        meters.enter(job.rules.flow)
        self._changed.update((job.queue, key.meter) for key in job.rules.flow)
        job.held_by = None
        self.arrived.add(job.queue)
        is_elsewhere = job.was_held
        if job.rules.fair is not None and job.turn is None:
            job.turn = self._turns.give(job.queue, job.priority, job.rules.fair)
            is_elsewhere = True
        if job.is_stored and is_elsewhere:
            self._moved[job.id] = job

    def _hold(self, job: Contender, meters: Meters, key: FlowKey) -> None:
        meters.hold(key)
        self._changed.add((job.queue, key.meter))
        job.held_by, job.turn = key.meter, None
        self._lines.join((job.queue, key.meter), job)
        if job.is_stored:
            self._moved[job.id] = job

    async def serve(self) -> None:
        """The meters whose room or limit has changed let those become pending whom they hold."""
        names = [name for name in sorted(self._touched) if self._may_serve(self._meters[name])]
        self._touched.clear()
        await self._read({name: self._asks_for(self._meters[name]) for name in names})
        for name in names:
            await self._serve(name)

    def _may_serve(self, meter: Meter) -> bool:
        """Whether it is worth while to look who is held. A rate must know what its first one costs, to tell when."""
        return meter.held > 0 and (meter.kind is not LimitKind.CONCURRENCY or meter.used < meter.limit)

    def _asks_for(self, meter: Meter) -> int:
        """How many of its line it needs at most, if each costs 1: those with room, and of a rate the one behind."""
        is_rate = meter.kind is not LimitKind.CONCURRENCY
        return min(max(0, meter.room(self.now_ms)) + is_rate, meter.held)

    async def _read(self, wanted: dict[Name, int]) -> None:
        found = await self._lines.read(wanted)
        await self.load((job.queue, job.priority, job.rules) for job in found)

    async def _serve(self, name: Name) -> None:
        meter = self._meters[name]
        while self._may_serve(meter):
            if self._lines.needs_more(name):
                await self._read({name: self._asks_for(meter)})
            job = self._lines.first(name)
            if job is None:  # nobody is there, whatever the meter says
                meter.held = 0
                return
            flow = job.rules.flow
            meters = self._of(job.queue, flow)
            [here] = [key for key in flow if key.meter == name[1]]
            meters.learn(flow, is_new=False)
            blocker = meters.blocker_of_held(flow, name[1])
            if blocker is here:
                meters.is_first(here)
                return
            self._lines.pop(name)
            meters.let_go(here)
            job.order, job.was_served = self.next_place(), True
            if blocker is None:
                self._admit(job, meters)
            else:
                self._hold(job, meters, blocker)

    async def again(self) -> "Ledger":
        """Another one for what follows in the same step, once this one is kept: the meters that have not served yet
        do so there."""
        ledger = Ledger(
            self._connection, self._dialect, Locked(now_ms=self.now_ms, place=self._place, isolation="")
        )
        await ledger.touch_all(sorted(self._touched))
        ledger.arrived = self.arrived
        return ledger

    async def keep(self, said: Collection[str] = ()) -> None:
        """Writes what was decided, and wakes whom it concerns; `said` is told besides."""
        meters = [self._meters[name] for name in sorted(self._changed)]
        told = {*said, *(f"scheduled:{meter.queue}" for meter in meters if self._is_due_sooner(meter))}
        moved = list(self._moved.values())
        turns = self._turns.rows()
        if not (meters or moved or turns or told):
            return
        await self._dialect.fetch(
            self._connection,
            "keep",
            self.now_ms,
            self._dialect.channel,
            [job.id for job in moved],
            [job.state for job in moved],
            [job.place for job in moved],
            [job.aside for job in moved],
            [job.held_by for job in moved],
            [meter.queue for meter in meters],
            [meter.name for meter in meters],
            [int(meter.kind) for meter in meters],
            [meter.limit for meter in meters],
            [meter.per_ms for meter in meters],
            [meter.burst for meter in meters],
            [meter.used for meter in meters],
            [meter.held for meter in meters],
            [meter.wanted for meter in meters],
            [meter.spent for meter in meters],
            [meter.due_ms(self.now_ms) for meter in meters],
            [self._idle_ms(meter) for meter in meters],
            *([row[column] for row in turns] for column in range(5)),
            sorted(told),
            [self.now_ms if job.was_served else None for job in moved],
        )

    def _is_due_sooner(self, meter: Meter) -> bool:
        before, now = self._due.get((meter.queue, meter.name)), meter.due_ms(self.now_ms)
        return now is not None and (before is None or now < before)

    def _idle_ms(self, meter: Meter) -> int | None:
        """From when on it knows nothing that a new one would not know; None while a job needs it."""
        if meter.used or meter.held:
            return None
        most = meter.burst if meter.kind is LimitKind.BUCKET else meter.limit
        return meter.next_ms(most, self.now_ms) or self.now_ms

    def _of(self, queue: str, flow: Iterable[FlowKey]) -> Meters:
        return Meters((self._meters[queue, key.meter] for key in flow), self.now_ms)
